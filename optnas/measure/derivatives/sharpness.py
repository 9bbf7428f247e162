"""Sharpness: the largest eigenvalue of the Hessian of the loss with regard to the weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from optnas.measure.derivatives.lanczos import largest_eigenvalue

__all__ = ["sharpness"]

# Lanczos finds the ends of a Hessian's spectrum, which are far from its bulk, in a few steps.
_STEPS, _TOLERANCE = 60, 1e-4


def sharpness(network: nn.Module, loss: Callable[[], Tensor]) -> float:
    """Return the largest eigenvalue of the Hessian of a loss, by Lanczos on Hessian-vector products.

    Args:
        network: The network, in evaluation mode and twice differentiable.
        loss: Computes the loss.
    """
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if not weights:
        return 0.0
    with torch.enable_grad():
        gradients = torch.autograd.grad(loss(), weights, create_graph=True, allow_unused=True)
        used = [(w, g) for w, g in zip(weights, gradients, strict=True) if g is not None and g.requires_grad]
        if not used:
            return 0.0
        of_weights, gradients = zip(*used, strict=True)
        flat = torch.cat([each.reshape(-1) for each in gradients])

    def apply(vector: Tensor) -> Tensor:
        # A weight of which no gradient depends on any weight has a row of zeros.
        found = torch.autograd.grad(flat, of_weights, vector, retain_graph=True, allow_unused=True)
        pairs = zip(found, of_weights, strict=True)
        return torch.cat([(torch.zeros_like(w) if f is None else f).reshape(-1) for f, w in pairs])

    generator = torch.Generator().manual_seed(0)
    start = torch.randn(len(flat), dtype=flat.dtype, generator=generator).to(flat.device)
    return largest_eigenvalue(apply, start, steps=_STEPS, tolerance=_TOLERANCE).value
