"""Whether this process is a command's own, and how that ends quietly and soon."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import time
from itertools import pairwise
from typing import Any

__all__ = ["INTERRUPTED", "end_quietly", "end_soon", "is_command", "start_soon"]

INTERRUPTED = 130
"""The exit status after Ctrl-C, as of shells."""

# What is imported is hardly ever garbage, and to look for it takes a third of the time.
_STARTING_SECONDS, _STARTING_THRESHOLD = 10.0, 50_000

_COMMANDS = (
    "optnas",
    "optnas.cli",
    "optnas.run.process",
    "optnas.launch.keep",
    "optnas.launch.worker",
    "optnas.winner.process",
)


def _starts_a_command() -> bool:
    if sys.argv[:1] == ["-m"]:  # while Python imports the package around the module that it is to run
        ran = (module for option, module in pairwise(sys.orig_argv) if option == "-m")
        return next(ran, None) in _COMMANDS
    # Without pathlib, which takes time to import.
    return bool(sys.argv) and os.path.splitext(os.path.basename(sys.argv[0]))[0] == "optnas"


# Known only while this is imported; a program that imports optnas keeps its own way of ending.
_IS_COMMAND = _starts_a_command()


def is_command() -> bool:
    """Return whether this process is a command or a worker, not a program of the user's."""
    return _IS_COMMAND


def end_quietly() -> None:
    """End the process at Ctrl-C from now on, at once, if it is a command and nothing handles Ctrl-C.

    An exception would not always do so: Python drops one that is raised in a finaliser, or where an import
    lets go of its lock, and importing takes seconds. Who holds something that is to be put back uses
    :func:`~optnas.interrupts.signals.stop_on_signals` meanwhile.
    """
    if is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def start_soon() -> None:
    """Let the process, if it is a command, look for garbage less often in its first seconds, as it starts."""
    if not is_command():
        return
    usual, until = gc.get_threshold(), time.monotonic() + _STARTING_SECONDS

    def as_usual(*_: Any) -> None:
        if time.monotonic() >= until and as_usual in gc.callbacks:
            gc.callbacks.remove(as_usual)
            gc.set_threshold(*usual)

    gc.callbacks.append(as_usual)
    gc.set_threshold(_STARTING_THRESHOLD, *usual[1:])


def end_soon() -> None:
    """Spare the process, if it is a command, its last collection of garbage.

    That looks through all that was imported, which takes a second of processor time with PyTorch: many
    seconds where a whole machine of workers is asked to end at once.
    """
    if is_command():
        atexit.register(gc.freeze)


def _end(*_: Any) -> None:
    os._exit(INTERRUPTED)
