"""The base class of tasks: data, loss and metrics."""

from __future__ import annotations

import re
from abc import ABC
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from optnas.answers import Answer, Outputs
from optnas.data import Data
from optnas.data.trees import Tree, joined
from optnas.space.shapes import AnyShape
from optnas.train.endings import misfit_of
from optnas.train.training import Training

__all__ = ["Batches", "Step", "Task", "is_own", "task_name"]

Step = Callable[[Tree, Tree, float], Tensor]
"""Trains on a batch: takes inputs, targets and the share of the largest learning rate; returns the loss."""


class Batches(Protocol):
    """A part of the data in batches, in stored order, as often as it is iterated over."""

    @property
    def targets(self) -> Tree:
        """The targets of all samples, on the device of the batches."""
        ...

    def __iter__(self) -> Iterator[tuple[Tree, Tree]]:
        """Yield inputs, prepared for the network, and targets of each batch."""
        ...


def task_name(task: Task) -> str:
    """Return what kind of task it is in words, by the name of its class: ``anomaly detection``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(task).__name__).lower()


def is_own(task: Task) -> bool:
    """Return whether ``task`` is of a class of the user's own, not one of :mod:`optnas.tasks`."""
    return type(task).__module__.partition(".")[0] != __name__.partition(".")[0]


