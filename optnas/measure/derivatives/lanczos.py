"""Largest eigenvalue of a symmetric operator by the Lanczos iteration."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Eigenvalue", "largest_eigenvalue"]

# The probability with which an upper bound may fail, over the random start.
_FAILS = 1e-9


class Eigenvalue(NamedTuple):
    """The largest Ritz value, which is no larger than the eigenvalue, and how it was found.

    Attributes:
        value: The largest Ritz value.
        steps: The number of products with the operator.
        size: The number of rows of the operator.
        exact: Whether the Krylov space is invariant, so that the value is the eigenvalue but for rounding.
    """

    value: float
    steps: int
    size: int
    exact: bool

    @property
    def upper(self) -> float:
        """An upper bound if no eigenvalue is negative; it fails with probability 1e-9 over the start.

        Kuczyński & Woźniakowski 1992, theorem 4.2: with a random start the relative error is above ε with a
        probability of at most 1.648·√n·exp(-√ε·(2k - 1)) after k steps.
        """
        if self.exact:
            return self.value
        root = math.log(1.648 * math.sqrt(self.size) / _FAILS) / (2 * self.steps - 1)
        return self.value / (1 - root**2) if root < 1 else math.inf


def largest_eigenvalue(
    apply: Callable[[Tensor], Tensor], start: Tensor, *, steps: int, tolerance: float = 0.0
) -> Eigenvalue:
    """Return the largest eigenvalue of a symmetric operator.

    Without reorthogonalisation, which would need all vectors: eigenvalues then appear more than once, which
    makes no difference to the largest one.

    Args:
        apply: Multiplies a vector by the operator.
        start: A random vector of normally distributed numbers.
        steps: The largest number of products.
        tolerance: The relative change of the value in two steps below which to stop early.
    """
    size = start.numel()
    vector, before = start / start.norm(), torch.zeros_like(start)
    diagonal: list[float] = []
    beside: list[float] = []
    values: list[float] = []
    for _ in range(min(steps, size)):
        product = apply(vector)
        diagonal.append(float(product @ vector))
        product = product - diagonal[-1] * vector - (beside[-1] if beside else 0.0) * before
        product = product - (product @ vector) * vector
        values.append(_largest(diagonal, beside))
        scale = max(map(abs, (*diagonal, *beside)), default=0.0)
        left = float(product.norm())
        if left <= 10 * torch.finfo(start.dtype).eps * scale * math.sqrt(size) or len(values) == size:
            return Eigenvalue(values[-1], len(values), size, exact=True)
        if len(values) > 2 and abs(values[-1] - values[-3]) < tolerance * abs(values[-1]):
            break
        beside.append(left)
        before, vector = vector, product / left
    return Eigenvalue(values[-1], len(values), size, exact=False)


def _largest(diagonal: list[float], beside: list[float]) -> float:
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    if beside:
        off = torch.tensor(beside, dtype=torch.float64)
        matrix = matrix + torch.diag(off, 1) + torch.diag(off, -1)
    return float(torch.linalg.eigvalsh(matrix)[-1])
