"""Claim of a study's supernet: one worker trains it, and the others wait for what it finds."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from optuna.study import Study

from optnas.trials.attribute import StudySystemAttribute

__all__ = ["claimed"]

_BEAT_SECONDS = 5.0
_POLL_SECONDS = 0.5
_GONE_SECONDS = 60.0

_CLAIM = StudySystemAttribute[dict[str, Any]](
    "optnas:one_shot_claim",
    lambda objectives: lambda value: isinstance(value, dict) and {"who", "beat"} <= value.keys(),
)


@contextmanager
def claimed(study: Study, done: Callable[[], bool]) -> Iterator[bool]:
    """Wait until this worker may train the supernet, or another one has: yields whether it may.

    A worker whose sign of life has not changed for a minute by this worker's own clock is gone.

    Args:
        study: The study.
        done: Whether the supernet has been trained.
    """
    me, stop = uuid.uuid4().hex, threading.Event()
    if not _taken(study, me, done):
        yield False
        return
    beat = threading.Thread(target=_beat, args=(study, me, stop), daemon=True)
    beat.start()
    try:
        yield True
    finally:
        stop.set()
        beat.join()
        with contextlib.suppress(Exception):  # whoever waits sees in a minute that nobody is there
            _CLAIM.put(study, {"who": "", "beat": 0})


def _taken(study: Study, me: str, done: Callable[[], bool]) -> bool:
    before, since = None, time.monotonic()
    while not done():
        claim = _CLAIM.of(study)
        if claim != before:
            before, since = claim, time.monotonic()
        if claim is None or not claim["who"] or time.monotonic() - since > _GONE_SECONDS:
            _CLAIM.put(study, {"who": me, "beat": 0})
            time.sleep(_POLL_SECONDS)  # the last of several that claim it at once has it
            found = _CLAIM.of(study)
            if found is not None and found["who"] == me:
                return not done()
        time.sleep(_POLL_SECONDS)
    return False


def _beat(study: Study, me: str, stop: threading.Event) -> None:
    count = 0
    while not stop.wait(_BEAT_SECONDS):
        count += 1
        try:
            _CLAIM.put(study, {"who": me, "beat": count})
        except Exception:  # a storage that is away for a while; whoever waits then goes by its own clock
            continue
