"""Samples that a diffusion network makes of noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["ddim", "kept_signal"]

# Nichol & Dhariwal 2021, equation 17: so that the first level is not too little noise.
_OFFSET = 0.008
# And below: of the last level something is left, as there it is divided by.
_LEAST_LEFT = 1e-3


def ddim(module: nn.Module, noise: Tensor, steps: int = 50, most: float = math.inf) -> Tensor:
    """Return samples that a network makes of noise, without further randomness (Song et al. 2021).

    Args:
        module: The network, such as ``optnas.load`` returns it.
        noise: Numbers of mean 0 and deviation 1, in the shape of the samples, (count, …).
        steps: Levels of noise that it was trained with.
        most: What samples are kept between at each step, either side of 0.
    """
    kept = kept_signal(steps).to(noise.device)
    x = noise
    for level in reversed(range(steps)):
        t = torch.full((len(x),), level, dtype=torch.int32, device=x.device)
        guess = module({"x": x, "t": t}).float().view_as(x)
        clean: Tensor = ((x - (1 - kept[level]).sqrt() * guess) / kept[level].sqrt()).clamp(-most, most)
        if level == 0:
            return clean
        guess = (x - kept[level].sqrt() * clean) / (1 - kept[level]).sqrt()
        x = kept[level - 1].sqrt() * clean + (1 - kept[level - 1]).sqrt() * guess
    return x


def kept_signal(steps: int) -> Tensor:
    """Return the share of the variance that is not noise at each level (Nichol & Dhariwal 2021)."""
    at = (torch.arange(1, steps + 1).double() / steps + _OFFSET) / (1 + _OFFSET)
    kept = torch.cos(at * math.pi / 2) ** 2 / math.cos(_OFFSET / (1 + _OFFSET) * math.pi / 2) ** 2
    return kept.clamp(min=_LEAST_LEFT).float()
