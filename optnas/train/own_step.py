"""A training step of the task's own, whose loss is checked to be one number."""

from __future__ import annotations

import numbers
from typing import Any

import torch
from torch import Tensor

from optnas.data.trees import Tree
from optnas.errors import UserError
from optnas.train.task import Step

__all__ = ["checked_step"]


def checked_step(name: str, step: Any) -> Step:
    """Return ``step`` as one whose loss is a scalar without a graph.

    Args:
        name: The task's name, for error messages.
        step: What ``own_step`` returned.

    Raises:
        UserError: If it cannot be called; when it is called, if it returns what is not one number.
    """
    if not callable(step):
        raise UserError(
            f"{name}.own_step returns {step!r:.60}; give a function of inputs, targets and a rate"
        )

    def checked(inputs: Tree, targets: Tree, rate: float) -> Tensor:
        found = step(inputs, targets, rate)
        if isinstance(found, numbers.Real):
            return torch.tensor(float(found))
        if not isinstance(found, Tensor) or found.numel() != 1 or found.is_complex():
            told = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else repr(found)
            raise UserError(f"the step of {name} returns {told:.60}: let it return its loss, one number")
        return found.detach().reshape(())

    return checked
