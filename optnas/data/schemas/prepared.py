"""The schema of inputs that nothing is known of but what a network takes."""

from __future__ import annotations

from collections.abc import Mapping

from optnas.data.schemas.arrays import Arrays
from optnas.data.schemas.schema import Schema
from optnas.data.schemas.several import Several
from optnas.data.trees import Tree

__all__ = ["as_prepared"]


def as_prepared(x: Tree) -> Schema:
    """Return the schema of inputs that come as a network takes them, such as ``x`` (samples, …)."""
    if isinstance(x, Mapping):
        return Several({str(name): as_prepared(each) for name, each in x.items()})
    if isinstance(x, tuple):
        return Several({str(place): as_prepared(each) for place, each in enumerate(x)}, named=False)
    return Arrays(tuple(x.shape[1:]), str(x.dtype).removeprefix("torch."))
