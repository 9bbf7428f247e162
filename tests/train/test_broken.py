"""Errors after which a process can use its GPU no more are told from others."""

from __future__ import annotations

import pytest
import torch

from optnas.errors import chain
from optnas.train.broken import is_broken


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"), False),
        (RuntimeError("CUDA error: out of memory"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("CUDA error: device-side assert triggered"), False),
    ],
)
def test_those_that_stay_are_known(error: Exception, broken: bool) -> None:
    assert is_broken(error) == broken
    outer = KeyError("on the way out")
    outer.__cause__ = error
    assert is_broken(outer) == broken


def test_errors_that_came_from_each_other_are_looked_at_once() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__context__ = other, one
    assert chain(one) == [one, other]
    assert not is_broken(one)
