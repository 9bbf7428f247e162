"""A class of each pixel of an image."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

from torch import Tensor, nn

from optnas.answers.answer import Answer, Record
from optnas.answers.classes import checked_names, shown
from optnas.data.trees import Tree

__all__ = ["PixelClasses"]


@dataclasses.dataclass(frozen=True)
class PixelClasses(Answer):
    """A class of each pixel of an image, by its number in :attr:`names`.

    Options of ``predict``:
        probabilities: ``True`` returns the probability of each class at each pixel instead, an array
            (samples, classes, height, width).

    Attributes:
        names: The names of the classes in the order of their numbers.
    """

    kind = "pixels"

    names: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        return {"names": list(self.names)}

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls(checked_names(record["names"]))

    def __call__(
        self, module: nn.Module, inputs: Tree, *, probabilities: bool = False, **options: Any
    ) -> Any:
        """Return the class of each pixel of a batch of images, or the probabilities of all."""
        if options:
            raise TypeError(f"predict() takes no {', '.join(options)} for classes of pixels")
        outputs = module(inputs)
        return outputs.float().softmax(1).numpy() if probabilities else self.read(outputs)

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
