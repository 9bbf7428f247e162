"""Normalisation of inputs to mean 0 and variance 1 by the statistics of the training part."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optnas.data.layout import feature_axis
from optnas.data.sending import sent
from optnas.data.trees import Tree, mapped

__all__ = ["Each", "Normalize", "Normalized", "block_size", "normalized", "standardized"]

Array = np.ndarray[Any, Any]

# Integer types that PyTorch computes with and that take less memory than float32.
_SMALL = (np.uint8, np.int8, np.int16)
# A deviation below this share of the mean is rounding: the feature is constant.
_ROUNDING = 64 * np.finfo(np.float64).eps
# 64 MiB in float64: a large data set is never in memory in that type as a whole.
_BLOCK_VALUES = 2**23


@dataclasses.dataclass(frozen=True, eq=False)
class Normalize:
    """Normalisation of stored inputs for a network: ``(x - mean) / deviation`` in float32.

    Attributes:
        mean: Mean of each channel or feature, float64, shape (1, channels, 1, …), or (1, 1, features)
            for sequences.
        deviation: Standard deviation of each, of the same type and shape and nowhere 0.
        axes: The permutation that brought a batch of the given inputs to the order in which it is stored
            and which ops take; ``None`` if it was in that order.
    """

    mean: Tensor
    deviation: Tensor
    axes: tuple[int, ...] | None = None

    @classmethod
    def by(cls, blocks: Iterable[Array], axes: tuple[int, ...] | None = None) -> Normalize:
        """Return the normalisation of ``blocks`` of stored samples (samples, …) to mean 0, variance 1.

        One pass in float64, joined block by block (Chan, Golub & LeVeque 1979). A constant channel is
        only brought to mean 0.
        """
        count, mean, squares = 0, np.zeros(1), np.zeros(1)
        for block in blocks:
            block = block.astype(np.float64)
            # Over samples and positions: one mean and deviation for each channel or feature.
            kept = feature_axis(block.ndim - 1)
            over = tuple(axis for axis in range(block.ndim) if axis != kept)
            block_mean = block.mean(axis=over, keepdims=True)
            size = block.size // block_mean.size
            step = block_mean - mean
            mean = mean + step * (size / (count + size))
            squares = squares + ((block - block_mean) ** 2).sum(axis=over, keepdims=True)
            squares = squares + step**2 * (count * size / (count + size))
            count += size
        deviation = np.sqrt(squares / count)
        varies = deviation > _ROUNDING * np.abs(mean)
        return cls(torch.from_numpy(mean), torch.from_numpy(np.where(varies, deviation, 1)), axes)

    def __call__(self, x: Tensor) -> Tensor:
        return standardized(x, self.mean, self.deviation)


@dataclasses.dataclass(frozen=True, eq=False)
class Normalized:
    """Identity on inputs that were normalised before they were stored.

    Attributes:
        by: Their normalisation, for new inputs.
    """

    by: Normalize

    def __call__(self, x: Tensor) -> Tensor:
        return x


@dataclasses.dataclass(frozen=True, eq=False)
class Each:
    """Preparation of several stored inputs, each by its own function.

    Attributes:
        by: The functions, a tree as the inputs are.
    """

    by: Tree

    def __call__(self, x: Tree) -> Tree:
        return mapped(lambda function, given: function(given), self.by, x)


def standardized(x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Return ``(x - mean) / deviation`` in float32, with the mean (float64) subtracted without rounding."""
    if x.dtype in (torch.float64, torch.int32, torch.int64):
        return ((x - sent(mean, x.device)) / sent(deviation, x.device)).float()
    # The mean as a sum of two numbers of float32: inputs near it lose nothing, and float64 is slow on GPUs.
    near = mean.float()
    rest = (mean - near).float()
    return (x - sent(near, x.device)).sub_(sent(rest, x.device)).div_(sent(deviation.float(), x.device))


def block_size(shape: tuple[int, ...]) -> int:
    """Return the number of samples of that shape in one block for :meth:`Normalize.by`."""
    return max(1, _BLOCK_VALUES // math.prod(shape))


def normalized(
    inputs: Array, train: Array, axes: tuple[int, ...] | None = None
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return inputs to store, and the function that prepares stored inputs for a network.

    Whole numbers that fit in 16 bits are stored unchanged, in the smallest type; anything else is
    normalised before it is stored.

    Args:
        inputs: Shape (samples, …), numbers.
        train: The indices of the training part.
        axes: The permutation of ``inputs`` to the order that ops take; ``None`` if they have it.
    """
    if axes is not None:
        inputs = inputs.transpose(axes)
    size = block_size(inputs.shape[1:])
    blocks = (inputs[train[at : at + size]] for at in range(0, len(train), size))
    figures = Normalize.by(blocks, axes)
    if np.issubdtype(inputs.dtype, np.integer):
        low, high = inputs.min(), inputs.max()
        for small in _SMALL:
            if np.iinfo(small).min <= low and high <= np.iinfo(small).max:
                return torch.from_numpy(inputs.astype(small, order="C")), figures
    exact = (inputs - figures.mean.numpy()) / figures.deviation.numpy()
    return torch.from_numpy(exact).float().contiguous(), Normalized(figures)
