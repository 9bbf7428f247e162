"""Inputs brought to mean 0 and variance 1 by the figures of the training part."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["Normalize", "Normalized", "block_size", "normalized"]

Array = np.ndarray[Any, Any]

# What PyTorch computes with and float32 takes less memory than: for whole numbers that fit.
_SMALL = (np.uint8, np.int8, np.int16)
# In float64 64 MiB; more of a large data set need not be in memory in that type at once.
_BLOCK_VALUES = 2**23


@dataclasses.dataclass(frozen=True, eq=False)
class Normalize:
    """From numbers as they are stored to what a network takes: ``(x - mean) / deviation`` in float32.

    Attributes:
        mean: Of each channel or feature, shape (1, channels, 1, …).
        deviation: Likewise, and nowhere 0.
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def by(cls, blocks: Iterable[Array]) -> Normalize:
        """Return the one that brings ``blocks`` of samples (samples, channels, …) to mean 0, variance 1.

        One pass in float64, joined block by block (Chan, Golub & LeVeque 1979). What is constant is
        only brought to mean 0.
        """
        count, mean, squares = 0, np.zeros(1), np.zeros(1)
        for block in blocks:
            block = block.astype(np.float64)
            # Over samples and positions: one mean and deviation for each channel or feature.
            axes = (0, *range(2, block.ndim))
            block_mean = block.mean(axis=axes, keepdims=True)
            size = block.size // block_mean.size
            step = block_mean - mean
            mean = mean + step * (size / (count + size))
            squares = squares + ((block - block_mean) ** 2).sum(axis=axes, keepdims=True)
            squares = squares + step**2 * (count * size / (count + size))
            count += size
        deviation = np.sqrt(squares / count)
        return cls(torch.from_numpy(mean), torch.from_numpy(np.where(deviation > 0, deviation, 1)))

    def __call__(self, x: Tensor) -> Tensor:
        mean, deviation = (figure.to(x.device, torch.float32) for figure in (self.mean, self.deviation))
        return (x - mean).div_(deviation)


@dataclasses.dataclass(frozen=True, eq=False)
class Normalized:
    """What is stored is what a network takes, as it has been normalised already.

    Attributes:
        by: What inputs that come later have to go through.
    """

    by: Normalize

    def __call__(self, x: Tensor) -> Tensor:
        return x


def block_size(shape: tuple[int, ...]) -> int:
    """Return how many samples of that shape to take at once for :meth:`Normalize.by`."""
    return max(1, _BLOCK_VALUES // math.prod(shape))


def normalized(inputs: Array, train: Array) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return inputs as they are best stored, and what makes of them what a network takes.

    Whole numbers that fit in 16 bits stay what they are, in the smallest type; anything else is
    normalised here and now.

    Args:
        inputs: Shape (samples, channels, …), numbers.
        train: The indices of the training part.
    """
    size = block_size(inputs.shape[1:])
    figures = Normalize.by(inputs[train[at : at + size]] for at in range(0, len(train), size))
    if np.issubdtype(inputs.dtype, np.integer):
        low, high = inputs.min(), inputs.max()
        for small in _SMALL:
            if np.iinfo(small).min <= low and high <= np.iinfo(small).max:
                return torch.from_numpy(inputs.astype(small)), figures
    exact = (inputs - figures.mean.numpy()) / figures.deviation.numpy()
    return torch.from_numpy(exact).float().contiguous(), Normalized(figures)
