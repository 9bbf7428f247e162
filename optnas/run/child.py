"""Python processes that this one starts: workers of a study, and trainings of a winner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from typing import IO, Any

from optnas.train import training_environment

__all__ = ["Child"]


class Child:
    """Process that runs a module of optnas, takes text on standard input, and keeps its error output.

    Args:
        module: Name of the module, as ``python -m`` takes it.
        stdout: Where its standard output goes, as :class:`subprocess.Popen` takes it.

    Attributes:
        popen: The process.
        errors: The file of its error output.
    """

    def __init__(self, module: str, stdout: int) -> None:
        self.errors: IO[Any] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self.popen = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=self.errors,
            text=True,
            env={**training_environment(os.environ), "PYTHONIOENCODING": "utf-8"},
            # Ctrl-C goes to the parent alone, which then asks each process once to stop.
            start_new_session=True,
        )

    @property
    def signal(self) -> str | None:
        """The name of the signal that ended it; ``None`` if none did, or it runs."""
        code = self.popen.returncode
        return signal.Signals(-code).name if code is not None and code < 0 else None

    def last_line(self) -> str:
        """Return the last line of its error output; if that is empty, its signal or exit status."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        if lines:
            return str(lines[-1])
        return f"status {self.popen.returncode}" if self.signal is None else f"signal {self.signal}"
