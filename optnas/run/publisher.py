"""Publishing of a study in optuna-dashboard while it runs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import optuna

from optnas.checkpoints.store import artifact_store, check_store
from optnas.errors import StorageError
from optnas.storages.opening import default_artifacts
from optnas.storages.waiting import impatient
from optnas.study import Study
from optnas.trials.optuna_internals import id_of, storage_of
from optnas.trials.progress import front
from optnas.trials.record import PUBLISHED

__all__ = ["Publisher", "publish_all", "publishing"]

_PERIOD_SECONDS = 10.0
# Of the time since the run began; and the seconds that the last write may take in any case.
_LARGEST_SHARE, _FINAL_LEAST = 0.01, 2.0
# What a note with its drawing takes, until it is known.
_NOTE_SECONDS = 0.01
# Figures are drawn anew after so many more trials: a journal keeps every one that was ever written.
_GROWTH = 1.3
_FINAL_SECONDS = 5.0
# What the analysis of importances takes: at least, and for each trial.
_IMPORTANCES_SECONDS, _EACH_SECONDS = 3.0, 0.002


@contextmanager
def publishing(study: Study, opened: optuna.Study, total: int, *, wanted: bool = True) -> Iterator[None]:
    """Publish the study in optuna-dashboard as its trials end, and once more in the end.

    It is done in a thread of its own, so that no trial waits for it and none fails of it, in about a
    hundredth of the time: of many trials that take no time, notes of the front come first, and some of the
    others may be left. Nothing is lost by what is not written, as time is short, the storage is away or the
    process is killed: it is derived from the trials, and written the next time or by ``optnas publish``.

    Args:
        study: The study as declared.
        opened: The same study in its storage.
        total: Number of trials that it is to have in the end.
        wanted: Whether to do so at all.
    """
    if not wanted:
        yield
        return
    publisher = Publisher(study, opened, total)
    publisher.start()
    try:
        yield
    except (KeyboardInterrupt, StorageError):
        publisher.stop(finally_publish=False)
        raise
    except BaseException:
        publisher.stop(finally_publish=True)
        raise
    publisher.stop(finally_publish=True)


class Publisher(threading.Thread):
    """Thread that publishes a study every ten seconds, and no longer than a hundredth of the time."""

    def __init__(self, study: Study, opened: optuna.Study, total: int) -> None:
        super().__init__(name="optnas-publisher", daemon=True)
        self._study, self._opened, self._total = study, opened, total
        self._begun, self._spent = time.monotonic(), 0.0
        self._done = threading.Event()
        self._given: set[int] = set()
        self._drawn = 0
        self._each = _NOTE_SECONDS

    def run(self) -> None:
        while not self._done.wait(_PERIOD_SECONDS):
            if self._spent <= _LARGEST_SHARE * (time.monotonic() - self._begun):
                self.publish(final=False)

    def stop(self, *, finally_publish: bool) -> None:
        self._done.set()
        # Daemonic: one that waits for the storage ends with the process.
        with contextlib.suppress(KeyboardInterrupt):
            self.join(_FINAL_SECONDS if finally_publish else 0.0)
            if finally_publish and not self.is_alive():
                self.publish(final=True)

    def publish(self, *, final: bool) -> None:
        """Write what is new; ``final``: for the last time, the figures in any case."""
        from optnas.reports.publishing import publish, to_note

        started = time.monotonic()
        # Whatever goes wrong here is not the search's; what is wrong with the storage is told by the worker.
        with contextlib.suppress(Exception), impatient(storage_of(self._opened)):
            trials = self._opened.get_trials(deepcopy=False)
            wanted = to_note(self._opened, trials, self._total)
            new = [each for each in wanted if id_of(each) not in self._given]
            if len(new) > (most := self._affordable(started, final=final)):
                best = {trial.number for trial in front(self._opened, trials)}
                new = sorted(new, key=lambda trial: trial.number not in best)[:most]
            finished = sum(trial.state.is_finished() for trial in trials)
            whole = finished > self._drawn if final else self._has_grown(finished)
            if new or whole:
                importances = max(_IMPORTANCES_SECONDS, finished * _EACH_SECONDS)
                quickly = self._spent + importances > _LARGEST_SHARE * (started - self._begun)
                store = self._study.store
                publish(self._opened, trials, new, store=store, whole=whole, only_new=True, quickly=quickly)
                self._given |= {id_of(trial) for trial in new}
                if new and not whole:
                    self._each = (time.monotonic() - started) / len(new)
                self._drawn = finished if whole else self._drawn
        self._spent += time.monotonic() - started

    def _affordable(self, now: float, *, final: bool) -> int:
        """Return how many notes there is time for; one in any case."""
        seconds = _LARGEST_SHARE * (now - self._begun) - self._spent
        if final:
            seconds = max(seconds, _FINAL_LEAST)
        return max(1, int(seconds / self._each))

    def _has_grown(self, finished: int) -> bool:
        """Return whether there are so many more trials since the figures were drawn, here or elsewhere."""
        if finished < max(1, _GROWTH * self._drawn):
            return False
        self._drawn = max(self._drawn, PUBLISHED.of(self._opened) or 0)
        return finished >= max(1, _GROWTH * self._drawn)


def publish_all(study: optuna.Study, url: str, artifacts: str | None = None) -> str:
    """Write everything for optuna-dashboard of a study that has run, and say what was written.

    Args:
        study: Any Optuna study of several objectives or one.
        url: The storage's URL.
        artifacts: Where drawings are kept; by default the folder beside the storage where runs keep theirs.

    Raises:
        UserError: If ``artifacts`` names no usable store.
        StorageError: If the storage fails.
    """
    from optnas.reports.publishing import publish, to_note

    trials = study.get_trials(deepcopy=False)
    store = artifact_store(default_artifacts(url) if artifacts is None else artifacts)
    if artifacts is not None and store is not None:
        check_store(store)
    noted = to_note(study, trials)
    done = publish(study, trials, noted, store=store)
    counts = {"note": done.notes, "drawing": done.drawings, "figure": done.figures}
    told = ", ".join(f"{count} {what}{'s' * (count != 1)}" for what, count in counts.items() if count)
    of = f"study {study.study_name!r}, {len(noted)} of {len(trials)} trials have a note"
    said = f"Wrote {told}" if told else "Everything is published already"
    return f"{said} ({of}): optnas dashboard shows it."
