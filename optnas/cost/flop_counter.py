"""Costs counted by a forward pass on the meta device, for ops that define no cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optnas.cost.cost import Cost
from optnas.space.op import Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["counted", "meta_input"]


def meta_input(shape: Shape, *, batch: int = 1, tokens: bool = False) -> Tensor:
    """Return an input of ``shape`` on the meta device, of integers if it holds tokens."""
    import torch

    dtype = torch.long if tokens else torch.get_default_dtype()
    return torch.empty((batch, *shape), dtype=dtype, device="meta")


def counted(module: nn.Module, shape: Shape, *, tokens: bool = False) -> Cost:
    """Return the cost of ``module``, which must be on the meta device, on one sample of ``shape``.

    On the meta device nothing is allocated or computed. On the CPU the counter would be silently
    wrong for LSTM and attention, whose CPU kernels do not consist of counted operations.

    Raises:
        RuntimeError: Whatever the module raises on such an input.
    """
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    module.eval()  # one sample is too few for a batch norm in training
    with counter:
        output = module(meta_input(shape, tokens=tokens))
    result = tuple(output.shape[1:])
    params = sum(parameter.numel() for parameter in module.parameters())
    weighted = any(isinstance(part, nn.Module) and list(part.parameters(False)) for part in module.modules())
    return Cost(
        shape=result,
        flops=counter.get_total_flops(),
        params=params,
        activations=output[0].numel(),
        depth=int(weighted),
    )
