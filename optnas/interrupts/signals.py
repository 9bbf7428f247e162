"""Signals that stop a run: what runs is put back first, within seconds."""

from __future__ import annotations

import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from optnas.interrupts import stopping
from optnas.interrupts.commands import INTERRUPTED, is_command
from optnas.interrupts.whole import interrupt, lasts

__all__ = ["STOP_SECONDS", "stop_on_signals"]

STOP_SECONDS = 8.0
"""Longest time that a process takes to stop; schedulers kill some seconds later, such as Kubernetes 30."""

# A closed session sends several signals, and who waits sends more; after so long a new one is meant.
_ONE_STOP_SECONDS = 30.0
# After Ctrl-C no operation of a storage is waited for longer: a server that stands still takes a minute.
_UNANSWERED_SECONDS, _LOOK_SECONDS = 5.0, 0.25
# By then a finaliser has ended.
_SOON_SECONDS = 0.05


@contextmanager
def stop_on_signals(seconds: float | None = STOP_SECONDS) -> Iterator[None]:
    """Make SIGTERM, SIGHUP and Ctrl-C raise ``KeyboardInterrupt`` while inside the context.

    A training keeps a checkpoint first, and what is :func:`~optnas.interrupts.whole.whole` ends first. Only
    the first signal in half a minute counts, as no other is to interrupt what it began. ``nohup`` stays in
    force.

    A command's own process, once asked by SIGTERM or SIGHUP, is not interrupted in what it has still to say,
    and ends at once if it has not ended after ``seconds``, as within a long step or call. After Ctrl-C it
    does so once the storage has not answered for five seconds.

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
        ends = ends or (number != signal.SIGINT and is_command() and seconds is not None)
        if time.monotonic() - stopped < _ONE_STOP_SECONDS:
            return
        stopped, by = time.monotonic(), signal.Signals(number)
        if stopping.training():
            stopping.stop_soon()
        else:
            interrupt()

    def again() -> None:
        nonlocal stopped
        stopped = -math.inf
        signal.pthread_kill(threading.main_thread().ident or 0, by)

    for each in handled:
        signal.signal(each, stop)
    in_time = None if seconds is None or not is_command() else _ended_in_time(seconds, handled)
    try:
        with _if_dropped(again), in_time or nullcontext():
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


@contextmanager
def _ended_in_time(seconds: float, handled: Collection[signal.Signals]) -> Iterator[None]:
    """End the process ``seconds`` after SIGTERM or SIGHUP, also where its main thread is in a long call.

    After Ctrl-C end it if an operation of a storage has no answer.

    Until a call into compiled code returns, Python runs no handler of a signal; but it writes the signal's
    number into a socket, which another thread reads.
    """
    reads, written = socket.socketpair()
    written.setblocking(False)

    def watch() -> None:
        asked = False
        while received := reads.recv(1):
            if received[0] == signal.SIGINT in handled and not asked:
                asked = True
                threading.Thread(target=_end_unanswered, args=(ended,), daemon=True).start()
            elif received[0] in handled and received[0] != signal.SIGINT:
                time.sleep(seconds)
                os._exit(128 + received[0])
        reads.close()

    ended = threading.Event()
    before = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(before)
        written.close()


def _end_unanswered(ended: threading.Event) -> None:
    """End the process if the main thread waits for a storage that does not answer, until ``ended``."""
    asked = time.monotonic()
    while not ended.wait(_LOOK_SECONDS):
        if lasts(asked) > _UNANSWERED_SECONDS:
            if os.isatty(1):
                os.write(1, b"\x1b[?25h")  # a live display has hidden the cursor
            os.write(2, b"\nStopped, and the storage does not answer. Run the same command to go on.\n")
            os._exit(INTERRUPTED)
