"""Gradients of a loss, and of outputs by a network's inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from optnas.data.trees import mapped
from optnas.errors import UserError
from optnas.measure.zero_cost.batch import Batch, Loss, total, weights
from optnas.measure.zero_cost.seen import EMBEDDINGS, Replaced

__all__ = ["filled", "gradients_by", "input_derivatives", "twice_differentiable", "weight_gradients"]


def weight_gradients(module: nn.Module, batch: Batch, loss: Loss) -> list[tuple[Tensor, Tensor]]:
    """Return each weight of ``module`` with the gradient of the loss, those left out that have none."""
    found = weights(module)
    gradients = gradients_by(loss(module(batch.inputs), batch.targets), found)
    return [(w.detach(), g) for w, g in zip(found, gradients, strict=True) if g is not None]


def gradients_by(
    value: Tensor, sources: Sequence[Tensor], *, create_graph: bool = False
) -> Sequence[Tensor | None]:
    """Return the gradients of ``value`` by each of ``sources``; ``None`` where it does not depend on one.

    Of a network without weights, or one that uses none of them, there are none.
    """
    if not sources or not value.requires_grad:
        return [None] * len(sources)
    return torch.autograd.grad(value, sources, create_graph=create_graph, allow_unused=True)


def input_derivatives(module: nn.Module, batch: Batch) -> Tensor:
    """Return the derivatives of the sum of each sample's outputs by its inputs, shape (samples, inputs).

    Inputs that are whole numbers, such as symbols of texts, have no derivatives: those by what embeddings
    make of them take their place.

    Raises:
        UserError: If there is neither an input of real numbers nor an embedding.
    """
    sources: list[Tensor] = []

    def followed(tensor: Any) -> Any:
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            return tensor
        sources.append(tensor.detach().clone().requires_grad_())
        return sources[-1]

    def embedded(func: Any, *args: Any, **kwargs: Any) -> Tensor:
        found: Tensor = func(*args, **kwargs)
        # Positions are embedded once for all samples: they are no inputs.
        if found.dim() > 2 and len(found) == batch.size:
            sources.append(found)
        return found

    inputs = mapped(followed, batch.inputs)
    with Replaced(dict.fromkeys(EMBEDDINGS, embedded)):
        outputs = module(inputs)
    if not sources:
        raise UserError("jacob_cov needs inputs of real numbers, or symbols that an embedding takes")
    summed = total(outputs)
    if not summed.requires_grad:
        return torch.zeros(batch.size, 1)
    found = torch.autograd.grad(summed, sources, allow_unused=True)
    return torch.cat([filled(g, s).flatten(1) for g, s in zip(found, sources, strict=True)], dim=1)


def filled(gradient: Tensor | None, like: Tensor) -> Tensor:
    """Return ``gradient``, or zeros where the outputs do not depend on ``like``."""
    return torch.zeros_like(like) if gradient is None else gradient


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Use kernels of attention and of recurrent layers whose gradients have gradients."""
    with sdpa_kernel(SDPBackend.MATH), torch.backends.cudnn.flags(enabled=False):
        yield
