"""The command line: one function a command, no logic."""

import sys

# Importing a file of commands adds them to the application, in the order of the work.
from optnas.cli import data, search, launch, look, winner, machine  # isort: skip
from optnas.cli.app import CRASHED, app
from optnas.cli.encoding import write_in_any_encoding
from optnas.shown import show_python_s_own_plainly

__all__ = ["app", "data", "launch", "look", "machine", "main", "search", "winner"]


def main() -> None:
    """Run the command line."""
    write_in_any_encoding()
    show_python_s_own_plainly()
    try:
        app()
    except Exception:  # of ours: not to be taken for a status with a meaning
        sys.excepthook(*sys.exc_info())
        sys.exit(CRASHED)
