"""The schema of inputs of which only storage and preparation are known, as of a data set of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optnas.data.normalize import Each, Normalize, Normalized
from optnas.data.schemas.arrays import Arrays
from optnas.data.schemas.schema import Schema
from optnas.data.schemas.several import Several
from optnas.data.trees import Tree

__all__ = ["as_prepared"]


def as_prepared(stored: Tree, prepare: Any) -> Schema:
    """Return the schema of inputs that come as before normalisation, or else as a network takes them.

    Args:
        stored: Some stored inputs (samples, …).
        prepare: The function from stored inputs to inputs of a network.
    """
    figures = prepare.by if isinstance(prepare, Normalized) else prepare
    if isinstance(figures, Normalize):
        return Arrays(tuple(stored.shape[1:]), "float32", figures)
    each = isinstance(prepare, Each)
    x = stored if each else prepare(stored)
    if isinstance(x, Mapping):
        return Several(
            {str(name): as_prepared(x[name], prepare.by[name] if each else _unchanged) for name in x}
        )
    if isinstance(x, tuple):
        of = prepare.by if each else [_unchanged] * len(x)
        inputs = {str(place): as_prepared(*pair) for place, pair in enumerate(zip(x, of, strict=True))}
        return Several(inputs, named=False)
    return Arrays(tuple(x.shape[1:]), str(x.dtype).removeprefix("torch."))


def _unchanged(x: Any) -> Any:
    return x
