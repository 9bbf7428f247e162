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
from optnas.train.graph import CudaRecorder, GraphedStep, reason_not_to_record
from optnas.train.memory_format import in_channels_last
from optnas.train.nothing_learned import check_hope
from optnas.train.optimizers import make_optimizer
from optnas.train.precision import choose_precision, in_precision
from optnas.train.recurrence import faster_recurrence
from optnas.train.schedule import learning_rate
from optnas.train.single_values import single_values_explained
from optnas.train.task import Step, Task
from optnas.train.training import Training
from optnas.train.weights import FlatWeights

__all__ = ["Diverged", "Report", "evaluate", "evaluated_at_once", "fit"]

Report = Callable[[int, dict[str, float]], None]
"""Callback: called with the number of epochs done and the validation metrics; may raise to stop training."""

# How many numbers of inputs an evaluation batch has. On the CPU: so few that activations stay in its
# caches, even in a network that widens them. Elsewhere: so many that a kernel's launch costs nothing
# beside its work.
_EVALUATED_NUMBERS = {"cpu": 2**17}
_MOST_EVALUATED_NUMBERS = 2**22


class Diverged(ArithmeticError):
    """Error raised when the loss is no longer a finite number."""


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

    The data lives on the device if it fits there. An epoch shuffles it and takes slices, and Python neither
    copies nor reads numbers in between.

    Args:
        module: The network, on any device; it is moved to ``device``.
        task: Data, loss and metrics.
        training: The training settings, with every value decided.
        device: The device to train on.
        seed: Seed of the order of the samples and of augmentation; the weights of ``module`` need their own.
        report: Called at the training's rungs.
        state: The state to resume from, as ``keep`` got it in a training with the same arguments.
        keep: Called with the state that a training can resume from, at the rungs (before ``report``) and
            after the last epoch; may raise to stop the training.
        pieces: The number of micro-batches that a batch is split into, in training and in evaluation, to
            save memory; a task with a training step of its own always trains on whole batches.
        eager: Called with the reason, in words, if the steps of a training on CUDA should be a CUDA graph
            and are not.

    Raises:
        Diverged: If the loss is not finite at the end of an epoch.
        Hopeless: If nothing is learned until rung number ``training.hopeless_after``, or a later one; only
            with ``report``.
        UserError: If there is only one sample, or the data cannot be augmented as ``training`` says.
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
        faster.enter_context(single_values_explained())
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
    step = task.own_step(module, training)
    if step is None:
        optimizer = make_optimizer(
            training.optimizer,
            weights.parameters,
            lr=training.lr,
            weight_decay=training.weight_decay,
            momentum=training.momentum,
        )
        step = _usual_step(module, weights, optimizer, task, training, pieces)
    step = _recorded(step, sizes, parts, training, state, pieces, eager, own_step=optimizer is None)
    generator = torch.Generator().manual_seed(seed)
    rungs = training.reported
    epochs, metrics = (0, {}) if state is None else (state.epoch, state.metrics)
    done, total = len(sizes) * epochs, len(sizes) * training.epochs
    losses: list[float] = []
    if state is not None:
        losses += state.losses
        state.restore(module, optimizer, generator)
        average.restore(done, state.trained)
    for epoch in range(epochs + 1, training.epochs + 1):
        module.train()
        lost = torch.zeros((), device=parts.train.y.device)
        for batch_x, batch_y in shuffled(parts, sizes, training, generator):
            rate = learning_rate(training.schedule, training.warm_up, done / total)
            lost += step(batch_x, batch_y, rate)
            average.update()
            done += 1
        # Once per epoch, as the GPU has to wait whenever Python reads a number back.
        mean_loss = lost.item() / len(sizes)
        if not math.isfinite(mean_loss):
            raise Diverged(f"the loss became {mean_loss} in epoch {epoch}")
        losses.append(mean_loss)
        if epoch in rungs or epoch == training.epochs:
            with average.applied() as trained:
                metrics = evaluate(module, task, parts.validation, parts.prepare, pieces)
                if keep is not None:
                    keep(State.of(epoch, module, trained, optimizer, generator, metrics, losses))
            if report is not None and epoch in rungs:
                report(epoch, metrics)
                if 0 < training.hopeless_after <= rungs.index(epoch) + 1:
                    check_hope(task, losses, metrics)
    average.apply()
    return metrics


def _recorded(
    step: Step,
    sizes: list[int],
    parts: Splits,
    training: Training,
    state: State | None,
    pieces: int,
    eager: Callable[[str], None],
    *,
    own_step: bool,
) -> Step:
    """Return ``step`` as a CUDA graph, recorded at its first full batch; as it is if that cannot be."""
    if not (parts.train.y.is_cuda and training.cuda_graph):
        return step
    full_batches = sizes.count(sizes[0]) * (training.epochs - (0 if state is None else state.epoch))
    reason = reason_not_to_record(parts.train, full_batches, pieces, own_step=own_step)
    if reason is None:
        return GraphedStep(step, sizes[0], CudaRecorder(), eager)
    eager(reason)
    return step


def _usual_step(
    module: nn.Module,
    weights: FlatWeights,
    optimizer: torch.optim.Optimizer,
    task: Task,
    training: Training,
    pieces: int,
) -> Step:
    # Only if it is not 0: a user's own loss need not accept the argument.
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
    """Return the number of samples of ``shape`` in an evaluation batch on that type of device."""
    numbers = _EVALUATED_NUMBERS.get(device, _MOST_EVALUATED_NUMBERS)
    return max(1, numbers // max(1, math.prod(shape)))


def evaluate(
    module: nn.Module, task: Task, split: Part, prepare: Callable[[Tensor], Tensor], pieces: int = 1
) -> dict[str, float]:
    """Return the task's metrics of ``module`` over ``split``, which must be on the same device.

    Args:
        module: The network to evaluate.
        task: The task, which computes the metrics.
        split: The samples to evaluate on.
        prepare: Converts stored inputs to the network's inputs.
        pieces: The number of parts that an evaluation batch is split into, to save memory.
    """
    module.eval()
    with torch.inference_mode():
        size = max(1, evaluated_at_once(split.y.device.type, split.shape) // pieces)
        outputs = [module(x) for x in in_order(split, size, prepare)]
        return task.measure(torch.cat(outputs), split.y)
