"""Metrics of a trained network where a column of a table is missing in every row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from optnas.data import Data, Part, Split
from optnas.data.schemas import Table
from optnas.data.trees import Tree
from optnas.tasks import Task
from optnas.winner.facts import raw_blocks

__all__ = ["without_columns"]

# What takes seconds: more columns or rows hardly show more.
_MOST_COLUMNS, _MOST_ROWS = 100, 10_000


def without_columns(module: nn.Module, task: Task, part: str) -> dict[str, Any]:
    """Return the metrics where each column of a table is missing in all rows, as users' rows may have it.

    That is what :meth:`Table.tensors` makes of it: the mean of a number, with its mark of a gap if it has
    one, and no category at all, or that of gaps. There are ``part``, ``whole`` (the metrics with all columns)
    and ``columns``; nothing for other data than tables, and for more than 100 columns.

    Args:
        module: The trained network, on the CPU.
        task: Its task.
        part: The part of the data to measure on; at most 10,000 rows of it.
    """
    data: Data = task.data
    schema, splits = data.schema, data.splits
    if not isinstance(schema, Table) or not 1 < len(schema.used) <= _MOST_COLUMNS:
        return {}
    rows: Part = getattr(splits, part)
    if not isinstance(rows, Split):
        return {}
    some = Split(rows.x[:_MOST_ROWS], rows.y[:_MOST_ROWS])
    found = []

    def measured(kind: str = "", place: int = 0, gap: float = 0.0) -> dict[str, float]:
        with torch.inference_mode():
            return task.evaluate(module.eval(), _Without(schema, some, splits.prepare, kind, place, gap))

    for place, column in enumerate(schema.measured):
        found.append({"name": column.name, "metrics": measured("numbers", place, torch.nan)})
    for place, category in enumerate(schema.categories):
        gap = category.categories.index("") if "" in category.categories else -1
        found.append({"name": category.name, "metrics": measured("codes", place, gap)})
    return {"part": part, "whole": measured(), "columns": found}


@dataclasses.dataclass(frozen=True)
class _Without:
    """Batches of rows, one of whose columns may be missing, for :meth:`Task.evaluate`."""

    schema: Table
    part: Split
    prepare: Any
    kind: str
    place: int
    gap: float

    @property
    def targets(self) -> Tree:
        return self.part.y

    def __len__(self) -> int:
        return len(self.part)

    def __iter__(self) -> Iterator[tuple[Tensor, Tree]]:
        layer = self.schema.preparation()
        for inputs, targets in raw_blocks(self.schema, self.part, self.prepare):
            if self.kind:
                inputs[self.kind][:, self.place] = self.gap
            yield layer(inputs), targets
