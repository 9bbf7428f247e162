"""Claim of work that a study needs once: one worker does it, and the others wait for what it finds."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from optuna.study import Study

from optnas.trials.attribute import StudySystemAttribute
from optnas.trials.processes import has_ended, machine, start_of
from optnas.turn import lent

__all__ = ["claimed"]

_BEAT_SECONDS = 5.0
_POLL_SECONDS = 0.5
_GONE_SECONDS = 60.0

_Claim = StudySystemAttribute[dict[str, Any]]


@contextmanager
def claimed(study: Study, work: str, done: Callable[[], bool]) -> Iterator[bool]:
    """Wait until this worker may do the work, or another one has: yields whether it may.

    A worker is gone if its process was on this machine and has ended, or if its sign of life has not changed
    for a minute by this worker's own clock.

    Args:
        study: The study.
        work: A name of the work, such as ``"one_shot"``.
        done: Whether the work has been done.
    """
    me, stop, claim = _me(), threading.Event(), _claim_of(work)
    if not _taken(study, claim, me, done):
        yield False
        return
    beat = threading.Thread(target=_beat, args=(study, claim, me, stop), daemon=True)
    beat.start()
    try:
        yield True
    finally:
        stop.set()
        beat.join()
        with contextlib.suppress(Exception):  # whoever waits sees in a minute that nobody is there
            claim.put(study, {**me, "who": "", "beat": 0})


def _me() -> dict[str, Any]:
    pid = os.getpid()
    return {"who": uuid.uuid4().hex, "machine": machine(), "pid": pid, "started": start_of(pid)}


def _claim_of(work: str) -> _Claim:
    return StudySystemAttribute(
        f"optnas:{work}_claim",
        lambda objectives: lambda value: isinstance(value, dict) and {"who", "beat"} <= value.keys(),
    )


def _taken(study: Study, claim: _Claim, me: dict[str, Any], done: Callable[[], bool]) -> bool:
    before, since = None, time.monotonic()
    while not done():
        held = claim.of(study)
        if held != before:
            before, since = held, time.monotonic()
        if held is None or not held["who"] or _ended(held) or time.monotonic() - since > _GONE_SECONDS:
            claim.put(study, {**me, "beat": 0})
            _pause()  # the last of several that claim it at once has it
            found = claim.of(study)
            if found is not None and found["who"] == me["who"]:
                return not done()
        _pause()
    return False


def _pause() -> None:
    with lent():  # whoever does the work may be a lane of this process
        time.sleep(_POLL_SECONDS)


def _ended(held: dict[str, Any]) -> bool:
    pid, started = held.get("pid"), held.get("started")
    return held.get("machine") == machine() and isinstance(pid, int) and has_ended(pid, started)


def _beat(study: Study, claim: _Claim, me: dict[str, Any], stop: threading.Event) -> None:
    count = 0
    while not stop.wait(_BEAT_SECONDS):
        count += 1
        try:
            claim.put(study, {**me, "beat": count})
        except Exception:  # a storage that is away for a while; whoever waits then goes by its own clock
            continue
