"""Training settings of a candidate; most of them can be searched jointly with the architecture."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any

from optnas.errors import UserError, nearest
from optnas.space import Node, Op
from optnas.space.source import digest_of
from optnas.space.values import text_of
from optnas.train.allowed import check_own, check_values, possible_values
from optnas.train.optimizers import OPTIMIZERS
from optnas.train.precision import PRECISIONS

__all__ = ["LATER", "Training"]

# The ratio of a rung's epochs to those of the rung below (Li et al. 2018, Hyperband's η).
_RUNG_FACTOR = 3


@dataclasses.dataclass(frozen=True)
class Training:
    """Training settings of a candidate. All but the last seven may be holes: values left to the search.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Samples per step; the last batch of an epoch has the samples that are left.
        optimizer: ``"sgd"`` (with Nesterov momentum), ``"adam"``, ``"adamw"``, ``"rmsprop"``, or a name in
            ``optimizers``.
        lr: The largest learning rate.
        schedule: How the rate changes: ``"one-cycle"``, ``"cosine"``, ``"constant"``, ``"step"`` (it is
            multiplied by ``lr_decay`` at each of ``milestones``) or ``"exponential"`` (it falls by equal
            factors, to ``lr_decay`` of itself at the end).
        warm_up: The share of the steps in which the rate rises linearly from a tenth of ``lr``; by
            default a quarter for ``"one-cycle"``, and none for the others.
        momentum: For ``"sgd"``, and for optimisers of your own that take it.
        weight_decay: For all weights; added to the gradient, except with ``"adamw"``.
        clip: The largest norm of the gradient of all weights together; 0 for no clipping.
        ema: Decay of a running average of the weights, such as 0.99. The average is then evaluated and
            kept; 0 for the weights themselves.
        label_smoothing: The share of each target spread over all classes.
        crop: Pixels to pad images with on each side, before a random crop to their size; 0 for no crop.
            Targets of each pixel, of shape (samples, height, width) or (samples, channels, height, width),
            are cropped and flipped with their image; so are positions, if the data says that they are such:
            ``data.tensors(…, targets="points")`` or ``"boxes"``. Boxes are clipped to the image, and left out
            if less than a fifth of one is seen. All other targets stay as they are.
        padding: Padding of ``crop`` and ``rotate``: ``"reflect"`` the image, or ``"zero"``, which positions
            need, as what is mirrored is not among them.
        flip: Whether images are mirrored left to right with probability 1/2.
        cutout: Side of a square of each image that is set to the mean, in pixels (DeVries & Taylor 2017);
            targets stay as they are.
        mixup: Samples are mixed in pairs by shares from Beta(mixup, mixup); 0 for no mixing (Zhang et
            al. 2018).
        loss: By default the task's own; ``"focal"`` for tasks of classes (Lin et al. 2017), or a name in
            ``losses``.
        focal_gamma: γ of the focal loss; 0 is cross-entropy.
        class_weights: For tasks of classes: a weight for each of them, or ``"balanced"`` for weights in
            inverse proportion to their shares of the training part, which is not for ``balanced`` batches as
            well. They are scaled to be 1 on average over the training part, so that the learning rate keeps
            its meaning.
        balanced: Whether an epoch draws every class equally often, in batches that have as many of each:
            samples of rare classes several times, some of frequent ones not at all.
        lr_decay: For ``"step"`` and ``"exponential"``.
        milestones: For ``"step"``: shares of the steps after the warm-up, in a tuple.
        betas: β₁ and β₂ of ``"adam"`` and ``"adamw"``, and of optimisers of your own that take them, in a
            tuple; by default the optimiser's.
        rotate: The largest angle, in degrees, by which images are turned either way; targets of each pixel
            turn with them, whole numbers to those of the nearest pixel, and points; boxes cannot.
            ``padding`` says what is beyond the edge.
        brightness: Values of each image are multiplied by a factor from 1 - brightness to 1 + brightness; 0
            is taken to be black.
        contrast: Differences from the image's mean grey are multiplied by such a factor.
        saturation: Differences of the 3 channels from their grey are multiplied by such a factor.
        inherit: What a trial's weights begin as: ``None`` for fresh ones; ``"parent"`` for those of the trial
            that the sampler changed (``evolution``, ``local``), which compute the same function where a
            morphism of them can; ``"one-shot"`` for the supernet's, with a sampler that trains one. A study
            keeps such weights beside its checkpoints. What is recorded then rests on the earlier trainings,
            too; ``optnas train`` begins with fresh weights.
        rungs: The epochs after which a candidate is compared with others, and perhaps pruned; by
            default 1, 3, 9, … below ``epochs``.
        hopeless_after: The number of the rung from which on a candidate is stopped if it has learned
            nothing: its metrics are at chance, or its loss does not move; 0 for never.
        device: ``"auto"`` (CUDA if available, else the CPU), or a PyTorch device such as ``"cuda:1"``.
        precision: Precision of large convolutions and matrix products: ``"float32"``, ``"bfloat16"``, on
            GPUs ``"tf32"`` as well, or ``"auto"`` for bfloat16 if the hardware has it, else float32.
        cuda_graph: Whether a step on CUDA is recorded once and then launched as a whole, if that is
            possible; modules that decide something anew in Python at every step need ``False``.
        losses: Losses of your own by name: functions of outputs and targets, as :meth:`Task.loss` gets them,
            that return the mean over the batch. One that has an argument ``label_smoothing`` or
            ``class_weights`` (a tensor) is given it where it is set.
        optimizers: Optimisers of your own by name, such as ``torch.optim.NAdam``: functions of the list of
            weights and of ``lr``, and of ``weight_decay``, ``momentum`` and ``betas`` if they have these
            arguments, that return a ``torch.optim.Optimizer``.

    A trial's results are reused only while the source of its functions of your own is the same.

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
    loss: Any = None
    focal_gamma: Any = 2.0
    class_weights: Any = None
    balanced: Any = False
    lr_decay: Any = 0.1
    milestones: Any = (0.5, 0.75)
    betas: Any = None
    rotate: Any = 0.0
    brightness: Any = 0.0
    contrast: Any = 0.0
    saturation: Any = 0.0
    inherit: Any = None
    rungs: tuple[int, ...] | None = None
    hopeless_after: int = 2
    device: str = "auto"
    precision: str = "auto"
    cuda_graph: bool = True
    losses: Mapping[str, Callable[..., Any]] = dataclasses.field(default_factory=dict, hash=False)
    optimizers: Mapping[str, Callable[..., Any]] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in _SEARCHABLE:
            if isinstance(value := getattr(self, name), list):
                object.__setattr__(self, name, tuple(value))
        check_values({name: getattr(self, name) for name in _SEARCHABLE})
        check_own("loss", "losses", filter(None, possible_values(self.loss)), self.losses, ("focal",))
        named = possible_values(self.optimizer)
        check_own("optimizer", "optimizers", named, self.optimizers, OPTIMIZERS)
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
        """The searchable values, as a tree whose holes are decided together with the architecture's.

        Settings that trainings of earlier versions did not have are in it only if they are used, so that
        those trainings are still the same.
        """
        values = {name: getattr(self, name) for name in _SEARCHABLE}
        used = [name for name, value in values.items() if name not in _LATER or value != _LATER[name]]
        return _op(tuple(used))(**{name: values[name] for name in used})

    def closed(self, tree: Node) -> Training:
        """Return these settings with the values of ``tree``: :attr:`tree` with every hole decided."""
        closed = dataclasses.replace(self, **tree.arguments)
        # So that they are not made again.
        vars(closed).update(tree=tree, _digests=self._digests)
        return closed

    @property
    def own_functions(self) -> dict[str, str]:
        """Digests of the source of the user's own functions that may be used, by setting and name."""
        found = {}
        for setting, functions in (("loss", self.losses), ("optimizer", self.optimizers)):
            for name in possible_values(getattr(self, setting)):
                if name in functions:
                    called = f"{setting} {name}"
                    if called not in self._digests:
                        self._digests[called] = digest_of(functions[name])
                    found[called] = self._digests[called]
        return found

    @cached_property
    def _digests(self) -> dict[str, str]:
        # Made when they are asked for: what a function depends on may be defined further down in its file.
        return {}

    @property
    def reported(self) -> tuple[int, ...]:
        """The rungs below ``epochs``, ascending."""
        if self.rungs is not None:
            return tuple(sorted({rung for rung in self.rungs if rung < self.epochs}))
        powers = (_RUNG_FACTOR**i for i in range(self.epochs.bit_length()))
        return tuple(rung for rung in powers if rung < self.epochs)


_NOT_SEARCHED = ("rungs", "hopeless_after", "device", "precision", "cuda_graph", "losses", "optimizers")
_SEARCHABLE = tuple(field.name for field in dataclasses.fields(Training) if field.name not in _NOT_SEARCHED)
_FIRST_LATER = _SEARCHABLE.index("loss")
_LATER = {
    field.name: field.default
    for field in dataclasses.fields(Training)
    if field.name in _SEARCHABLE[_FIRST_LATER:]
}
LATER = {name: text_of(value) for name, value in _LATER.items()}
"""Texts of the defaults of settings that :attr:`Training.tree` leaves out where they are not used."""


@cache
def _op(names: tuple[str, ...]) -> Op:
    return Op(
        "training", inspect.Signature([inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in names])
    )
