"""Full, resumable training of one network, which keeps its best epoch on the validation part."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from optnas.checkpoints.state import State, read_tensors, write_tensors
from optnas.errors import UserError
from optnas.objectives import Objective
from optnas.space import Node
from optnas.space.own_ops import own_ops
from optnas.tasks import Task
from optnas.train.device import default_device, forked_random
from optnas.train.loop import Diverged, WrongState, fit
from optnas.train.training import Training

__all__ = [
    "HistoryCallback",
    "Plan",
    "TrainingHistory",
    "check_settings",
    "train_seed",
]

# The most training time that a killed training loses. Epochs may take milliseconds: a checkpoint after
# each of them would cost more than the epoch.
_CHECKPOINT_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Plan:
    """A network to train fully, and all settings of its training.

    Attributes:
        architecture: The network.
        task: Its data, loss and metrics.
        training: The training settings, with every value decided.
        score: The objective that the best epoch is chosen by, over the task's metrics and the costs.
        costs: The architecture's costs, by name.
        patience: The number of epochs without a better one after which to stop; ``None`` for never.
        until: The epoch to stop after and to keep, as for a training on all data; ``None`` to keep the best.
    """

    architecture: Node
    task: Task
    training: Training
    score: Objective
    costs: Mapping[str, float]
    patience: int | None = None
    until: int | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that determine the outcome, by name; plans with equal settings train alike."""
        return {
            "architecture": str(self.architecture),
            **({"ops": ops} if (ops := own_ops(self.architecture)) else {}),
            **({"functions": own} if (own := self.training.own_functions) else {}),
            "data": self.task.data.name,
            "score": repr(self.score),
            "patience": self.patience,
            **({} if self.until is None else {"until": self.until}),
            "precision": self.training.precision,
            "device": default_device(self.training.device).type,
            # As lists, which JSON has.
            **{
                name: list(value) if isinstance(value, tuple) else value
                for name, value in self.training.tree.arguments.items()
            },
        }

    def build(self, seed: int) -> nn.Module:
        """Return the network with weights initialised from ``seed``."""
        torch.manual_seed(seed)
        module: nn.Module = self.architecture.build(self.task.data.shape, **self.task.context)
        return module

    def loss(self, metrics: Mapping[str, float]) -> float:
        """Return the score as a number to minimise; infinite if it has no value."""
        try:
            value = self.score.sign * self.score.metric({**self.costs, **metrics})
        except ArithmeticError:
            return math.inf
        return math.inf if math.isnan(value) else value


@dataclasses.dataclass(frozen=True)
class TrainingHistory:
    """The history of a training with one seed, so far.

    Attributes:
        curve: The validation metrics after each epoch.
        best: The number of the best epoch, counted from 1; 0 before there is one.
        weights: The network's state dict after the best epoch.
        seconds: The duration of the training.
        ended: The reason why it ended, in words; ``None`` before that.
        losses: The mean loss of each epoch on the training part; empty in checkpoints of earlier versions.
    """

    seed: int
    curve: list[dict[str, float]] = dataclasses.field(default_factory=list)
    best: int = 0
    weights: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    ended: str | None = None
    losses: list[float] = dataclasses.field(default_factory=list)

    @classmethod
    def read(cls, stored: Any) -> TrainingHistory:
        """Return the history of the fields that a checkpoint stores.

        Raises:
            TypeError: If they are of another version, or none.
        """
        history = cls(**stored)
        kinds = (
            (int, (history.seed, history.best)),
            (list, (history.curve, history.losses)),
            (dict, (*history.curve, history.weights)),
            (int | float, (history.seconds, *(value for each in history.curve for value in each.values()))),
            (int | float, history.losses),
            (Tensor, history.weights.values()),
            (str | None, (history.ended,)),
        )
        if not all(isinstance(value, kind) for kind, values in kinds for value in values):
            raise TypeError("it holds no history of a training")
        if not 0 <= history.best <= len(history.curve):
            raise TypeError("its best epoch is none")
        return history

    @property
    def metrics(self) -> dict[str, float]:
        """The validation metrics of the best epoch."""
        return self.curve[self.best - 1]

    def after(self, plan: Plan, state: State, seconds: float) -> TrainingHistory:
        """Return the history with one more epoch."""
        history = dataclasses.replace(
            self, curve=[*self.curve, state.metrics], losses=list(state.losses), seconds=seconds
        )
        if plan.until is not None:
            if state.epoch < plan.until:
                return history
            return dataclasses.replace(history._kept(state), ended="as long as validation chose")
        if plan.loss(state.metrics) < (plan.loss(self.metrics) if self.best else math.inf):
            history = history._kept(state)
        ended = None
        if state.epoch == plan.training.epochs:
            ended = "all epochs"
        elif plan.patience is not None and state.epoch - history.best >= plan.patience:
            ended = f"no better epoch in {plan.patience}"
        return dataclasses.replace(history, ended=ended)

    def _kept(self, state: State) -> TrainingHistory:
        weights = {name: value.detach().to("cpu", copy=True) for name, value in state.module.items()}
        return dataclasses.replace(self, best=state.epoch, weights=weights)


