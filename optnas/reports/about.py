"""A study's declaration, read from its record alone: no study file is run for it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial

from optnas.errors import UserError
from optnas.space import Node, SpaceError
from optnas.space.shapes import AnyShape, Shapes
from optnas.trials.record import ABOUT, ARCHITECTURE, LEARNED, TRAINING

if TYPE_CHECKING:
    from optnas.drawing import Drawing

__all__ = ["About", "about", "activations_drawing", "architecture_drawing"]

# Arguments of what takes a context, which no value of it can be named.
_TAKEN = frozenset({"self", "tree", "shape", "expand", "module"})


@dataclasses.dataclass(frozen=True)
class About:
    """A study file's declaration, as its record has it; ``None`` where that is not known.

    Texts are as they stand in the database, which is not trusted.

    Attributes:
        shape: The shape of one input, without the batch, or the shapes of several by name.
        context: Values that ops take from the task, such as ``outputs``.
        space: The search space's text, which :func:`optnas.drawing.reading.read` reads.
        size: The number of architectures in it, a continuous choice counted as one value.
        task: The kind of task, such as ``"classification"``; ``None`` also for an evaluation of one's own.
        data: The name of its data set.
        samples: The number of samples of each part: ``train``, ``validation``, ``test``.
        training: The training settings that can be searched, as texts.
        constraints: The constraints' names.
        file: The study's file, as ``optnas run`` was given it.
    """

    shape: AnyShape | None = None
    context: Mapping[str, Any] | None = None
    space: str | None = None
    size: float | None = None
    task: str | None = None
    data: str | None = None
    samples: Mapping[str, int] | None = None
    training: Mapping[str, str] | None = None
    constraints: tuple[str, ...] | None = None
    file: str | None = None

    @property
    def trainable(self) -> bool:
        """Whether ``optnas train`` can train its networks, as far as is known: there is a task."""
        return self.task is not None or self.space is None


def about(study: optuna.Study) -> About:
    """Return what a study's record says of its declaration; of an older one the training alone."""
    found = dict(ABOUT.of(study) or {"training": TRAINING.of(study)})
    if found.get("constraints") is not None:
        found["constraints"] = tuple(found["constraints"])
    if found.get("shape") is not None:
        found["shape"] = _shape(found["shape"])
    if not _TAKEN.isdisjoint(found.get("context") or ()):
        found["context"] = None
    return About(**found)


def _shape(recorded: Any) -> AnyShape:
    if isinstance(recorded, Mapping):
        return Shapes({name: _shape(each) for name, each in recorded.items()})
    return tuple(recorded)


def architecture_drawing(study: optuna.Study, trial: FrozenTrial, expand: bool = False) -> Drawing:
    """Draw the architecture of a trial from its record alone.

    Args:
        study: The trial's study; older ones do not say their input's shape, and are drawn without costs.
        trial: A trial that has an architecture.
        expand: As for :meth:`Node.draw <optnas.space.node.Node.draw>`.

    Raises:
        UserError: If the trial has no architecture that can be read.
    """
    known = about(study)
    context = dict(known.context or {})
    node = _as_learned(trial)
    with _readable(trial):
        try:
            drawn: Drawing = node.draw(known.shape, expand=expand, **context)
        except (SpaceError, TypeError):  # a record whose shape or context is none
            drawn = node.draw(expand=expand)
    return drawn


def activations_drawing(trial: FrozenTrial) -> Drawing:
    """Draw the activations of a trial's architecture, as they were learned, beside relu, swish and mish.

    Raises:
        UserError: If the trial has no architecture that can be read, or it names no activation.
    """
    from optnas.drawing.comparison import activations_of, compared

    found = activations_of(_as_learned(trial))
    if not found:
        raise UserError(f"the architecture of trial {trial.number} names no activation")
    with _readable(trial):
        return compared(found)


def _as_learned(trial: FrozenTrial) -> Node:
    """Return a trial's architecture with the constants that its activations learned."""
    # Reading knows all ops, and with them PyTorch, which most commands do without.
    from optnas.drawing.reading import read

    text = LEARNED.of(trial) or ARCHITECTURE.of(trial)
    if text is None:
        raise UserError(f"trial {trial.number} has no architecture in its record")
    with _readable(trial):
        return read(text)


@contextlib.contextmanager
def _readable(trial: FrozenTrial) -> Iterator[None]:
    try:
        yield
    except SpaceError as error:
        raise UserError(f"the architecture of trial {trial.number} cannot be read: {error}") from None
