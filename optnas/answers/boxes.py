"""The objects in a picture, with their boxes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from torch import nn

from optnas.answers.answer import Answer, Record
from optnas.answers.centers import detected
from optnas.answers.classes import checked_names, shown
from optnas.data.trees import Tree, mapped
from optnas.errors import UserError

__all__ = ["Boxes"]

_MOST_BOXES, _MOST_PIXELS = 1_000_000, 2**24
_COLUMNS = ("left", "top", "right", "bottom")


@dataclasses.dataclass(frozen=True)
class Boxes(Answer):
    """The objects in each picture, the surest first: a table for each, with class, score and box in pixels.

    Pixels count from the left upper corner of the picture as the network takes it.

    Options of ``predict``:
        score: The least score of what is returned, from 0 to 1. By default all that the task counts.

    Attributes:
        names: The names of the classes in the order of their numbers.
        stride: Side of a cell of the network's map in pixels; of several maps by their names.
        most: The most objects of a picture.
    """

    kind = "boxes"

    names: tuple[str, ...]
    stride: int | Mapping[str, int]
    most: int

    def record(self) -> dict[str, Any]:
        stride = self.stride if isinstance(self.stride, int) else dict(self.stride)
        return {"names": list(self.names), "stride": stride, "most": self.most}

    @classmethod
    def of(cls, record: Record) -> Self:
        stride, most = record["stride"], record["most"]
        sides = list(stride.values()) if isinstance(stride, Mapping) else [stride]
        if not sides or not all(isinstance(each, int) and 0 < each <= _MOST_PIXELS for each in sides):
            raise ValueError(f"{stride!r} is no side of a cell")
        if not isinstance(most, int) or not 0 < most <= _MOST_BOXES:
            raise ValueError(f"{most!r} is no number of boxes")
        return cls(checked_names(record["names"]), stride, most)

    def __call__(self, module: nn.Module, inputs: Tree, *, score: float = 0.0, **options: Any) -> list[Any]:
        """Return the objects in each picture of a batch."""
        if options:
            raise TypeError(f"predict() takes no {', '.join(options)} for boxes")
        if not isinstance(score, int | float) or not 0 <= score <= 1:
            raise UserError(f"predict(score={score!r}): give a number from 0 to 1")
        tables = self.read(module(inputs))
        return [table[table["score"] >= score].reset_index(drop=True) for table in tables]

    def read(self, outputs: Tree) -> list[Any]:
        """Return a DataFrame for each sample from maps (samples, classes + 4, height, width)."""
        import pandas

        found = detected(mapped(lambda each: each.float(), outputs), stride=self.stride, most=self.most)
        tables = []
        for rows in found:
            rows = rows[rows[:, 1] > 0]
            table = {
                "class": [self.names[int(each)] for each in rows[:, 0]],
                "score": rows[:, 1].double().numpy(),
            }
            corners = rows[:, 2:].double().numpy().T
            tables.append(pandas.DataFrame(table | dict(zip(_COLUMNS, corners, strict=True))))
        return tables

    def unread(self) -> str:
        return (
            "of each cell the logits of the classes and four numbers of a box:"
            " ``tasks.detected`` finds the objects"
        )

    def told(self) -> str:
        return (
            f"a table for each picture: its objects, at most {self.most}, the surest first, with their class,"
            f" one of {len(self.names)} ({shown(self.names)}), their score from 0 to 1, and left, top, right"
            " and bottom in pixels; predict(…, score=0.3) leaves out those below"
        )
