"""Outputs of a trained network for a part of the data."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from optnas.answers import Classes, Forecast, Values
from optnas.data import Part
from optnas.data.trees import Tree, device_of, joined
from optnas.tasks import Task
from optnas.train.batches import InOrder
from optnas.train.loop import evaluated_at_once

__all__ = ["answers_alone", "logits_of", "outputs_of"]


def answers_alone(task: Task) -> bool:
    """Return whether each sample has one class or some values, so that outputs of a whole part are small."""
    return isinstance(task.answer, Classes | Forecast | Values)


def outputs_of(module: nn.Module, part: Part, prepare: Callable[[Tree], Tree]) -> Tree:
    """Return the outputs (samples, …) for a part of the data, on its device.

    Args:
        module: The network, on the device of the part; it is put into evaluation mode.
        part: The samples; at least one.
        prepare: Converts stored inputs to the network's inputs.
    """
    module.eval()
    size = evaluated_at_once(device_of(part.y).type, part.shape)
    with torch.inference_mode():
        return joined([module(inputs) for inputs, _ in InOrder(part, size, prepare)])


def logits_of(outputs: Tree, part: Part) -> tuple[Tensor, Tensor]:
    """Return the logits (samples, classes) of a classifier and its targets, on the CPU in float32."""
    return outputs.float().cpu(), part.y.cpu()
