"""The command line: one function a command, no logic."""

import os
import sys

# Importing a file of commands adds them to the application, in the order of the work.
from optnas.cli import data, search, launch, look, draw, explain, choose, winner, export, machine  # isort: skip
from optnas.cli.app import CRASHED, RUN_ERROR, app
from optnas.cli.encoding import write_in_any_encoding
from optnas.cli.lost_output import ends_output, lost_output
from optnas.shown import show_python_s_own_plainly

__all__ = [
    "app",
    "choose",
    "data",
    "draw",
    "explain",
    "export",
    "launch",
    "look",
    "machine",
    "main",
    "search",
    "winner",
]


def main() -> None:
    """Run the command line."""
    _open_closed_streams()
    write_in_any_encoding()
    show_python_s_own_plainly()
    for size in ("COLUMNS", "LINES"):
        if os.environ.get(size) == "0":  # not known, as rich takes it for a terminal without any
            del os.environ[size]
    try:
        app()
    except Exception as error:
        if ends_output(error):
            lost_output(error)
            sys.exit(RUN_ERROR)
        # Of ours: not to be taken for a status with a meaning.
        sys.excepthook(*sys.exc_info())
        sys.exit(CRASHED)


def _open_closed_streams() -> None:
    """Let what is written to a stream that is closed, as by ``>&-``, go nowhere.

    Else ``print`` takes the other stream, and the next file that is opened its number.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115
