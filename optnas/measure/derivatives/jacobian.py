"""Lower bound of the Lipschitz constant of a network: its largest Jacobian at samples."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from optnas.data.trees import leaves

__all__ = ["largest_jacobian"]

# Of more outputs, the norm is approached from below.
_MOST_OUTPUTS = 32
_STEPS = 10


def largest_jacobian(network: nn.Module, batches: Iterable[Tensor]) -> float:
    """Return the largest spectral norm of the Jacobian over samples.

    Of networks with many outputs it is approached from below in ten steps of the power iteration, so that it
    is a lower bound in any case.

    Args:
        network: The network, in evaluation mode, which treats samples independently; twice differentiable if
            it has more than 32 outputs.
        batches: The samples in batches.
    """
    largest = torch.zeros(())
    for x in batches:
        at = x.detach().requires_grad_()
        with torch.enable_grad():
            y = torch.cat([each.flatten(1) for each in leaves(network(at))], 1)
            if not y.requires_grad:
                continue
            norms = _exact(y, at) if y.shape[1] <= _MOST_OUTPUTS else _approached(y, at)
        largest = torch.maximum(largest, norms.max().cpu())  # not a number, if one is not
    return float(largest)


def _exact(y: Tensor, x: Tensor) -> Tensor:
    rows = [_pulled_back(y[:, place].sum(), x).flatten(1) for place in range(y.shape[1])]
    jacobian = torch.stack(rows, 1)
    if not jacobian.isfinite().all():
        return jacobian.sum((1, 2)) * math.nan
    norms: Tensor = torch.linalg.eigvalsh(jacobian @ jacobian.mT)[:, -1].clamp(min=0).sqrt()
    return norms


def _pulled_back(y: Tensor, x: Tensor) -> Tensor:
    """Return the gradient of a sum by the input, of which it may not depend."""
    (found,) = torch.autograd.grad(y, x, retain_graph=True, allow_unused=True)
    return torch.zeros_like(x) if found is None else found


def _approached(y: Tensor, x: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(y.shape, dtype=y.dtype, generator=generator).to(y.device)
    # Jᵀw as a function of w, whose transpose is J.
    w = torch.zeros_like(y, requires_grad=True)
    (pulled,) = torch.autograd.grad(y, x, w, create_graph=True, allow_unused=True)
    if pulled is None:
        return torch.zeros(len(y), dtype=y.dtype, device=y.device)
    norms = torch.zeros(len(y), dtype=y.dtype, device=y.device)
    for _ in range(_STEPS):
        u = u / u.norm(dim=1, keepdim=True).clamp(min=torch.finfo(y.dtype).tiny)
        (v,) = torch.autograd.grad(y, x, u, retain_graph=True)
        norms = v.flatten(1).norm(dim=1)
        (u,) = torch.autograd.grad(pulled, w, v, retain_graph=True)
    return norms
