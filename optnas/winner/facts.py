"""Facts of the data that a network learned from: its split, its targets, and what its inputs were."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from optnas.answers import Answer, Classes, PixelClasses, Tags, Values
from optnas.data import Data, Part, Split
from optnas.data.schemas import Schema, Sequences, Table
from optnas.data.tokens import END, PADDING
from optnas.data.trees import Tree

__all__ = ["data_facts", "raw_blocks"]

_BLOCK = 4096
_PARTS = ("train", "validation", "test")


def data_facts(data: Data, answer: Answer | None) -> dict[str, Any]:
    """Return facts of a data set, as ``metrics.json`` has them.

    ``split`` and ``test`` are of :class:`~optnas.data.origin.Origin`, ``file`` and ``sha256`` of the file
    that it was read from, ``classes`` has the samples of each class in each part, ``target`` the range of
    values in each part, and ``inputs`` what the training part's inputs were; what does not apply is left out.
    """
    splits = data.splits
    origin = splits.origin
    found: dict[str, Any] = {"split": origin.split, "test": origin.test}
    if origin.file is not None and origin.file.is_file():
        with origin.file.open("rb") as file:
            found |= {"file": origin.file.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    targets = {name: part.y for name in _PARTS if len(part := getattr(splits, name))}
    if isinstance(answer, Classes | PixelClasses | Tags):
        found["classes"] = _classes(targets, answer.names)
    elif isinstance(answer, Values) and all(isinstance(each, Tensor) for each in targets.values()):
        found["target"] = {
            name: {"least": float(y.min()), "mean": float(y.double().mean()), "most": float(y.max())}
            for name, y in targets.items()
        }
    inputs = seen(data.schema, splits.train, splits.prepare)
    return found | ({"inputs": inputs} if inputs else {})


def _classes(targets: dict[str, Tensor], names: Sequence[str]) -> list[dict[str, Any]]:
    def counted(y: Tensor) -> list[int]:
        found: list[int] = torch.bincount(y[y >= 0].flatten(), minlength=len(names)).tolist()
        return found

    counts = {part: counted(y) for part, y in targets.items()}
    return [{"name": name, **{part: counts[part][i] for part in counts}} for i, name in enumerate(names)]


def raw_blocks(schema: Schema, part: Part, prepare: Any) -> Iterator[tuple[Tree, Tree]]:
    """Yield a part's inputs as users have them, as tensors, and its targets; none if they cannot be had."""
    for stored, targets in part.blocks(_BLOCK):
        inputs = schema.restored(stored, prepare)
        if inputs is None:
            return
        yield inputs, targets


@singledispatch
def seen(schema: Schema, part: Part, prepare: Any) -> dict[str, Any]:
    """Return what the inputs of a training part were, beyond what the schema says of them."""
    return {}


@seen.register
def _(schema: Table, part: Part, prepare: Any) -> dict[str, Any]:
    blocks = [inputs for inputs, _ in raw_blocks(schema, part, prepare)]
    found: dict[str, Any] = {"columns": []}
    for place, column in enumerate(schema.measured):
        values = torch.cat([each["numbers"][:, place] for each in blocks])
        known = values[~values.isnan()]
        found["columns"].append(
            {
                "name": column.name,
                "kind": column.kind,
                "least": float(known.min()) if len(known) else None,
                "most": float(known.max()) if len(known) else None,
                "missing": len(values) - len(known),
            }
        )
    for place, category in enumerate(schema.categories):
        codes = torch.cat([each["codes"][:, place] for each in blocks])
        counts = torch.bincount(codes[codes >= 0], minlength=len(category.categories)).tolist()
        named = dict(zip(category.categories, counts, strict=True))
        missing = named.pop("", 0)
        rare = sorted(named, key=lambda each: named[each])[:_MOST_RARE]
        found["columns"].append(
            {
                "name": category.name,
                "kind": category.kind,
                "categories": len(named),
                "rare": {each: named[each] for each in rare if named[each] < _RARE},
                "missing": missing,
            }
        )
    return found


_RARE, _MOST_RARE = 10, 5


@seen.register
def _(schema: Sequences, part: Part, prepare: Any) -> dict[str, Any]:
    if not isinstance(part, Split):
        return {}
    source = part.x["source"]
    lengths = ((source != PADDING) & (source != END)).sum(dim=1)
    return {"longest": int(lengths.max()), "mean length": float(lengths.double().mean())}
