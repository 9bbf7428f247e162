"""Classification: one of several classes for each sample, or for each position of a sequence."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Unpack

from torch import Tensor
from torch.nn.functional import cross_entropy

from optnas.answers import Answer, Classes, Tags
from optnas.data import Data
from optnas.data.schemas import Target
from optnas.data.trees import Tree
from optnas.errors import UserError, nearest
from optnas.tasks._chance import class_shares, entropy
from optnas.tasks._torchmetrics import torchmetrics
from optnas.train.losses import ClassSettings, class_loss
from optnas.train.task import Task

__all__ = ["Classification", "classification"]

_ALWAYS = ("accuracy", "error", "loss")
_TOP = {f"top{k}": k for k in range(2, 11)}

# Above this share of one class, a network that predicts nothing else may still be learning.
_MOSTLY = 0.75
_IGNORED = -1


@dataclasses.dataclass(frozen=True)
class Classification(Task):
    """Classification task: cross-entropy over classes.

    Measures ``accuracy`` and ``error`` (shares of the samples, 0 to 1) and ``loss`` (mean
    cross-entropy, nats). If asked for, it also measures ``f1``, the mean of the classes' F1 scores
    (macro), and ``top2`` to ``top10``, the share of samples whose class is among the 2 to 10 likeliest.

    Where targets are a class for each position of a sequence (tagging), of shape (samples, length), all of
    this is of positions, and those of a negative class, such as padding, do not count.

    Attributes:
        data: Samples with one class each, or one for each position.
        asked: The metrics to measure besides the first three.
    """

    data: Data
    asked: frozenset[str] = frozenset()
    metrics = (*_ALWAYS, "f1", *_TOP)
    learns_classes = True

    def __post_init__(self) -> None:
        for name in sorted(self.asked.difference(self.metrics)):
            raise UserError(f"classification does not measure {name!r}: {nearest(name, self.metrics)}")

    def measuring(self, names: Iterable[str]) -> Classification:
        return dataclasses.replace(self, asked=self.asked.union(names))

    def loss(self, outputs: Tensor, targets: Tensor, **settings: Unpack[ClassSettings]) -> Tensor:
        """Return the mean cross-entropy, or focal loss.

        Outputs are logits (batch, classes), or (batch, length, classes) of positions; targets are classes
        (batch,) or (batch, length), or shares of the classes (batch, classes) for mixed samples.
        """
        if outputs.dim() > 2:
            outputs, targets = outputs.flatten(0, -2), targets.flatten().clamp(min=_IGNORED).long()
        return class_loss(outputs, targets, ignore_index=_IGNORED, **settings)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Return the metrics of logits against classes, of the shapes that :meth:`loss` takes."""
        outputs = outputs.float()
        if outputs.dim() > 2:
            known = targets.flatten() >= 0
            outputs, targets = outputs.flatten(0, -2)[known], targets.flatten()[known].long()
        accuracy = (outputs.argmax(dim=1) == targets).float().mean().item()
        found = {
            "accuracy": accuracy,
            "error": 1 - accuracy,
            "loss": cross_entropy(outputs, targets).item(),
        }
        for name in sorted(self.asked.difference(_ALWAYS)):
            found[name] = self._by_torchmetrics(name, outputs, targets)
        return found

    def _by_torchmetrics(self, name: str, outputs: Tensor, targets: Tensor) -> float:
        functions, classes = torchmetrics(), outputs.shape[1]
        # torchmetrics need not validate arguments: the data has been checked already.
        if name == "f1":
            f1 = functions.classification.multiclass_f1_score
            return float(f1(outputs, targets, classes, average="macro", validate_args=False))
        accuracy = functions.classification.multiclass_accuracy
        top = {"average": "micro", "top_k": _TOP[name], "validate_args": False}
        return float(accuracy(outputs, targets, classes, **top))

    def at_chance(self, metrics: Mapping[str, float]) -> str | None:
        # If most samples are of one class, a network learns that class first, and the others later.
        if self._largest_share > _MOSTLY or metrics["accuracy"] > self._largest_share:
            return None
        share = f"{self._largest_share:.3f}"
        return f"accuracy {metrics['accuracy']:.3f} is at chance: one class alone makes up {share}"

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (*self.data.splits.train.y.shape[1:], self.data.outputs)

    @property
    def answer(self) -> Answer:
        target = self.data.target
        if not isinstance(target, Target):
            return super().answer
        names = target.classes or tuple(map(str, range(self.data.outputs)))
        return Classes(names, target.name) if len(self.output_shape) == 1 else Tags(names)

    @property
    def chance(self) -> Mapping[str, float]:
        return {
            "accuracy": self._largest_share,
            "error": 1 - self._largest_share,
            "loss": entropy(self._shares),
            # Predicting one class alone, of share p: its recall is 1, its F1 2·p / (1 + p), all others' 0.
            "f1": 2 * self._largest_share / (1 + self._largest_share) / self.data.outputs,
        }

    @property
    def ideal(self) -> Mapping[str, float]:
        return {**dict.fromkeys(self.metrics, 1.0), "error": 0.0, "loss": 0.0}

    @property
    def _largest_share(self) -> float:
        """The share of the most frequent class in the validation part."""
        return self._shares.max().item()

    @cached_property
    def _shares(self) -> Tensor:
        """The share of each class in the validation part."""
        return class_shares(self.data.splits.validation.y)

    def check(self) -> None:
        splits = self.data.splits
        targets, shape = splits.train.y, self.data.shape
        positions = tuple(targets.shape[1:]) if isinstance(targets, Tensor) else None
        if positions is None or positions != shape[: len(positions)] or targets.is_floating_point():
            raise UserError(
                f"data {self.data.name!r}: classes must be whole numbers or texts, one for each sample or"
                f" position of a sequence, not {_described(targets)}; tasks.regression learns values,"
                " tasks.language text, tasks.segmentation pixels"
            )
        if positions and not all((part.y >= 0).any() for part in (splits.train, splits.validation)):
            raise UserError(f"data {self.data.name!r}: a part has no position of a class, from 0 on")
        if self.asked.difference(_ALWAYS):
            torchmetrics()
        for name in sorted(self.asked & _TOP.keys()):
            if _TOP[name] >= splits.outputs:
                raise UserError(
                    f"{name!r} says nothing about {self.data.name!r}, of {splits.outputs} classes"
                )


def _described(targets: Tree) -> str:
    if not isinstance(targets, Tensor):
        return "several targets"
    return f"{targets.dtype} of shape {tuple(targets.shape)}"


def classification(data: Data, *, metrics: Iterable[str] = ()) -> Classification:
    """Return the task of predicting the class of each sample of ``data``, or of each position.

    Args:
        data: Samples with one class each, or sequences (samples, length, …) with a class for each position,
            whole numbers of shape (samples, length), negative where none is to be learned. A network then
            puts out (length, classes), as by ``linear(classes)``.
        metrics: More metrics to record, of ``f1``, ``top2`` to ``top10``. The metrics
            of a study's objectives and constraints are measured anyway.

    Raises:
        UserError: If there is no such metric.
    """
    return Classification(data.with_targets("classes"), frozenset(metrics))