HistoryCallback = Callable[[TrainingHistory], None]
"""Callback: called with the history at the start (new or resumed) and after each epoch."""


class _StopTraining(Exception):
    """Exception that ends the training loop, as for early stopping."""


def train_seed(
    plan: Plan,
    seed: int,
    checkpoint: Path,
    watch: HistoryCallback = lambda history: None,
    *,
    checkpoint_seconds: float = _CHECKPOINT_SECONDS,
) -> TrainingHistory:
    """Train with one seed, resuming from ``checkpoint`` if it exists, and return the history.

    The test part is not used. A training that is killed and resumed ends with the exact values of an
    undisturbed one on the CPU, and within rounding on CUDA.

    Args:
        plan: What is trained.
        seed: Of the weights and of the order of the samples.
        checkpoint: The file to resume from and to write to.
        watch: Called with the history at the start and after each epoch.
        checkpoint_seconds: The most training time that a killed training loses.

    Raises:
        UserError: If the training diverges before it has one good epoch, or runs out of memory; if the
            checkpoint is damaged, of another version or other settings, or cannot be written.
    """
    history, state = _resumed(plan, seed, checkpoint)
    watch(history)
    if history.ended is not None:
        return history
    device = default_device(plan.training.device)
    every_epoch = dataclasses.replace(plan.training, rungs=tuple(range(1, plan.training.epochs)))
    started, written = time.perf_counter() - history.seconds, time.perf_counter()

    def keep(state: State) -> None:
        nonlocal history, written
        seconds = time.perf_counter() - started
        if state.batches or state.epoch == len(history.curve):  # it is being stopped within an epoch
            _write(plan, dataclasses.replace(history, seconds=seconds), state, checkpoint)
            return
        history = history.after(plan, state, seconds)
        watch(history)
        if history.ended is not None:
            raise _StopTraining
        if state.resumable and time.perf_counter() - written >= checkpoint_seconds:
            _write(plan, history, state, checkpoint)
            written = time.perf_counter()

    with forked_random():
        module = plan.build(seed)
        try:
            with contextlib.suppress(_StopTraining):
                fit(module, plan.task, every_epoch, device=device, seed=seed, state=state, keep=keep)
        except Diverged as error:
            if not history.best:
                raise UserError(f"{error}: try a smaller --set lr=…, or --set clip=1") from None
            history = dataclasses.replace(history, ended=str(error))
        except WrongState:
            raise UserError(f"{checkpoint} is of another network: remove it to begin anew") from None
        except torch.OutOfMemoryError:
            raise UserError(f"out of memory on {device}: try a smaller --set batch_size=…") from None
    if not history.best:
        raise UserError(f"no epoch has a value of {plan.score.name!r}: there is no best one to keep")
    _write(plan, history, None, checkpoint)
    return history


def _resumed(plan: Plan, seed: int, checkpoint: Path) -> tuple[TrainingHistory, State | None]:
    """Return the history and state to resume from, of ``checkpoint``; empty and ``None`` if it is missing."""
    if not checkpoint.exists():
        return TrainingHistory(seed), None
    content = read_tensors(checkpoint)
    try:
        settings, state = dict(content["settings"]), content["state"]
        json.dumps(settings)  # no tensors, which do not compare
        history = TrainingHistory.read(content["history"])
        state = None if state is None else State.read(state)
    except (TypeError, KeyError, ValueError, AttributeError, RuntimeError):  # of tensors elsewhere
        raise UserError(f"{checkpoint} is of another version: remove it to begin anew") from None
    check_settings(settings, plan.settings, checkpoint.parent.parent)
    if history.seed != seed:
        raise UserError(f"{checkpoint} is of seed {history.seed}: remove it to begin anew")
    if history.best:
        with forked_random():
            network = plan.build(seed).state_dict()
        shapes, kept = ({name: each.shape for name, each in w.items()} for w in (network, history.weights))
        if shapes != kept:
            raise UserError(f"{checkpoint} is of another network: remove it to begin anew")
    return history, state


def _write(plan: Plan, history: TrainingHistory, state: State | None, checkpoint: Path) -> None:
    write_tensors(
        checkpoint,
        {
            "settings": plan.settings,
            "history": vars(history),
            "state": None if state is None else vars(state),
        },
    )


def check_settings(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Raise if a training would resume with other settings than it began with.

    Raises:
        UserError: If one differs; the message says which.
    """
    for name in [*before, *now]:
        if name == "ops" and name not in before:  # as before they were recorded
            continue
        if before.get(name) != now.get(name):
            raise UserError(
                f"{folder} holds another training ({name} was {before.get(name)} and is now"
                f" {now.get(name)}): give another folder by --out, or remove it"
            )
