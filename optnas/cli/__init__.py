"""The command line: one function a command, no logic."""

# Importing a file of commands adds them to the application, in the order of the work.
from optnas.cli import data, search, look, winner, machine  # isort: skip
from optnas.cli.app import app
from optnas.cli.encoding import write_in_any_encoding
from optnas.shown import show_python_s_own_plainly

__all__ = ["app", "data", "look", "machine", "main", "search", "winner"]


def main() -> None:
    """Run the command line."""
    write_in_any_encoding()
    show_python_s_own_plainly()
    app()
