"""The training and the validation part as one, to train once more on both."""

from __future__ import annotations

import copy
import dataclasses

import torch

from optnas.data.data import Data, Part, Split, Splits
from optnas.data.streamed import Streamed
from optnas.data.trees import joined
from optnas.errors import UserError

__all__ = ["with_validation"]


def with_validation(data: Data) -> Data:
    """Return ``data`` whose training part has the samples of its validation part too, which also stays.

    Inputs are prepared as they were: what they are normalised by is of the training part alone.

    Raises:
        UserError: When it is loaded, if the parts cannot be one.
    """

    def load() -> Splits:
        parts = data.splits
        train = _both(data.name, parts.train, parts.validation)
        return dataclasses.replace(parts, train=train, schema=data.schema, notes=())

    made = copy.copy(data)  # of its own class, as tasks ask windows for more than samples
    for kept in ("splits", "schema"):
        vars(made).pop(kept, None)
    made._load, made._load_as, made._by_kind, made._on_device = load, None, {}, {}
    return made


def _both(name: str, first: Part, second: Part) -> Part:
    if isinstance(first, Split) and isinstance(second, Split):
        return Split(joined([first.x, second.x]), joined([first.y, second.y]))
    if isinstance(first, Streamed) and isinstance(second, Streamed) and first.reader is second.reader:
        indices = torch.cat([first.indices, second.indices])
        return dataclasses.replace(first, indices=indices, y=torch.cat([first.y, second.y]))
    raise UserError(
        f"data {name!r}: the training and the validation part are of two kinds or sources, and cannot be"
        " trained on together"
    )
