"""The samples that a network is scored on, and the copy of the network that is scored."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn

from optnas.data.trees import Tree, leaves, samples_in
from optnas.errors import UserError

__all__ = ["Batch", "Loss", "needed", "scored", "total", "weights"]

Loss = Callable[[Any, Any], Tensor]
"""Takes outputs and targets of a batch and returns a scalar."""


class Batch(NamedTuple):
    """Samples on the device of the network.

    Attributes:
        inputs: What the network takes: a tensor (samples, …), or several in a dictionary or a tuple.
        targets: What a loss takes beside the outputs; ``None`` for scores without a loss.
    """

    inputs: Tree
    targets: Tree = None

    @property
    def size(self) -> int:
        """The number of samples."""
        return samples_in(self.inputs)


def scored(module: nn.Module) -> nn.Module:
    """Return a copy of ``module`` whose batch norms use the batch, and in which nothing else is random.

    Dropout and all else that differs in training is off. Gradients and running statistics stay in the copy:
    ``module`` keeps its state, its mode and its gradients.
    """
    copied = copy.deepcopy(module).eval().requires_grad_()
    for part in copied.modules():
        # cuDNN has gradients of recurrent layers in training mode alone.
        if isinstance(part, nn.RNNBase):
            part.dropout = 0.0
        if isinstance(part, nn.RNNBase | nn.modules.batchnorm._BatchNorm):
            part.train()
    return copied


def weights(module: nn.Module) -> list[nn.Parameter]:
    """Return the kernels and matrices: parameters of two axes or more, without biases and scales of norms."""
    return [parameter for parameter in module.parameters() if parameter.dim() > 1]


def total(outputs: Tree) -> Tensor:
    """Return the sum of all numbers that a network puts out."""
    sums = [each.sum() for each in leaves(outputs) if isinstance(each, Tensor) and each.is_floating_point()]
    return sums[0] if len(sums) == 1 else sum(sums[1:], sums[0])


def needed(loss: Loss | None, name: str) -> Loss:
    """Return ``loss``.

    Raises:
        UserError: If it is ``None``.
    """
    if loss is None:
        raise UserError(f"{name} is made of a loss's gradients: give it a loss(outputs, targets)")
    return loss
