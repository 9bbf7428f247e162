"""cuDNN's own choice of algorithms, by timing them once, where the same shape comes often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["benchmarked"]

Step = Callable[[Tensor, Tensor, Any], Tensor]


def benchmarked(step: Step, size: int) -> Step:
    """Return ``step`` such that cuDNN times its algorithms on batches of ``size`` samples.

    It does so once a shape, for tenths of a second, which is lost on a batch that comes once an epoch.
    """

    def call(inputs: Tensor, targets: Tensor, rate: Any) -> Tensor:
        before = torch.backends.cudnn.benchmark
        torch.backends.cudnn.benchmark = before or len(inputs) == size
        try:
            return step(inputs, targets, rate)
        finally:
            torch.backends.cudnn.benchmark = before

    return call
