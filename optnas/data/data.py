"""A data set: inputs and targets for training, validation and test."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from optnas.data.checked import check_parts
from optnas.data.origin import Origin
from optnas.data.schemas.prepared import as_prepared
from optnas.data.schemas.schema import Schema
from optnas.data.schemas.target import Target
from optnas.data.sending import sent
from optnas.data.trees import Tree, device_of, mapped, pieces, samples_in, shape_of
from optnas.errors import DataWarning, UserError, warn_caller

__all__ = ["Data", "Part", "Split", "Splits"]


class Part(Protocol):
    """One part of a data set, held in memory or streamed."""

    @property
    def y(self) -> Tree:
        """Targets (samples, …) on the part's device, one tensor or several; classes are (samples,)."""
        ...

    @property
    def shape(self) -> Any:
        """The shape of one input, or the shapes of several by name."""
        ...

    def __len__(self) -> int: ...

    def to(self, device: torch.device) -> Part:
        """Return this part, yielding its tensors on ``device``."""
        ...

    def blocks(self, size: int, order: Tensor | None = None) -> Iterator[tuple[Tree, Tree]]:
        """Yield blocks of stored inputs and their targets, ``size`` samples at a time.

        Args:
            size: Samples in a block; the last block has the rest.
            order: Indices of the samples to yield, in this order; by default all in stored order.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Split:
    """A part of a data set that is held in memory.

    Attributes:
        x: Inputs (samples, …): a tensor, or several in a tuple or a dictionary by name.
        y: Targets (samples, …), likewise; for classification the class of each sample, shape (samples,).
    """

    x: Tree
    y: Tree

    def __len__(self) -> int:
        return samples_in(self.x)

    @property
    def shape(self) -> Any:
        return shape_of(self.x)

    def to(self, device: torch.device) -> Split:
        return Split(*(mapped(lambda each: each.to(device), tree) for tree in (self.x, self.y)))

    def blocks(self, size: int, order: Tensor | None = None) -> Iterator[tuple[Tree, Tree]]:
        if order is None:
            yield from zip(pieces(self.x, size), pieces(self.y, size), strict=True)
        else:
            for chosen in torch.split(sent(order, device_of(self.x)), size):
                yield tuple(mapped(lambda each: each[chosen], tree) for tree in (self.x, self.y))  # noqa: B023


def as_stored(x: Tree) -> Tree:
    """Return ``x`` unchanged: the inputs are stored as a network takes them."""
    return x


@dataclasses.dataclass(frozen=True)
class Splits:
    """The three parts of a data set: training and validation for the search, test for the winner alone.

    Attributes:
        outputs: Number of network outputs for a prediction: classes, values or symbols; of several targets a
            tree of these.
        prepare: Function from stored inputs, in the smallest exact type, to inputs of a network; for
            whole batches, on any device.
        notes: What was guessed about the data and may be wrong, a line each.
        kinds: ``"points"`` or ``"boxes"`` for targets that are positions in their image, which move with it
            in ``Training(flip=…, crop=…)``; of several targets a tree of these, with ``None`` for the others.
        schema: What users of a trained network have of a sample; by default inputs as ``prepare`` returns
            them.
        target: What the network predicts, as users call it; of several targets by name.
        origin: Where it is from, and how it was split.
    """

    train: Part
    validation: Part
    test: Part
    outputs: Any
    prepare: Callable[[Tree], Tree] = as_stored
    notes: tuple[str, ...] = ()
    kinds: Any = None
    schema: Schema | None = None
    target: Target | Mapping[str, Target] = Target()  # noqa: RUF009 - it is frozen
    origin: Origin = Origin()  # noqa: RUF009 - it is frozen

    def first_sample(self) -> Tree:
        """Return the first sample of the training part as a network gets it, as a batch of one."""
        stored, _ = next(iter(self.train.blocks(1, torch.arange(1))))
        return self.prepare(stored)


class Data:
    """A data set that is loaded on first use.

    Args:
        name: Its name in records.
        load: Returns its three parts.
        load_as: Returns them with targets of a kind, where the kind is left to the task.
    """

    def __init__(
        self,
        name: str,
        load: Callable[[], Splits],
        *,
        load_as: Callable[[Literal["classes", "values"]], Splits] | None = None,
    ) -> None:
        self.name = name
        self._load = load
        self._load_as = load_as
        self._by_kind: dict[str, Data] = {}
        self._on_device: dict[torch.device, Splits] = {}

    def __repr__(self) -> str:
        return f"Data({self.name!r})"

    @cached_property
    def splits(self) -> Splits:
        """The three parts, on the CPU.

        Raises:
            UserError: If inputs and labels do not fit together.
        """
        with torch.inference_mode(False):  # usable in training, even if inference is what loads them
            parts = self._load()
        if not isinstance(parts, Splits):
            raise UserError(
                f"data {self.name!r}: load() returns {parts!r:.60}; give data.Splits(train=…, validation=…,"
                " test=…)"
            )
        named = {"train": parts.train, "validation": parts.validation, "test": parts.test}
        check_parts(self.name, named, parts.prepare)
        for note in parts.notes:
            warn_caller(DataWarning(f"data {self.name!r}: {note}"))
        return parts

    def with_targets(self, kind: Literal["classes", "values", "boxes"]) -> Data:
        """Return the same data with targets of ``kind``, or itself if whoever made it said their kind.

        Values of data that is itself may still be said to be boxes.
        """
        if kind == "boxes":
            load = self._with_boxes
        elif self._load_as is not None:
            load = partial(self._load_as, kind)
        else:
            return self
        if kind not in self._by_kind:
            self._by_kind[kind] = Data(self.name, load)
        return self._by_kind[kind]

    def _with_boxes(self) -> Splits:
        return dataclasses.replace(self.with_targets("values").splits, kinds="boxes", notes=())

    @property
    def shape(self) -> Any:
        """The shape of one input, or the shapes of several by name."""
        return self.splits.train.shape

    @cached_property
    def schema(self) -> Schema:
        """Conversion of samples as users have them to the tensors that a trained network takes."""
        parts = self.splits
        if parts.schema is not None:
            return parts.schema
        return as_prepared(next(parts.train.blocks(1))[0], parts.prepare)

    @property
    def target(self) -> Target | Mapping[str, Target]:
        """Description of the target in users' terms; of several targets by name."""
        return self.splits.target

    @property
    def outputs(self) -> Any:
        """Number of network outputs for a prediction: classes, values or symbols; of several targets each."""
        return self.splits.outputs

    def on(self, device: torch.device) -> Splits:
        """Return the three parts on ``device``, moved there once for all trials."""
        if device not in self._on_device:
            parts = self.splits
            self._on_device[device] = dataclasses.replace(
                parts,
                train=parts.train.to(device),
                validation=parts.validation.to(device),
                test=parts.test.to(device),
            )
        return self._on_device[device]
