"""Ctrl-C while a command or a worker starts or ends: nothing can be lost, so it ends at once, quietly."""

from __future__ import annotations

import os
import signal
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

__all__ = ["INTERRUPTED", "end_quietly", "raise_again"]

INTERRUPTED = 130
"""The exit status after Ctrl-C, as of shells."""

_COMMANDS = ("optnas.cli", "optnas.run.process")


def _starts_a_command() -> bool:
    if sys.argv[:1] == ["-m"]:  # while Python imports the package around the module that it is to run
        return any(option == "-m" and module in _COMMANDS for option, module in pairwise(sys.orig_argv))
    return bool(sys.argv) and Path(sys.argv[0]).stem == "optnas"


# Known only while this is imported; a program that imports optnas keeps its own way of ending.
_IS_COMMAND = _starts_a_command()


def end_quietly() -> None:
    """End the process at Ctrl-C from now on, if it is a command or a worker and nothing handles Ctrl-C."""
    if _IS_COMMAND and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def raise_again() -> None:
    """Let Ctrl-C raise ``KeyboardInterrupt`` again, after :func:`end_quietly`."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: Any) -> None:
    os._exit(INTERRUPTED)
