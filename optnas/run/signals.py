"""Signals that stop a run: what runs is put back first, within seconds."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optnas.run.own_process import is_own
from optnas.train import stopping

__all__ = ["STOP_SECONDS", "stop_on_signals"]

STOP_SECONDS = 8.0
"""How long a process takes to stop at the most; schedulers kill some seconds later, such as Kubernetes 30."""


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise ``KeyboardInterrupt``, as Ctrl-C does, while inside the context.

    A training keeps a checkpoint first. Only the first signal counts: a closed session sends several, and
    none of them is to interrupt what the first one began. ``nohup`` stays in force.

    A command's own process, once asked by SIGTERM or SIGHUP, is not interrupted in what it has still to say,
    and ends at once if it has not ended after :data:`STOP_SECONDS`, as within a long step.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    names = ("SIGTERM", "SIGHUP", "SIGINT")
    stops = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {stop: signal.getsignal(stop) for stop in stops}
    handled = [stop for stop in stops if before[stop] not in (signal.SIG_IGN, None)]
    stopped = ends = False

    def stop(number: int, _frame: Any) -> None:
        nonlocal stopped, ends
        if number != signal.SIGINT and is_own() and not ends:
            ends = True
            watchdog = threading.Timer(STOP_SECONDS, os._exit, (128 + number,))
            watchdog.daemon = True
            watchdog.start()
        if stopped:
            return
        stopped = True
        if not stopping.training():
            raise KeyboardInterrupt
        stopping.stop_soon()

    for each in handled:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each in handled:
            signal.signal(each, signal.SIG_IGN if ends else before[each])
