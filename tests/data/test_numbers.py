"""Inputs become the numbers that they are, or are refused by their sample: however the data is given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from optnas import UserError, data
from tests.data.images import Pairs, look_at

LABELS = np.arange(60) % 2
PLAIN = np.random.default_rng(0).integers(0, 9, size=(60, 3)).astype(float)
ODD = 17


def tensors(samples: list[Any]) -> data.Data:
    return data.tensors(samples, LABELS)


def held(samples: list[Any]) -> data.Data:
    return data.dataset(Pairs(samples, LABELS))


def streamed(samples: list[Any]) -> data.Data:
    return data.dataset(Pairs(samples, LABELS), memory=0, readers=0)


def read_ahead(samples: list[Any]) -> data.Data:
    return data.dataset(Pairs(samples, LABELS), labels=LABELS, memory=0, readers=1)


def with_one(change: Callable[[np.ndarray], Any], rest: Callable[[np.ndarray], Any] = np.array) -> list[Any]:
    """Return the samples, one of them changed."""
    return [change(x) if place == ODD else rest(x) for place, x in enumerate(PLAIN)]


def as_type(dtype: torch.dtype) -> Callable[[np.ndarray], torch.Tensor]:
    return lambda x: torch.from_numpy(x).to(dtype)


def quantized(x: np.ndarray) -> torch.Tensor:
    return torch.quantize_per_tensor(torch.from_numpy(x).float(), 0.1, 0, torch.quint8)


def nested(x: np.ndarray) -> torch.Tensor:
    return torch.nested.nested_tensor([torch.from_numpy(x)])


NO_NUMBERS: dict[str, tuple[Callable[[], list[Any]], str]] = {
    "masked": (partial(with_one, lambda x: np.ma.masked_equal(x, x[0])), "masked"),
    "masked tensor": (
        partial(
            with_one,
            lambda x: torch.masked.masked_tensor(torch.from_numpy(x), torch.tensor([True, False, True])),
        ),
        "masked",
    ),
    "sparse": (
        partial(with_one, lambda x: torch.from_numpy(x).to_sparse(), torch.from_numpy),
        "nested or sparse",
    ),
    "nested": (partial(with_one, nested, torch.from_numpy), "nested or sparse"),
    "quantized": (partial(with_one, quantized, torch.from_numpy), "quantized; give its dequantize"),
    "meta": (partial(with_one, lambda x: torch.empty(3, device="meta"), torch.from_numpy), "device meta"),
    "dates": (partial(with_one, lambda x: x.astype("M8[D]"), lambda x: x.astype("M8[D]")), "dates and times"),
    "complex": (partial(with_one, lambda x: x + 1j), "complex"),
    "texts": (
        partial(with_one, lambda _: np.array(["a", "b", "c"])),
        "convert string|types|must be numbers",
    ),
    "not a number": (partial(with_one, lambda x: x * np.nan), f"sample {ODD} .* not a finite number"),
    "infinite": (partial(with_one, lambda x: x + np.inf), f"sample {ODD} .* not a finite number"),
    "beyond float32": (partial(with_one, lambda x: x + 1e39), f"sample {ODD} holds a number beyond 3.4e38"),
    "beyond 2^53": (
        partial(with_one, lambda x: x.astype(int) + 2**60, lambda x: x.astype(int)),
        f"sample {ODD} holds a whole number beyond 2\\^53",
    ),
    "unsigned beyond 2^53": (
        partial(with_one, lambda x: x.astype(np.uint64) + np.uint64(2**63), lambda x: x.astype(np.uint64)),
        f"sample {ODD} holds a whole number beyond 2\\^53",
    ),
    "objects beyond 2^53": (
        partial(with_one, lambda x: np.array([2**60, 1, 2], dtype=object), lambda x: x.astype(object)),
        "whole numbers beyond 2\\^53",
    ),
    "no numbers": (lambda: [np.zeros(0) for _ in PLAIN], r"shape \(60, 0\)|shape \(0,\)"),
    "no axis": (lambda: [np.array(x[0]) for x in PLAIN], r"shape \(60,\)|shape \(\)"),
}


@pytest.mark.parametrize("by", [tensors, held, streamed, read_ahead])
@pytest.mark.parametrize("case", NO_NUMBERS)
@pytest.mark.filterwarnings("ignore:.*MaskedTensors", "ignore:.*nested tensors", "ignore:.*quantize")
def test_inputs_that_would_become_other_numbers_are_refused(by: Callable[..., data.Data], case: str) -> None:
    samples, said = NO_NUMBERS[case]
    made = by(samples())
    with pytest.raises(UserError, match=said) as refused:
        look_at(made)
    assert "\n" not in str(refused.value)
    if by is not tensors and case not in ("dates", "no numbers", "no axis"):
        assert f"sample {ODD}" in str(refused.value)


TAKEN: dict[str, Callable[[np.ndarray], Any]] = {
    "float16": as_type(torch.float16),
    "bfloat16": as_type(torch.bfloat16),
    "float8": as_type(torch.float8_e4m3fn),
    "float64": as_type(torch.float64),
    "long double": lambda x: x.astype(np.longdouble),
    "uint64": lambda x: x.astype(np.uint64),
    "tensor of uint16": as_type(torch.uint16),
    "another machine's": lambda x: x.astype(">f4"),
    "objects": lambda x: x.astype(object),
    "of a graph": lambda x: torch.from_numpy(x).requires_grad_(),
    "unmasked": lambda x: np.ma.array(x),
    "conjugate": lambda x: torch.complex(torch.zeros(3).double(), torch.from_numpy(-x)).conj().imag,
}


def inputs_of(made: data.Data) -> torch.Tensor:
    splits = made.splits
    every = [splits.prepare(x) for x, _ in splits.train.blocks(7)]
    return torch.cat(every)


@pytest.mark.parametrize("by", [tensors, held, streamed, read_ahead])
@pytest.mark.parametrize("case", TAKEN)
def test_numbers_of_any_type_are_the_same_inputs(by: Callable[..., data.Data], case: str) -> None:
    found = inputs_of(by([TAKEN[case](x) for x in PLAIN]))
    assert torch.allclose(found, inputs_of(data.tensors(PLAIN, LABELS)), atol=1e-6)


@pytest.mark.parametrize("by", [held, streamed, read_ahead])
@pytest.mark.parametrize("first", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("rest", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("large", [0, 70_001, 1.7e9 + 1])
def test_floating_point_types_mix_as_long_as_no_number_changes(
    by: Callable[..., data.Data], first: torch.dtype, rest: torch.dtype, large: float
) -> None:
    exact = PLAIN + [[0, 0, large if place else 0] for place in range(60)]
    samples = [torch.from_numpy(x).to(rest if place else first) for place, x in enumerate(exact)]
    given = torch.stack([sample.double() for sample in samples])
    if not given.isfinite().all():  # beyond the type that the test itself gave
        return
    try:
        found = inputs_of(by(samples))
    except UserError as refused:
        assert "convert either, as all must be of one type" in str(refused)  # noqa: PT017
        assert not torch.equal(given, given.to(first).double())
    else:
        assert torch.allclose(found, inputs_of(data.tensors(given, LABELS)), atol=1e-5)


@pytest.mark.parametrize("by", [tensors, held, streamed, read_ahead])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sample_far_from_the_training_part_is_no_infinity(
    by: Callable[..., data.Data], dtype: type
) -> None:
    samples = [x.astype(dtype) for x in PLAIN]
    for odd in range(6):  # in the training part, or outside it
        given = [np.array([1e30, 1, 2], dtype) if place == odd else x for place, x in enumerate(samples)]
        try:
            found = inputs_of(by(given))
            look_at(by(given))
        except UserError as refused:
            assert f"sample {odd} is too far from all that the training part has" in str(refused)  # noqa: PT017
        else:
            assert found.square().isfinite().all()