class Task(ABC):
    """Data, a loss, and metrics. Subclass it for a task of your own.

    A task has to define :attr:`data`, :attr:`metrics`, :meth:`loss`, and :meth:`measure` or :meth:`evaluate`;
    the rest has defaults. ``optnas/tasks/README.md`` has the shortest task of each kind.

    Inputs, outputs and targets are tensors; where the data or the network has several, tuples of them, or
    dictionaries by name.

    Attributes:
        data: The samples.
        metrics: The names of all metrics that :meth:`measure` can return.
        smooths_labels: Whether :meth:`loss` supports a ``label_smoothing`` other than 0.
        learns_classes: Whether targets are classes, and :meth:`loss` takes a tensor of ``class_weights`` and
            a ``focal_gamma``, as :func:`optnas.train.losses.class_loss` does.
        whole_batches: Whether :meth:`loss` needs all samples of a batch at once, as it is no mean over them,
            such as Cox's partial likelihood, or losses of pairs and triplets. Without it batches that do not
            fit in memory are cut in pieces, whose losses are averaged; with it such a trial is infeasible.
        uses_settings: Names of settings of :class:`Training` that :meth:`own_step` or :meth:`experience` goes
            by in place of the usual step or batches. Of a step these are ``optimizer``, ``lr``, ``momentum``,
            ``betas``, ``weight_decay``, ``clip``, ``loss``, ``focal_gamma``, ``class_weights`` and
            ``label_smoothing``, of experience ``balanced`` and all that augments. One of them that is set or
            searched, and not named here, is refused, as it would have no effect.
    """

    data: Data
    metrics: tuple[str, ...]
    smooths_labels = True
    learns_classes = False
    whole_batches = False
    uses_settings: tuple[str, ...] = ()

    def loss(self, outputs: Tree, targets: Tree, *, label_smoothing: float = 0.0) -> Tensor:
        """Return the scalar loss of outputs of shape (batch, …)."""
        raise NotImplementedError(f"{type(self).__name__} needs loss(outputs, targets), or a step of its own")

    def measure(self, outputs: Tree, targets: Tree) -> dict[str, float]:
        """Return the metrics over a whole part of the data, from outputs of shape (samples, …)."""
        raise NotImplementedError(
            f"{type(self).__name__} needs measure(outputs, targets), or evaluate(module, batches)"
        )

    def evaluate(self, module: nn.Module, batches: Batches) -> dict[str, float]:
        """Return the metrics of ``module``, which is in evaluation mode, over a part of the data.

        By default its outputs for all samples go to :meth:`measure`. Define it for metrics that need the
        inputs or the module itself, such as what it generates or what an agent earns, or whose outputs are
        too large to be kept for all samples. Gradients are off.
        """
        return self.measure(joined([module(inputs) for inputs, _ in batches]), batches.targets)

    def measuring(self, names: Iterable[str]) -> Task:
        """Return this task with a :meth:`measure` that returns at least ``names`` (of :attr:`metrics`).

        A task can measure metrics that take time only if they are asked for; by default every metric
        is always measured.
        """
        return self

    def experience(
        self, module: nn.Module, training: Training, generator: torch.Generator
    ) -> Iterator[tuple[Tree, Tree]] | None:
        """Return the batches of one epoch that the task makes by itself; ``None`` for those of the data.

        For tasks that bring their data as they learn, such as what an agent meets in an environment. It is
        called at the beginning of each epoch; inputs are as the network takes them, on its device. The
        number of batches has to be :attr:`batches_per_epoch`. The samples of :attr:`data` then only show what
        inputs look like. While a batch is made, ``module`` is in evaluation mode and gradients are off.

        An epoch that is interrupted begins anew, with the network, the optimiser and the random numbers that
        it began with. So it must depend on nothing else: reset an environment at its beginning, with a seed
        from ``generator``. What is to last longer, such as a replay buffer, is the state of a step of one's
        own (:meth:`own_step`).

        Args:
            module: The network as it has been trained so far, also within the epoch.
            training: The training settings.
            generator: Generator on the CPU, whose state is kept in checkpoints, as is PyTorch's own: random
                numbers are to be drawn from these alone.
        """
        return None

    batches_per_epoch: int | None = None
    """Batches that :meth:`experience` yields; ``None`` for a task that learns from its data."""

    def own_step(self, module: nn.Module, training: Training) -> Step | None:
        """Return a custom training step for ``module``; ``None`` for the usual step.

        A custom step is for tasks that need more than one loss or optimiser. This method is called once
        for each training, so that the step's state, such as optimisers or a second network on the device
        of ``module``, belongs to that training alone. The usual step uses the loss, by default :meth:`loss`,
        the optimiser and the clipping that ``training`` names. Schedules, rungs and the running average of
        ``module`` work with either.

        A training that is stopped or killed begins anew, unless its step is an object with ``state_dict()``
        and ``load_state_dict(state)``, as PyTorch's optimisers have them: then its state is kept in
        checkpoints. It holds all that a step changes but ``module``, in tensors, numbers, texts, and lists,
        tuples and dictionaries of them.
        """
        return None

    @property
    def context(self) -> Mapping[str, Any]:
        """The task's values that ops use when a network is built, by name, such as ``outputs``.

        By default ``outputs``, that of an :attr:`output_shape` (outputs,), else as the data says; of several
        targets there is no one number, and heads say their own.
        """
        match self.output_shape:
            case (int(outputs),):
                return {"outputs": outputs}
        return {"outputs": self.data.outputs} if isinstance(self.data.outputs, int) else {}

    @property
    def output_scale(self) -> tuple[Tensor, Tensor] | Mapping[str, tuple[Tensor, Tensor]] | None:
        """The deviation and the mean that convert a network's outputs to the unit of the targets.

        Of several outputs a mapping by name, of those that are to be converted. ``None`` if users of the
        network want its outputs as they are, such as logits.
        """
        return None

    @property
    def answer(self) -> Answer:
        """The conversion of outputs to what users of a trained network read (:mod:`optnas.answers`).

        By default the outputs as they are.
        """
        return Outputs()

    def answer_of(self, module: nn.Module) -> Answer:
        """Return the answer of a trained network, with what depends on it, such as a threshold.

        By default :attr:`answer`.

        Args:
            module: The network, in evaluation mode and on the CPU, as in :meth:`evaluate`.
        """
        return self.answer

    @property
    def output_shape(self) -> Any:
        """The required shape of a network's output, without the batch: of several a mapping by name.

        ``None`` if there is no such one: any is accepted to which :meth:`misfit` has no objection. By default
        as many outputs as the data says, by the names of its targets; for targets that are values of several
        axes, such as images, their shape.
        """
        outputs, y = self.data.outputs, self.data.splits.train.y
        if isinstance(outputs, Mapping):
            return {name: _outputs_for(y[name], count) for name, count in outputs.items()}
        return _outputs_for(y, outputs) if isinstance(outputs, int) else None

    def misfit(self, shape: AnyShape) -> str | None:
        """Return in words what the task takes, if it takes no outputs of ``shape``; ``None`` if it does.

        By default it takes :attr:`output_shape` alone. Define it where several shapes will do. The words go
        on after "the architecture puts out (…), but": ``"the task takes (frames, 5): end the space with
        lm_head"``.

        Args:
            shape: The shape of a network's outputs without the batch: a tuple, or a mapping by name.
        """
        wanted = self.output_shape
        misfit = None if wanted is None else misfit_of(shape, [wanted], self.context)
        if misfit is None or not is_own(self):
            return misfit
        return f"{misfit}, or set output_shape in {type(self).__name__} if its loss takes {shape}"

    @property
    def chance(self) -> Mapping[str, float]:
        """The metrics, by name, of constant predictions made from the validation part's targets alone.

        Only the metrics for which they are known; by default none.
        """
        return {}

    @property
    def ideal(self) -> Mapping[str, float]:
        """The best possible value of each metric, by name; by default unknown for all."""
        return {}

    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Return what simple models have on the validation part: metrics by name, by the models' names.

        ``optnas run`` prints them beside the front, and ``optnas report`` has them. They should take no more
        than a second or two. By default none.
        """
        return {}

    def at_chance(self, metrics: Mapping[str, float]) -> str | None:
        """Return in words why ``metrics`` are no better than chance; ``None`` if they are better.

        By default ``None``, as chance is unknown.
        """
        return None

    def check(self) -> None:
        """Load the data and whatever :meth:`measure` needs; raise if the task cannot learn from the data.

        Called before the first training, so that loading does not count as training time.

        Raises:
            UserError: If the data is broken, or of another kind than the task needs.
        """
        self.data.splits  # noqa: B018 - loading is what checks it


def _outputs_for(y: Tree, count: int) -> tuple[int, ...]:
    """Return the shape of outputs for targets of which the data says that they need ``count``."""
    values = isinstance(y, Tensor) and y.is_floating_point() and y.dim() > 2
    # Whoever made the data may have said that other outputs are needed.
    return tuple(y.shape[1:]) if values and y.shape[-1] == count else (count,)
