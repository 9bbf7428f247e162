"""The training loop: the same code on the CPU and on CUDA."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from optnas.checkpoints.state import Resumable, State
from optnas.data import Part, Splits
from optnas.data.trees import Tree, device_of, samples_in
from optnas.data.trees import pieces as in_pieces
from optnas.interrupts import stopping
from optnas.space.shapes import AnyShape, is_image, numbers_in
from optnas.train.average import Average
from optnas.train.batches import InOrder, Shuffled, batch_sizes
from optnas.train.checks import check_augmentation
from optnas.train.convolutions import faster_convolutions
from optnas.train.dropout import faster_dropout
from optnas.train.experience import experience
from optnas.train.graph import CudaRecorder, GraphedStep, reason_not_to_record
from optnas.train.id_checks import check_ids
from optnas.train.lanes import lent, pass_on
from optnas.train.losses import make_loss
from optnas.train.measured import measured
from optnas.train.memory_format import in_channels_last
from optnas.train.nothing_learned import check_hope
from optnas.train.own_optimizers import optimizer_of, reason_not_to_record_it
from optnas.train.own_step import checked_step
from optnas.train.precision import choose_precision, in_precision
from optnas.train.recurrence import faster_recurrence
from optnas.train.schedule import learning_rate
from optnas.train.single_values import check_samples, single_values_explained
from optnas.train.task import Step, Task
from optnas.train.training import Training
from optnas.train.weights import FlatWeights

__all__ = ["Diverged", "Report", "WrongState", "evaluate", "evaluated_at_once", "fit"]

Report = Callable[[int, dict[str, float]], None]
"""Callback: called with the number of epochs done and the validation metrics; may raise to stop training."""

# How many numbers of inputs an evaluation batch has. On the CPU: so few that activations stay in its
# caches, even in a network that widens them. Elsewhere: so many that a kernel's launch costs nothing
# beside its work.
_EVALUATED_NUMBERS = {"cpu": 2**17}
_MOST_EVALUATED_NUMBERS = 2**22


class Diverged(ArithmeticError):
    """Error raised when the loss is no longer a finite number."""


class WrongState(ValueError):
    """Error raised when a training cannot be resumed from a state as it is another one's."""


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
    advanced: Callable[[float], None] = lambda epochs: None,
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
        keep: Called with the state that a training can resume from, at the rungs (before ``report``), after
            the last epoch, and where :mod:`~optnas.interrupts.stopping` stops it; may raise to stop.
        pieces: The number of micro-batches that a batch is split into, in training and in evaluation, to
            save memory; a task with a training step of its own, or with ``whole_batches``, always trains on
            whole batches.
        eager: Called with the reason, in words, if the steps of a training on CUDA should be a CUDA graph
            and are not.
        advanced: Called after each batch with the number of epochs done, 3.5 within the fourth.

    Raises:
        Diverged: If the loss is not finite at the end of an epoch.
        Hopeless: If nothing is learned until rung number ``training.hopeless_after``, or a later one; only
            with ``report``.
        WrongState: If ``state`` is of another network or training.
        KeyboardInterrupt: If it was stopped by :func:`optnas.interrupts.stopping.stop_soon`.
        BuildError: If an embedding has no row for an id of the data.
        UserError: If there is only one sample of one target, or the data cannot be augmented as ``training``
            says.
    """
    parts = task.data.on(device)
    check_samples(task)
    check_augmentation(task.data.splits, training)
    check_ids(module, task.data)
    module.to(device)
    with contextlib.ExitStack() as faster:
        if device.type == "cuda":
            faster.enter_context(torch.cuda.device(device))
        if is_image(parts.train.shape):
            faster.enter_context(in_channels_last(module))
            faster.enter_context(faster_convolutions(module, device.type))
        faster.enter_context(faster_recurrence(module, device.type))
        faster.enter_context(faster_dropout(module, device.type))
        faster.enter_context(in_precision(module, choose_precision(training.precision, device), device))
        faster.enter_context(single_values_explained())
        run = _Run(module, task, training, parts, seed, state, pieces, eager, advanced)
        return _fit(run, task, training, report, keep)


def _fit(
    run: _Run, task: Task, training: Training, report: Report | None, keep: Callable[[State], None] | None
) -> dict[str, float]:
    rungs = training.reported

    def check() -> None:
        if report is not None and 0 < training.hopeless_after <= rungs.index(run.epoch) + 1:
            check_hope(task, run.losses, run.metrics)

    # A training that cannot be resumed has no reason to wait for the end of a step.
    resumable = keep is not None and run.resumable
    with stopping.at_steps(partial(run.keep, keep)) if resumable else contextlib.nullcontext():
        if run.between_epochs and run.epoch in rungs:
            check()  # its worker may have been stopped before it could
        while run.epoch < training.epochs:
            run.train_epoch()
            evaluated = run.epoch + 1 in rungs or run.epoch + 1 == training.epochs
            run.end_epoch(evaluated)
            if evaluated:
                run.keep(keep)
            if report is not None and run.epoch in rungs:
                with stopping.at_once(), lent():
                    report(run.epoch, run.metrics)
                check()
    run.average.apply()
    return run.metrics


class _Run:
    """A training under way.

    Attributes:
        optimizer: The optimiser; ``None`` for a task with a training step of its own.
        average: The average of the weights, which is evaluated.
        epoch: The number of epochs done.
        metrics: The validation metrics, when they were measured last.
        losses: The mean loss of each epoch.
    """

    def __init__(
        self,
        module: nn.Module,
        task: Task,
        training: Training,
        parts: Splits,
        seed: int,
        state: State | None,
        pieces: int,
        eager: Callable[[str], None],
        advanced: Callable[[float], None],
    ) -> None:
        self._advanced = advanced
        self._module, self._task, self._training, self._parts = module, task, training, parts
        self._pieces, trained_in = pieces, 1 if task.whole_batches else pieces
        own = task.batches_per_epoch
        batches = batch_sizes(len(parts.train), training.batch_size)
        self._sizes = batches if own is None else [training.batch_size] * own
        weights = FlatWeights(module)
        self.average = Average(weights, training.ema)
        self.optimizer = None
        self._own_step: Resumable | None = None
        self._begun: State | None = None
        step = task.own_step(module, training)
        if all(hasattr(step, name) for name in ("state_dict", "load_state_dict")):
            self._own_step = cast(Resumable, step)
        if step is None:
            self.optimizer = optimizer_of(training, weights, module)
            step = _usual_step(module, weights, self.optimizer, task, training, trained_in)
        else:
            step = checked_step(type(task).__name__, step)
        self._step = _recorded(step, self._sizes, parts, training, state, trained_in, eager, self.optimizer)
        self._generator = torch.Generator().manual_seed(seed)
        self._begin_epoch()
        self.epoch = 0
        self.metrics: dict[str, float] = {}
        self.losses: list[float] = []
        if state is not None:
            try:
                self._restore(state)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # PyTorch says in many ways that shapes and names differ
                raise WrongState("the state is of another network or training") from error

    def _begin_epoch(self) -> None:
        self._batches, self._lost = 0, torch.zeros((), device=device_of(self._parts.train.y))
        self._shuffled = Shuffled(self._parts, self._sizes, self._training, self._generator)

    def _restore(self, state: State) -> None:
        self.epoch, self.metrics, self.losses = state.epoch, state.metrics, list(state.losses)
        state.restore(self._module, self.optimizer, self._generator, self._own_step)
        self._begin_epoch()
        if state.lost is not None:
            self._batches = state.batches
            self._lost += state.lost.to(self._lost.device)
            self._shuffled.resume(state.generators, state.batches)
        self.average.restore(len(self._sizes) * self.epoch + self._batches, state.trained)

    @property
    def resumable(self) -> bool:
        """Whether a training can go on from its state: its step is the usual one, or tells its state."""
        return self.optimizer is not None or self._own_step is not None

    @property
    def between_epochs(self) -> bool:
        """Whether no batch of the next epoch is done."""
        return not self._batches

    def train_epoch(self) -> None:
        """Train on the batches that are left of the next epoch."""
        training, sizes = self._training, len(self._sizes)
        if self._task.batches_per_epoch is None:
            batches: Iterator[tuple[Tree, Tree]] = iter(self._shuffled)
            self._module.train()
        else:
            # Its batches depend on the network as it was, so that half an epoch could not be made again.
            self._begun = self._state() if self.resumable else None
            batches = experience(self._task, self._module, training, self._generator)
        for inputs, targets in batches:
            progress = (self.epoch * sizes + self._batches) / (training.epochs * sizes)
            rate = learning_rate(
                training.schedule, training.warm_up, progress, training.lr_decay, training.milestones
            )
            self._lost += self._step(inputs, targets, rate)
            self.average.update()
            self._batches += 1
            self._advanced(self.epoch + self._batches / sizes)
            stopping.check()
            pass_on()

    def end_epoch(self, evaluated: bool) -> None:
        """Count the epoch as done, after an evaluation if it is to be ``evaluated``.

        Raises:
            Diverged: If its loss is not finite.
        """
        # Once per epoch, as the GPU has to wait whenever Python reads a number back.
        with lent():
            mean_loss = self._lost.item() / len(self._sizes)
        if not math.isfinite(mean_loss):
            raise Diverged(f"the loss became {mean_loss} in epoch {self.epoch + 1}")
        metrics = self._evaluate() if evaluated else self.metrics
        self.epoch, self.metrics = self.epoch + 1, metrics
        self.losses.append(mean_loss)
        self._begun = None
        self._begin_epoch()

    def _evaluate(self) -> dict[str, float]:
        with self.average.applied():
            return evaluate(
                self._module, self._task, self._parts.validation, self._parts.prepare, self._pieces
            )

    def keep(self, keep: Callable[[State], None] | None) -> None:
        """Call ``keep``, if there is one, with the current state.

        Within an epoch that the task made by itself that is the state at its beginning.
        """
        if keep is None:
            return
        if self._begun is not None:
            keep(self._begun)
            return
        with self.average.applied() as trained:
            keep(self._state_of(trained))

    def _state(self) -> State:
        with self.average.applied() as trained:
            return copy.deepcopy(self._state_of(trained))

    def _state_of(self, trained: list[Tensor]) -> State:
        state = State.of(
            self.epoch,
            self._module,
            trained,
            self.optimizer,
            self._generator,
            self.metrics,
            self.losses,
            self._own_step,
        )
        if not self._batches:
            return state
        generators = {**state.generators, **self._shuffled.generators}
        return dataclasses.replace(state, batches=self._batches, lost=self._lost, generators=generators)


def _recorded(
    step: Step,
    sizes: list[int],
    parts: Splits,
    training: Training,
    state: State | None,
    pieces: int,
    eager: Callable[[str], None],
    optimizer: torch.optim.Optimizer | None,
) -> Step:
    """Return ``step`` as a CUDA graph, recorded at its first full batch; as it is if that cannot be."""
    if not (device_of(parts.train.y).type == "cuda" and training.cuda_graph):
        return step
    epochs, batches = (0, 0) if state is None else (state.epoch, state.batches)
    full_batches = sizes.count(sizes[0]) * (training.epochs - epochs) - batches
    reason = reason_not_to_record(parts.train, full_batches, pieces, own_step=optimizer is None)
    if reason is None and optimizer is not None:
        reason = reason_not_to_record_it(optimizer, training)
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
    loss_of = make_loss(task, training, next(module.parameters(), weights.tensor).device)
    # Groups of an optimiser of the user's own may have rates of their own.
    rates = [group["lr"] for group in optimizer.param_groups]

    def step(inputs: Tree, targets: Tree, rate: float | Tensor) -> Tensor:
        for group, largest in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = largest * rate
        weights.zero_grad()
        count = samples_in(inputs)
        lost = torch.zeros((), device=device_of(targets))
        for x, y in zip(*(in_pieces(tree, -(-count // pieces)) for tree in (inputs, targets)), strict=True):
            loss = loss_of(module(x), y) * (samples_in(x) / count)
            loss.backward()  # type: ignore[no-untyped-call]
            lost += loss.detach()
        if training.clip:
            weights.clip_gradient(training.clip)
        optimizer.step()
        return lost

    return step


def evaluated_at_once(device: str, shape: AnyShape) -> int:
    """Return the number of samples of ``shape`` in an evaluation batch on that type of device."""
    numbers = _EVALUATED_NUMBERS.get(device, _MOST_EVALUATED_NUMBERS)
    return max(1, numbers // max(1, numbers_in(shape)))


def evaluate(
    module: nn.Module, task: Task, split: Part, prepare: Callable[[Tree], Tree], pieces: int = 1
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
        size = max(1, evaluated_at_once(device_of(split.y).type, split.shape) // pieces)
        return measured(task, module, InOrder(split, size, prepare), split)
