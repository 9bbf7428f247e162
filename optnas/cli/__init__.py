"""The command line: one function a command, no logic."""

import os
import sys

# Importing a file of commands adds them to the application, in the order of the work.
from optnas.cli import data, search, launch, look, draw, explain, winner, machine  # isort: skip
from optnas.cli.app import CRASHED, RUN_ERROR, app
from optnas.cli.encoding import write_in_any_encoding
from optnas.cli.lost_output import ends_output, lost_output
from optnas.shown import show_python_s_own_plainly

__all__ = ["app", "data", "draw", "explain", "launch", "look", "machine", "main", "search", "winner"]


def main() -> None:
    """Run the command line."""
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
