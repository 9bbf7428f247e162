"""The gradient of DARTS's second order: of the validation loss after a training step, by the choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["hypergradient"]

Loss = Callable[[], Tensor]


def hypergradient(
    choices: Sequence[Tensor],
    weights: Sequence[Tensor],
    training_loss: Loss,
    validation_loss: Loss,
    rate: float,
    weight_decay: float = 0.0,
    velocity: Sequence[Tensor | None] | None = None,
    momentum: float = 0.0,
) -> tuple[Tensor | None, ...]:
    """Return the gradient by ``choices`` of the validation loss after one step of SGD on the training loss.

    Eq. 7 of Liu et al. 2019 (arXiv 1806.09055): ∇α L_val(w', α) - ξ ∇²αw L_train(w, α) ∇w' L_val(w', α), with
    w' = w - ξ (μ v + ∇w L_train(w, α) + weight decay · w). The second term is a product of a vector with the
    matrix of second derivatives, here exactly, by differentiating the gradient, where the paper takes a
    finite difference. The weights are as before when it returns.

    Args:
        choices: α, leaves that both losses depend on.
        weights: w, likewise.
        training_loss: Returns the training loss at the current values.
        validation_loss: Returns the validation loss at the current values.
        rate: ξ, the learning rate of the step.
        weight_decay: Added to the gradient, as a share of the weights.
        velocity: v, the momentum's buffers; ``None`` at the beginning.
        momentum: μ.

    Returns:
        A gradient for each of ``choices``; ``None`` for one that neither loss depends on.
    """
    choices, weights = list(choices), list(weights)
    slopes = torch.autograd.grad(training_loss(), weights, create_graph=True, allow_unused=True)
    before = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for place, (weight, slope) in enumerate(zip(weights, slopes, strict=True)):
            if slope is None:
                continue
            step = slope.detach() + weight_decay * weight
            moving = None if velocity is None else velocity[place]
            # Through .data, as the first gradient is differentiated once more where the weights were.
            weight.data.sub_(rate * (step if moving is None else step + momentum * moving))
    found = torch.autograd.grad(validation_loss(), [*choices, *weights], allow_unused=True, retain_graph=True)
    direct, onward = found[: len(choices)], found[len(choices) :]
    with torch.no_grad():
        for weight, value in zip(weights, before, strict=True):
            weight.data.copy_(value)
    pairs = [
        (slope, end)
        for slope, end in zip(slopes, onward, strict=True)
        if slope is not None and slope.requires_grad and end is not None
    ]
    if not pairs:
        return direct
    mixed = torch.autograd.grad(
        [slope for slope, _ in pairs], choices, [end for _, end in pairs], allow_unused=True
    )
    return tuple(
        first if second is None else -rate * second if first is None else first - rate * second
        for first, second in zip(direct, mixed, strict=True)
    )
