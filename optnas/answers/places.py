"""A class of each position of a sequence, or of each pixel of an image."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor, nn

from optnas.answers.answer import Answer, Record
from optnas.answers.classes import checked_names, shown
from optnas.data.trees import Tree

__all__ = ["PixelClasses", "Tags"]


@dataclasses.dataclass(frozen=True)
class _EachPlace(Answer):
    """A class of each place in a sample.

    Attributes:
        names: The names of the classes in the order of their numbers.
    """

    axis: ClassVar[int]
    """The axis of outputs that is the classes'."""

    names: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        return {"names": list(self.names)}

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls(checked_names(record["names"]))

    def __call__(
        self, module: nn.Module, inputs: Tree, *, probabilities: bool = False, **options: Any
    ) -> Any:
        """Return the class of each place in a batch of inputs, or the probabilities of all."""
        if options:
            raise TypeError(f"predict() takes no {', '.join(options)} for answers of the kind {self.kind!r}")
        outputs = module(inputs)
        return outputs.float().softmax(self.axis).numpy() if probabilities else self.read(outputs)


class Tags(_EachPlace):
    """A class of each position of a sequence, by its name.

    Options of ``predict``:
        probabilities: ``True`` returns the probability of each class at each position instead, an array
            (samples, length, classes).
    """

    kind = "tags"
    axis = -1

    def read(self, outputs: Tensor) -> Any:
        """Return an array of names (samples, length) from logits (samples, length, classes)."""
        return np.array(self.names, dtype=object)[outputs.argmax(-1).numpy()]

    def unread(self) -> str:
        return "at each position the logits of the classes: the highest is its class"

    def told(self) -> str:
        return (
            f"an array (samples, length): the class of each position, one of {len(self.names)}"
            f" ({shown(self.names)}); predict(…, probabilities=True) has all of each"
        )


class PixelClasses(_EachPlace):
    """A class of each pixel of an image, by its number in ``names``.

    Options of ``predict``:
        probabilities: ``True`` returns the probability of each class at each pixel instead, an array
            (samples, classes, height, width).
    """

    kind = "pixels"
    axis = 1

    def read(self, outputs: Tensor) -> Any:
        """Return classes (samples, height, width) from logits (samples, classes, height, width)."""
        return outputs.argmax(1).numpy()

    def unread(self) -> str:
        return "at each pixel the logits of the classes: the highest is its class"

    def told(self) -> str:
        return (
            f"an array (samples, height, width): the class of each pixel, a number from 0 to"
            f" {len(self.names) - 1} whose names are in model.answer.names ({shown(self.names)});"
            " predict(…, probabilities=True) has all of each"
        )
