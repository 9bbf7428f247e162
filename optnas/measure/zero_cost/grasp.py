"""GraSP: how much of the gradient's norm each weight preserves."""

from __future__ import annotations

import torch
from torch import nn

from optnas.measure.zero_cost.batch import Batch, Loss, needed, scored, weights
from optnas.measure.zero_cost.gradients import gradients_by, twice_differentiable

__all__ = ["grasp"]


def grasp(module: nn.Module, batch: Batch, loss: Loss | None = None) -> float:
    """Return the negative sum of each weight times the Hessian's product with the gradient.

    The higher the better, by Abdelfattah et al. 2021 (arXiv 2101.08134), whose score it is, after Wang et al.
    2020, "Picking winning tickets before training by preserving gradient flow", arXiv 2002.07376.
    """
    module, loss = scored(module), needed(loss, "grasp")
    found = weights(module)
    with twice_differentiable():
        lost = loss(module(batch.inputs), batch.targets)
        gradients = gradients_by(lost, found, create_graph=True)
        curved = [gradient for gradient in gradients if gradient is not None and gradient.requires_grad]
        if not curved:
            return 0.0
        squares = sum((gradient.detach() * gradient).sum() for gradient in curved)
        products = torch.autograd.grad(squares, found, allow_unused=True)  # type: ignore[arg-type]
    return -float(sum((w.detach() * p).sum() for w, p in zip(found, products, strict=True) if p is not None))
