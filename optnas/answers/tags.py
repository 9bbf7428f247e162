"""A class of each position of a sequence."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np
from torch import Tensor, nn

from optnas.answers.answer import Answer, Record
from optnas.answers.classes import checked_names, shown
from optnas.data.trees import Tree

__all__ = ["Tags"]


@dataclasses.dataclass(frozen=True)
class Tags(Answer):
    """A class of each position of a sequence, by its name.

    Options of ``predict``:
        probabilities: ``True`` returns the probability of each class at each position instead, an array
            (samples, length, classes).

    Attributes:
        names: The names of the classes in the order of their numbers.
    """

    kind = "tags"

    names: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        return {"names": list(self.names)}

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls(checked_names(record["names"]))

    def __call__(
        self, module: nn.Module, inputs: Tree, *, probabilities: bool = False, **options: Any
    ) -> Any:
        """Return the class of each position of a batch of inputs, or the probabilities of all."""
        if options:
            raise TypeError(f"predict() takes no {', '.join(options)} for classes of positions")
        outputs = module(inputs)
        return outputs.double().softmax(-1).numpy() if probabilities else self.read(outputs)

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
