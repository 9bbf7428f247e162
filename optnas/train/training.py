"""Training settings of a candidate; most of them can be searched jointly with the architecture."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Collection
from functools import cached_property
from typing import Any

from optnas.errors import UserError, nearest
from optnas.space import Node, Op
from optnas.space.holes import Choose, Hole, Integer, Real
from optnas.train.optimizers import OPTIMIZERS
from optnas.train.precision import PRECISIONS
from optnas.train.schedule import SCHEDULES

__all__ = ["Training", "possible_values"]

# The ratio of a rung's epochs to those of the rung below (Li et al. 2018, Hyperband's η).
_RUNG_FACTOR = 3


@dataclasses.dataclass(frozen=True)
class Training:
    """Training settings of a candidate. All but the last five may be holes: values left to the search.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Samples per step; the last batch of an epoch has the samples that are left.
        optimizer: ``"sgd"`` (with Nesterov momentum), ``"adam"``, ``"adamw"`` or ``"rmsprop"``.
        lr: The largest learning rate.
        schedule: How the rate changes: ``"one-cycle"``, ``"cosine"`` or ``"constant"``.
        warm_up: The share of the steps in which the rate rises linearly from a tenth of ``lr``; by
            default a quarter for ``"one-cycle"``, and none for the others.
        momentum: For ``"sgd"`` only.
        weight_decay: For all weights; added to the gradient, except with ``"adamw"``.
        clip: The largest norm of the gradient of all weights together; 0 for no clipping.
        ema: Decay of a running average of the weights, such as 0.99. The average is then evaluated and
            kept; 0 for the weights themselves.
        label_smoothing: The share of each target spread over all classes.
        crop: Pixels to pad images with on each side, before a random crop to their size; 0 for no crop.
            Targets of each pixel, of shape (samples, height, width) or (samples, channels, height, width),
            are cropped and flipped with their image.
        padding: Padding of ``crop``: ``"reflect"`` the image, or ``"zero"``.
        flip: Whether images are mirrored left to right with probability 1/2.
        cutout: Side of a square of each image that is set to the mean, in pixels (DeVries & Taylor 2017);
            targets stay as they are.
        mixup: Samples are mixed in pairs by shares from Beta(mixup, mixup); 0 for no mixing (Zhang et
            al. 2018).
        rungs: The epochs after which a candidate is compared with others, and perhaps pruned; by
            default 1, 3, 9, … below ``epochs``.
        hopeless_after: The number of the rung from which on a candidate is stopped if it has learned
            nothing: its metrics are at chance, or its loss does not move; 0 for never.
        device: ``"auto"`` (CUDA if available, else the CPU), or a PyTorch device such as ``"cuda:1"``.
        precision: Precision of large convolutions and matrix products: ``"float32"``, ``"bfloat16"``, on
            GPUs ``"tf32"`` as well, or ``"auto"`` for bfloat16 if the hardware has it, else float32.
        cuda_graph: Whether a step on CUDA is recorded once and then launched as a whole, if that is
            possible; modules that decide something anew in Python at every step need ``False``.

    Raises:
        UserError: If a value is out of its range, or an unknown name.
    """

    epochs: Any = 9
    batch_size: Any = 64
    optimizer: Any = "adam"
    lr: Any = 3e-3
    schedule: Any = "one-cycle"
    warm_up: Any = None
    momentum: Any = 0.9
    weight_decay: Any = 0.0
    clip: Any = 0.0
    ema: Any = 0.0
    label_smoothing: Any = 0.0
    crop: Any = 0
    padding: Any = "reflect"
    flip: Any = False
    cutout: Any = 0
    mixup: Any = 0.0
    rungs: tuple[int, ...] | None = None
    hopeless_after: int = 2
    device: str = "auto"
    precision: str = "auto"
    cuda_graph: bool = True

    def __post_init__(self) -> None:
        for name, low, high in _RANGES:
            for value in possible_values(getattr(self, name)):
                if value is None and name == "warm_up":
                    continue
                whole = name in _WHOLE
                if not isinstance(value, int if whole else int | float) or isinstance(value, bool):
                    raise UserError(f"Training({name}={value!r}): give a {'whole ' * whole}number")
                if not low <= value <= high:
                    raise UserError(f"Training({name}={value!r}): it must be {_range(low, high)}")
        for name, known in _NAMED:
            for value in possible_values(getattr(self, name)):
                if value not in known:
                    raise UserError(f"Training({name}={value!r}): {nearest(str(value), map(str, known))}")
        if self.precision not in PRECISIONS:
            raise UserError(f"Training(precision={self.precision!r}): {nearest(self.precision, PRECISIONS)}")
        if not isinstance(self.cuda_graph, bool):
            raise UserError(f"Training(cuda_graph={self.cuda_graph!r}): give True or False")
        if not isinstance(self.hopeless_after, int) or self.hopeless_after < 0:
            raise UserError(f"Training(hopeless_after={self.hopeless_after!r}): give a number of rungs, or 0")
        if self.rungs is not None and any(not isinstance(r, int) or r < 1 for r in self.rungs):
            raise UserError(f"Training(rungs={self.rungs!r}): rungs are epochs, at least 1 each")

    @cached_property
    def tree(self) -> Node:
        """The searchable values, as a tree whose holes are decided together with the architecture's."""
        return _TRAINING(**{name: getattr(self, name) for name in _SEARCHABLE})

    def closed(self, tree: Node) -> Training:
        """Return these settings with the values of ``tree``: :attr:`tree` with every hole decided."""
        closed = dataclasses.replace(self, **tree.arguments)
        vars(closed)["tree"] = tree  # so that it is not made again
        return closed

    @property
    def reported(self) -> tuple[int, ...]:
        """The rungs below ``epochs``, ascending."""
        if self.rungs is not None:
            return tuple(sorted({rung for rung in self.rungs if rung < self.epochs}))
        powers = (_RUNG_FACTOR**i for i in range(self.epochs.bit_length()))
        return tuple(rung for rung in powers if rung < self.epochs)


