"""The live display of ``optnas run``."""

from __future__ import annotations

import itertools
import time
from contextlib import nullcontext, suppress

import optuna
from optuna.trial import TrialState
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.segment import Segments
from rich.text import Text

from optnas.errors import StorageError
from optnas.reports.terminal import LiveView
from optnas.shown import duration
from optnas.storages.waiting import StorageAway, impatient
from optnas.trials.optuna_internals import storage_of
from optnas.trials.progress import ProgressReader, finished_trials
from optnas.trials.record import REASON

__all__ = ["Display"]

_REFRESH_SECONDS = 0.5
# Of the time: with many trials it is redrawn less often.
_MOST_SHARE = 0.05


class Display:
    """The live display of a study's progress, read anew from the storage at every refresh.

    If the output is no terminal, only the end is shown.
    """

    def __init__(self, study: optuna.Study, total: int, title: str, console: Console) -> None:
        self._study = study
        self._title = title
        self._console = console
        self._since = time.monotonic()
        before = len(finished_trials(study))
        self._progress = ProgressReader(study, total, since=self._since, finished_before=before)
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._next = 0.0
        self._shown: RenderableType | None = None

    def update(self) -> None:
        """Redraw the display, if the time between refreshes has passed."""
        if time.monotonic() >= self._next:
            begun = time.monotonic()
            self._refresh()
            ended = time.monotonic()
            self._next = ended + max(_REFRESH_SECONDS, (ended - begun) / _MOST_SHARE)

    def _refresh(self) -> None:
        if self._console.is_terminal:
            shown = self._latest_view()
            # A terminal that was closed under nohup or disown ends the display, not the search.
            with suppress(OSError):
                self._live.update(shown, refresh=True)

    def _latest_view(self) -> RenderableType:
        """Return the view, while the storage is away what was last seen and that this waits for it."""
        try:
            with impatient(storage_of(self._study)):
                self._shown = self._view()
        except StorageAway as error:
            return Group(self._shown or self._title, Text(f"Waiting: {error}", style="yellow"))
        return self._shown

    def _view(self) -> RenderableType:
        height = self._console.height if self._live.is_started else None
        view = LiveView(self._study, self._progress.read(), self._title, height)
        # Laid out now: that reads the storage, which may be away whenever it is shown again.
        lines = self._console.render_lines(view, pad=False, new_lines=True)
        return Segments(itertools.chain.from_iterable(lines))

    def __enter__(self) -> Display:
        self._live.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._live.stop()
        storage = storage_of(self._study)
        try:
            # Who was stopped does not wait.
            with nullcontext() if kind is None else impatient(storage):
                self._console.print(self._view())
        except (StorageError, KeyError):
            if self._shown is not None:
                self._console.print("As it was last seen:")
                self._console.print(self._shown)
            if kind is None:
                raise
            return
        self._console.print(f"Took {duration(time.monotonic() - self._since)}.", style="dim")
        finished = finished_trials(self._study)
        if finished and not any(trial.state == TrialState.COMPLETE for trial in finished):
            reason = REASON.get(finished[-1], "its record says no more")
            self._console.print(f"No trial came to its end. Trial {finished[-1].number}: {reason}")
