"""A class of each sample, with its probability."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

from torch import Tensor

from optnas.answers.answer import Answer, Record

__all__ = ["Classes", "checked_names", "shown"]

_MOST_CLASSES = 1_000_000
# More columns than that are hard to read, and only the likeliest class is told.
_MOST_COLUMNS = 100


@dataclasses.dataclass(frozen=True)
class Classes(Answer):
    """A class of each sample, with its probability and those of all classes.

    Attributes:
        names: The names of the classes in the order of their numbers.
        target: The name of what is predicted, the first column's.
    """

    kind = "classes"

    names: tuple[str, ...]
    target: str = ""

    def record(self) -> dict[str, Any]:
        return {"names": list(self.names), "target": self.target}

    @classmethod
    def of(cls, record: Record) -> Self:
        if not isinstance(record["target"], str):
            raise TypeError("the name of a target must be a text")
        return cls(checked_names(record["names"]), record["target"])

    def read(self, outputs: Tensor) -> Any:
        """Return a DataFrame of classes and probabilities from logits (samples, classes)."""
        import pandas

        likely = outputs.double().softmax(dim=1)
        best = likely.max(dim=1)
        columns: dict[str, Any] = {
            self.target or "class": [self.names[place] for place in best.indices.tolist()],
            "probability": best.values.numpy(),
        }
        if len(self.names) <= _MOST_COLUMNS:
            columns |= {f"p({name})": likely[:, place].numpy() for place, name in enumerate(self.names)}
        return pandas.DataFrame(columns)

    def unread(self) -> str:
        return "logits of the classes: their softmax is the probabilities"

    def told(self) -> str:
        count = len(self.names)
        return (
            f"a table with a row for each sample: {self.target or 'class'!r} is one of {count} classes"
            f" ({shown(self.names)}), with its probability"
        )


def checked_names(names: Any) -> tuple[str, ...]:
    """Return the names of classes as JSON has them.

    Raises:
        ValueError, TypeError: If they are none, too many, or no texts.
    """
    found = tuple(names)
    if not all(isinstance(each, str) for each in found):
        raise TypeError("the names of classes must be texts")
    if not 0 < len(found) <= _MOST_CLASSES:
        raise ValueError(f"{len(found)} classes are none, or too many")
    return found


def shown(names: tuple[str, ...]) -> str:
    """Return the first ten names as a text."""
    first = [repr(name) if "," in name else name for name in names[:10]]
    return ", ".join(first) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
