"""Signals that stop a run: what runs is put back first, within seconds."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from optnas.interrupts import stopping
from optnas.interrupts.commands import is_command

__all__ = ["STOP_SECONDS", "stop_on_signals"]

STOP_SECONDS = 8.0
"""How long a process takes to stop at the most; schedulers kill some seconds later, such as Kubernetes 30."""

# A closed session sends several signals, and who waits sends more; after so long a new one is meant.
_ONE_STOP_SECONDS = 30.0
# By then a finaliser has ended.
_SOON_SECONDS = 0.05


@contextmanager
def stop_on_signals(seconds: float | None = STOP_SECONDS) -> Iterator[None]:
    """Make SIGTERM, SIGHUP and Ctrl-C raise ``KeyboardInterrupt`` while inside the context.

    A training keeps a checkpoint first. Only the first signal in half a minute counts, as no other is to
    interrupt what it began. ``nohup`` stays in force.

    A command's own process, once asked by SIGTERM or SIGHUP, is not interrupted in what it has still to say,
    and ends at once if it has not ended after ``seconds``, as within a long step.

    Args:
        seconds: How long; ``None`` for who waits for others that stop, however long they take.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    names = ("SIGTERM", "SIGHUP", "SIGINT")
    stops = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {stop: signal.getsignal(stop) for stop in stops}
    handled = [stop for stop in stops if before[stop] not in (signal.SIG_IGN, None)]
    stopped, by, ends = -math.inf, signal.SIGINT, False

    def stop(number: int, _frame: Any) -> None:
        nonlocal stopped, by, ends
        if number != signal.SIGINT and is_command() and seconds is not None and not ends:
            ends = True
            watchdog = threading.Timer(seconds, os._exit, (128 + number,))
            watchdog.daemon = True
            watchdog.start()
        if time.monotonic() - stopped < _ONE_STOP_SECONDS:
            return
        stopped, by = time.monotonic(), signal.Signals(number)
        if not stopping.training():
            raise KeyboardInterrupt
        stopping.stop_soon()

    def again() -> None:
        nonlocal stopped
        stopped = -math.inf
        signal.pthread_kill(threading.main_thread().ident or 0, by)

    for each in handled:
        signal.signal(each, stop)
    try:
        with _if_dropped(again):
            yield
    finally:
        for each in handled:
            signal.signal(each, signal.SIG_IGN if ends else before[each])


@contextmanager
def _if_dropped(again: Callable[[], None]) -> Iterator[None]:
    """Call ``again``, in another thread, once Python has dropped a ``KeyboardInterrupt``.

    It does so wherever one is raised in a finaliser or in the callback of a weak reference, of which imports
    and collections of garbage run many, and only prints it.
    """
    before = sys.unraisablehook

    def dropped(what: sys.UnraisableHookArgs) -> None:
        if issubclass(what.exc_type, KeyboardInterrupt):
            threading.Timer(_SOON_SECONDS, again).start()
        else:
            before(what)

    sys.unraisablehook = dropped
    try:
        yield
    finally:
        sys.unraisablehook = before
