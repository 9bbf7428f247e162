"""Normalisation of inputs to mean 0 and variance 1 by the statistics of the training part."""

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

# Integer types that PyTorch computes with and that take less memory than float32.
_SMALL = (np.uint8, np.int8, np.int16)
# 64 MiB in float64: a large data set is never in memory in that type as a whole.
_BLOCK_VALUES = 2**23


@dataclasses.dataclass(frozen=True, eq=False)
class Normalize:
    """Normalisation of stored inputs for a network: ``(x - mean) / deviation`` in float32.

    Attributes:
        mean: Mean of each channel or feature, shape (1, channels, 1, …).
        deviation: Standard deviation of each, of the same shape and nowhere 0.
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def by(cls, blocks: Iterable[Array]) -> Normalize:
        """Return the normalisation of ``blocks`` of samples (samples, channels, …) to mean 0, variance 1.

        One pass in float64, joined block by block (Chan, Golub & LeVeque 1979). A constant channel is
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
    """Identity on inputs that were normalised before they were stored.

    Attributes:
        by: Their normalisation, for new inputs.
    """

    by: Normalize

    def __call__(self, x: Tensor) -> Tensor:
        return x


def block_size(shape: tuple[int, ...]) -> int:
    """Return the number of samples of that shape in one block for :meth:`Normalize.by`."""
    return max(1, _BLOCK_VALUES // math.prod(shape))


def normalized(inputs: Array, train: Array) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return inputs to store, and the function that prepares stored inputs for a network.

    Whole numbers that fit in 16 bits are stored unchanged, in the smallest type; anything else is
    normalised before it is stored.

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
