"""The progress of ``study.run`` in a notebook: one output of the cell, updated in its place."""

from __future__ import annotations

import html
from importlib import import_module
from typing import Any

from optnas.errors import StorageError
from optnas.reports.notebook import progress_html
from optnas.run.display import Display
from optnas.shown import one_line, plain
from optnas.storages.waiting import StorageAway, impatient
from optnas.trials.optuna_internals import storage_of

__all__ = ["NotebookDisplay"]


class NotebookDisplay(Display):
    """The :class:`~optnas.run.display.Display` of notebooks, as HTML."""

    _handle: Any = None
    _html = ""

    def _refresh(self) -> None:
        try:
            with impatient(storage_of(self._study)):
                self._html = progress_html(self._study, self._progress.read(), self._title)
        except StorageAway as error:
            self._show(f"{self._html}<div>Waiting: {html.escape(one_line(str(error)))}</div>")
        else:
            self._show(self._html)

    def _show(self, page: str) -> None:
        ipython: Any = import_module("IPython.display")
        if self._handle is None:
            self._handle = ipython.display(ipython.HTML(page), display_id=True)
        else:
            self._handle.update(ipython.HTML(page))

    def __enter__(self) -> NotebookDisplay:
        self._show(html.escape(plain(self._title)))
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self._refresh()
        except (StorageError, KeyError):  # as it was last seen
            if kind is None:
                raise
