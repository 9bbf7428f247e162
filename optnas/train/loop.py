"""The training loop: the same code on the CPU and on CUDA."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from optnas.checkpoints.state import State
from optnas.data import Part, Splits
from optnas.errors import UserError
from optnas.train.average import Average
from optnas.train.batches import batch_sizes, in_order, shuffled
from optnas.train.convolutions import faster_convolutions
from optnas.train.dropout import faster_dropout
from optnas.train.graph import CudaRecorder, GraphedStep, why_not
from optnas.train.hopeless import check_hope
from optnas.train.layout import in_channels_last
from optnas.train.optimizers import make_optimizer
from optnas.train.precision import choose_precision, in_precision
from optnas.train.recurrence import faster_recurrence
from optnas.train.schedule import learning_rate
from optnas.train.task import Task
from optnas.train.training import Training
from optnas.train.weights import FlatWeights

__all__ = ["Diverged", "Report", "evaluate", "evaluated_at_once", "fit"]

Report = Callable[[int, dict[str, float]], None]
"""Takes the epochs done and the validation metrics after them; may raise to stop the training."""

# How many numbers of inputs are evaluated at once: on the CPU what stays in its caches through a
# network that widens them, elsewhere so much that a launch costs nothing beside its work.
_EVALUATED_NUMBERS = {"cpu": 2**17}
_MOST_EVALUATED_NUMBERS = 2**22


class Diverged(ArithmeticError):
    """The loss is no longer a finite number."""


def fit(
    module: nn.Module,
    task: Task,
    training: Training,
    *,
    device: torch.device,
    seed: int,
    report: Report | None = None,
    state: State | None = None,
    keep: Callable[[State], None] | None = None,
    pieces: int = 1,
    eager: Callable[[str], None] = lambda reason: None,
) -> dict[str, float]:
    """Train ``module`` in place and return its validation metrics.

    The data lives on the device where it fits; an epoch is one shuffle of it and slices of that, with
    nothing copied or looked at by Python in between.

    Args:
        module: Where it is does not matter; it is moved to ``device``.
        task: Data, loss and metrics.
        training: Without holes.
        device: Where to train.
        seed: Of the order of the samples; build ``module`` under a seed of its own.
        report: Called at the training's rungs.
        state: Where to go on from: what ``keep`` was given in a training with the same arguments.
        keep: Called with all that a training can go on from, at the rungs (before ``report``) and after
            the last epoch; may raise to stop the training.
        pieces: In how many parts a batch goes through the network, in training and in evaluation, to
            save memory; a task with a step of its own is trained on whole batches always.
        eager: Called with the reason, in words, if the steps of a training on CUDA, which are to be a
            graph, are not.

    Raises:
        Diverged: If the loss is not finite at the end of an epoch.
        Hopeless: If nothing is learned until the rung of ``training.hopeless_after``; only with ``report``.
        UserError: If there is one sample only, or the data cannot be augmented as ``training`` says.
    """
    parts = task.data.on(device)
    if len(parts.train) < 2:
        raise UserError(f"data {task.data.name!r}: one sample is too few to train on")
    module.to(device)
    with contextlib.ExitStack() as faster:
        if device.type == "cuda":
            faster.enter_context(torch.cuda.device(device))
        if len(parts.train.shape) == 3:
            faster.enter_context(in_channels_last(module))
            faster.enter_context(faster_convolutions(module, device.type))
        faster.enter_context(faster_recurrence(module, device.type))
        faster.enter_context(faster_dropout(module, device.type))
        faster.enter_context(in_precision(module, choose_precision(training.precision, device), device))
        return _fit(module, task, training, parts, seed, report, state, keep, pieces, eager)


def _fit(
    module: nn.Module,
    task: Task,
    training: Training,
    parts: Splits,
    seed: int,
    report: Report | None,
    state: State | None,
    keep: Callable[[State], None] | None,
    pieces: int,
    eager: Callable[[str], None],
) -> dict[str, float]:
    sizes = batch_sizes(len(parts.train), training.batch_size)
    weights = FlatWeights(module)
    average = Average(weights, training.ema)
    optimizer = None
    step = own_step = task.own_step(module, training)
    if step is None:
        optimizer = make_optimizer(
            training.optimizer,
            weights.parameters,
            lr=training.lr,
            weight_decay=training.weight_decay,
            momentum=training.momentum,
        )
        step = _usual_step(module, weights, optimizer, task, training, pieces)
    generator = torch.Generator().manual_seed(seed)
    rungs = training.reported
    epochs, metrics = (0, {}) if state is None else (state.epoch, state.metrics)
    done, total = len(sizes) * epochs, len(sizes) * training.epochs
    losses: list[float] = []
    if state is not None:
        losses += state.losses
        state.restore(module, optimizer, generator)
        average.restore(done, state.trained)
    if parts.train.y.is_cuda:
        full_batches = sizes.count(sizes[0]) * (training.epochs - epochs)
        reason = why_not(parts.train, full_batches, pieces, own_step=own_step is not None)
        if training.cuda_graph and reason is None:
            step = GraphedStep(step, sizes[0], CudaRecorder(), eager)
        elif training.cuda_graph:
            eager(str(reason))
    for epoch in range(epochs + 1, training.epochs + 1):
        module.train()
        lost = torch.zeros((), device=parts.train.y.device)
        for batch_x, batch_y in shuffled(parts, sizes, training, generator):
            rate = learning_rate(training.schedule, training.warm_up, done / total)
            lost += step(batch_x, batch_y, rate)
            average.update()
            done += 1
        # Once an epoch: reading a number back is what a GPU has to wait for.
        mean_loss = lost.item() / len(sizes)
        if not math.isfinite(mean_loss):
            raise Diverged(f"the loss became {mean_loss} in epoch {epoch}")
        losses.append(mean_loss)
        if epoch in rungs or epoch == training.epochs:
            with average.in_place() as trained:
                metrics = evaluate(module, task, parts.validation, parts.prepare, pieces)
                if keep is not None:
                    keep(State.of(epoch, module, trained, optimizer, generator, metrics, losses))
            if report is not None and epoch in rungs:
                report(epoch, metrics)
                if 0 < training.hopeless_after <= rungs.index(epoch) + 1:
                    check_hope(task, losses, metrics)
    average.keep()
    return metrics


def _usual_step(
    module: nn.Module,
    weights: FlatWeights,
    optimizer: torch.optim.Optimizer,
    task: Task,
    training: Training,
    pieces: int,
) -> Callable[[Tensor, Tensor, float | Tensor], Tensor]:
    # Only where it is asked for: a loss of someone's own need not know of it.
    smoothing = {"label_smoothing": training.label_smoothing} if training.label_smoothing else {}

    def step(inputs: Tensor, targets: Tensor, rate: float | Tensor) -> Tensor:
        for group in optimizer.param_groups:
            group["lr"] = training.lr * rate
        weights.zero_grad()
        lost = torch.zeros((), device=targets.device)
        for x, y in zip(inputs.chunk(pieces), targets.chunk(pieces), strict=True):
            loss = task.loss(module(x), y, **smoothing) * (len(x) / len(inputs))
            loss.backward()  # type: ignore[no-untyped-call]
            lost += loss.detach()
        if training.clip:
            weights.clip_gradient(training.clip)
        optimizer.step()
        return lost

    return step


def evaluated_at_once(device: str, shape: tuple[int, ...]) -> int:
    """Return how many samples of ``shape`` are evaluated at once on that type of device."""
    numbers = _EVALUATED_NUMBERS.get(device, _MOST_EVALUATED_NUMBERS)
    return max(1, numbers // max(1, math.prod(shape)))


def evaluate(
    module: nn.Module, task: Task, split: Part, prepare: Callable[[Tensor], Tensor], pieces: int = 1
) -> dict[str, float]:
    """Return the task's metrics of ``module`` over ``split``, which must be on its device.

    Args:
        module: What is evaluated.
        task: What it is to do.
        split: On which samples.
        prepare: Makes inputs of what is stored.
        pieces: In how many parts goes what is otherwise evaluated at once, to save memory.
    """
    module.eval()
    with torch.inference_mode():
        size = max(1, evaluated_at_once(split.y.device.type, split.shape) // pieces)
        outputs = [module(x) for x in in_order(split, size, prepare)]
        return task.measure(torch.cat(outputs), split.y)
