"""Measures what the derivatives of a trained network tell, for objectives and constraints."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection, Iterator

import torch
from torch import Tensor, nn

from optnas.data import Part, Splits
from optnas.data.trees import Tree
from optnas.errors import UserError
from optnas.measure.derivatives.jacobian import largest_jacobian
from optnas.measure.derivatives.lipschitz import INPUT, Bounds
from optnas.measure.derivatives.margin import margin, margin_bound, margins
from optnas.measure.derivatives.plain import twice_differentiable
from optnas.measure.derivatives.sharpness import sharpness
from optnas.measure.float64 import InFloat64
from optnas.space.shapes import numbers_in
from optnas.train import Training
from optnas.train.losses import make_loss
from optnas.train.task import Task

__all__ = ["DERIVATIVES", "check_derivatives", "measure_derivatives"]

DERIVATIVES = ("lipschitz", "lipschitz_lower", "sharpness", "margin_bound")
"""The metrics measured of the trained network's derivatives, by their names in objectives and constraints.

All are of the network in evaluation mode, with Euclidean norms of inputs as the network gets them, prepared.

- ``lipschitz``: an upper bound of the Lipschitz constant. It holds for all inputs; exact for linear chains,
  it is often far too high for deep networks. It is infinite where no bound exists, as of attention, or
  none is known.
- ``lipschitz_lower``: the largest norm of the Jacobian at the samples of the validation part. The Lipschitz
  constant is at least that; elsewhere the network may be steeper.
- ``sharpness``: the largest eigenvalue of the Hessian of the training's loss at the weights, over up to 1,024
  samples of the training part. It depends on how weights are scaled: networks that compute the same may
  differ in it (Dinh et al. 2017), so a small one alone promises nothing about new samples.
- ``margin_bound``: the leading term of the bound of the error on new samples by the margins of a classifier
  on the training part (Bartlett et al. 2017), without its constants and logarithms. It compares networks; as
  a bound of the error it says nothing for practical sizes. Biases, layer norms and learned activations do not
  count as weights.
"""

_SHARPNESS_SAMPLES = 1024
# As many numbers of inputs at once; float64 and gradients take eight times the memory of an evaluation.
_NUMBERS = 2**16


def check_derivatives(task: Task, names: Collection[str]) -> None:
    """Raise if one of ``names`` cannot be measured for a task.

    Raises:
        UserError: If the inputs are no numbers in one tensor, or there are no margins.
    """
    asked = [name for name in DERIVATIVES if name in names]
    if not asked:
        return
    x, y = _first(task.data.splits)
    of_inputs = [name for name in asked if name != "sharpness"]
    if of_inputs and not (isinstance(x, Tensor) and x.is_floating_point()):
        has = "is of ids" if isinstance(x, Tensor) else "has several tensors"
        raise UserError(
            f"{of_inputs[0]} is of networks whose input is one tensor of numbers, and that of"
            f" {task.data.name!r} {has}: leave it out"
        )
    if "margin_bound" in asked and not (
        task.learns_classes and isinstance(y, Tensor) and y.dim() == 1 and not y.is_floating_point()
    ):
        raise UserError("margin_bound is of classification with one class a sample: leave it out")
    if "sharpness" in asked and type(task).loss is Task.loss:
        raise UserError(f"sharpness is of a loss, and {type(task).__name__} has none: leave it out")


def measure_derivatives(
    names: Collection[str],
    module: nn.Module,
    task: Task,
    training: Training,
    device: torch.device,
    unbounded: Callable[[str], None] = lambda reason: None,
) -> dict[str, float]:
    """Measure the derivatives of a trained network and return the values by name.

    Args:
        names: The metrics to measure, a subset of :data:`DERIVATIVES`.
        module: The network, on ``device``.
        task: Its task.
        training: Its training settings, with every value decided.
        device: The device.
        unbounded: Called with the reason, in words, if the upper bound is infinite.
    """
    parts = task.data.on(device)
    found: dict[str, float] = {}
    if "sharpness" in names:
        found["sharpness"] = _sharpness(_copy(module), task, training, parts)
    if not {"lipschitz", "lipschitz_lower", "margin_bound"} & set(names):
        return found
    with InFloat64():
        return found | _in_float64(names, _copy(module).double(), parts, unbounded)


def _in_float64(
    names: Collection[str], network: nn.Module, parts: Splits, unbounded: Callable[[str], None]
) -> dict[str, float]:
    found: dict[str, float] = {}
    x = next(_inputs(parts, parts.validation, 1))[0][:1].double()
    if "lipschitz" in names:
        bounds = Bounds()
        found["lipschitz"] = bounds.of(network, x)[INPUT]
        if bounds.reasons:
            unbounded("; ".join(bounds.reasons))
    if "lipschitz_lower" in names:
        size = max(1, _NUMBERS // max(1, numbers_in(parts.validation.shape)))
        batches = (each.double() for each, _ in _inputs(parts, parts.validation, size))
        with twice_differentiable(network):
            found["lipschitz_lower"] = largest_jacobian(network, batches)
    if "margin_bound" in names:
        found["margin_bound"] = _margin_bound(network, x, parts)
    return found


def _copy(module: nn.Module) -> nn.Module:
    # The trainer's weights are views of one vector, and parameters of the copy need gradients.
    copied = copy.deepcopy(module).eval()
    for weight in copied.parameters():
        weight.grad = None
    return copied


def _first(splits: Splits) -> tuple[Tree, Tree]:
    return next(_inputs(splits, splits.train, 1))


def _inputs(splits: Splits, part: Part, size: int) -> Iterator[tuple[Tree, Tree]]:
    for x, y in part.blocks(size):
        yield splits.prepare(x), y


def _sharpness(network: nn.Module, task: Task, training: Training, parts: Splits) -> float:
    count = min(_SHARPNESS_SAMPLES, len(parts.train))
    order = torch.linspace(0, len(parts.train) - 1, count).long()
    x, y = next(iter(parts.train.blocks(count, order)))
    x = parts.prepare(x)
    loss_of = make_loss(task, training, next(iter(network.parameters())).device)
    with twice_differentiable(network):
        return sharpness(network, lambda: loss_of(network(x), y))


def _margin_bound(network: nn.Module, x: Tensor, parts: Splits) -> float:
    size = max(1, _NUMBERS // max(1, numbers_in(parts.train.shape)))
    found, squares = [], 0.0
    with torch.no_grad():
        for inputs, targets in _inputs(parts, parts.train, size):
            inputs = inputs.double()
            found.append(margins(network(inputs), targets))
            squares += float(inputs.pow(2).sum())
    gamma = margin(torch.cat(found))
    return margin_bound(network, x, gamma, math.sqrt(squares), len(parts.train))