_NOT_SEARCHED = ("rungs", "hopeless_after", "device", "precision", "cuda_graph")
_SEARCHABLE = tuple(field.name for field in dataclasses.fields(Training) if field.name not in _NOT_SEARCHED)
_TRAINING = Op(
    "training", inspect.Signature([inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in _SEARCHABLE])
)
_SMALLEST = 1e-12
_WHOLE = ("epochs", "batch_size", "crop", "cutout")
_RANGES = (
    ("epochs", 1, 1_000_000),
    ("batch_size", 1, 1_000_000_000),
    ("lr", _SMALLEST, 1e6),
    ("momentum", 0, 0.999999),
    ("weight_decay", 0, 1e6),
    ("clip", 0, 1e12),
    ("ema", 0, 0.999999),
    ("warm_up", 0, 0.999999),
    ("label_smoothing", 0, 0.999999),
    ("crop", 0, 1_000_000),
    ("cutout", 0, 1_000_000),
    ("mixup", 0, 1_000_000),
)
_NAMED: tuple[tuple[str, Collection[Any]], ...] = (
    ("optimizer", OPTIMIZERS),
    ("schedule", SCHEDULES),
    ("padding", ("reflect", "zero")),
    ("flip", (False, True)),
)


def _range(low: float, high: float) -> str:
    return "above 0" if low == _SMALLEST else f"from {low:g} to {high:g}"


def possible_values(value: Any) -> list[Any]:
    """Return the values that a setting can take: itself, a hole's options, or the ends of its range."""
    if isinstance(value, Choose):
        return [end for option in value.options for end in possible_values(option)]
    if isinstance(value, Integer | Real):
        return [value.low, value.high]
    if isinstance(value, Hole):
        raise UserError(f"Training takes choose, integer and real, not {value!r}")
    return [value]
