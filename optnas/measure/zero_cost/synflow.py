"""Synaptic flow: how much signal passes through all of a network's weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from optnas.data.trees import mapped
from optnas.measure.float64 import InFloat64
from optnas.measure.zero_cost.batch import Batch, Loss, scored, total, weights
from optnas.measure.zero_cost.seen import EMBEDDINGS, NORMS, Replaced, given

__all__ = ["synflow"]

# The logarithm of nothing, where no signal passes.
_NOTHING = math.log(1e-300)


def synflow(module: nn.Module, batch: Batch, loss: Loss | None = None) -> float:
    """Return the logarithm of the synaptic flow: the sum of each weight times its gradient.

    All parameters are replaced by their magnitudes, norms by the identity, and the input is one sample of
    ones, or embeddings of ones; the gradient is that of the sum of the outputs. A ReLU then is the identity.
    Other activations stay: those that grow like ReLU pass nearly the same, and those that are bounded, such
    as tanh, let little pass. In float64, as the flow grows exponentially with depth. The higher the better.

    Tanaka et al. 2020, "Pruning neural networks without any data by iteratively conserving synaptic flow",
    arXiv 2006.05467; as a score by Abdelfattah et al. 2021, arXiv 2101.08134.
    """
    module = scored(module).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.abs_()

    def ones(tensor: Any) -> Any:
        if not isinstance(tensor, Tensor):
            return tensor
        return torch.ones_like(tensor[:1], dtype=torch.float64) if tensor.is_floating_point() else tensor[:1]

    replaced = dict.fromkeys(NORMS, lambda func, *args, **kwargs: given(args, kwargs))
    replaced |= dict.fromkeys(
        EMBEDDINGS, lambda func, *args, **kwargs: torch.ones_like(func(*args, **kwargs))
    )
    with InFloat64(), Replaced(replaced):
        flow = total(module(mapped(ones, batch.inputs)))
    if not flow.requires_grad:
        return _NOTHING
    found = weights(module)
    gradients = torch.autograd.grad(flow, found, allow_unused=True)
    passed = [(w.detach() * g).abs().sum() for w, g in zip(found, gradients, strict=True) if g is not None]
    flowed = float(torch.stack(passed).sum()) if passed else 0.0
    return max(_NOTHING, math.log(flowed)) if flowed > 0 else _NOTHING
