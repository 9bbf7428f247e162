"""NASWOT: how differently a network's activations are switched by the samples of a batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from optnas.measure.zero_cost.batch import Batch, Loss, scored
from optnas.measure.zero_cost.seen import ACTIVATIONS, RECURRENT, Replaced, given

__all__ = ["naswot"]

# Keeps the logarithm finite where two samples have the same code.
_RIDGE = 1e-3


def naswot(module: nn.Module, batch: Batch, loss: Loss | None = None) -> float:
    """Return the log-determinant of the kernel of Hamming similarities of the samples' activation codes.

    The code of a sample has a bit for each unit of a ReLU, whether its input is positive. Any other
    activation, also a smooth one, has the same bits of its input; a recurrent layer those of its output. A
    network without activations has the bits of the outputs of its layers with weights. The higher the better.

    Mellor et al. 2021, "Neural architecture search without training", arXiv 2006.04647.
    """
    module, size = scored(module), batch.size
    kernel = torch.zeros(size, size, dtype=torch.float64)

    def add(values: Any) -> None:
        nonlocal kernel
        if isinstance(values, Tensor) and values.dim() > 1 and len(values) == size:
            code = (values.detach() > 0).flatten(1).float()
            kernel = kernel + (code @ code.T + (1 - code) @ (1 - code).T).double().cpu()

    def activated(func: Any, *args: Any, **kwargs: Any) -> Any:
        add(given(args, kwargs))
        return func(*args, **kwargs)

    def recurrent(func: Any, *args: Any, **kwargs: Any) -> Any:
        found = func(*args, **kwargs)
        output = found[0]
        # PyTorch's recurrent layers may be given time first.
        add(output if len(output) == size else output.transpose(0, 1))
        return found

    with torch.no_grad():
        with Replaced(dict.fromkeys(ACTIVATIONS, activated) | dict.fromkeys(RECURRENT, recurrent)):
            module(batch.inputs)
        if not kernel.any():
            for part in module.modules():
                if any(parameter.dim() > 1 for parameter in part.parameters(recurse=False)):
                    part.register_forward_hook(lambda _, inputs, output: add(output))
            module(batch.inputs)
    return float(torch.linalg.slogdet(kernel + _RIDGE * torch.eye(size, dtype=torch.float64)).logabsdet)
