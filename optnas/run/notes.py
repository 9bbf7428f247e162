"""Warnings of optnas as notes: one line each on standard error, where a command runs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optnas.errors import DataWarning, Note
from optnas.shown import note

__all__ = ["data_is_known", "warnings_as_notes"]


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Print each different :class:`~optnas.errors.Note` once as a line; other warnings as Python does."""
    if isinstance(warnings.showwarning, _Notes):
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("always", Note)
        warnings.showwarning = _Notes(warnings.showwarning)
        yield


def data_is_known() -> None:
    """Leave out, until the command ends, notes on how data was read, which were told when it was new."""
    if isinstance(warnings.showwarning, _Notes):  # else it would be for good
        warnings.simplefilter("ignore", DataWarning)


class _Notes:
    """Replacement of ``warnings.showwarning``."""

    def __init__(self, others: Any) -> None:
        self._others = others
        self._told: set[str] = set()

    def __call__(self, message: Warning | str, category: type[Warning], *args: Any, **kwargs: Any) -> None:
        if not issubclass(category, Note):
            self._others(message, category, *args, **kwargs)
        elif str(message) not in self._told:
            self._told.add(str(message))
            note(f"note: {message}")
