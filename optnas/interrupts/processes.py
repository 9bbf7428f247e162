"""Stopping processes that this one started."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Sequence
from typing import Any

__all__ = ["stop_processes"]


def stop_processes(processes: Sequence[subprocess.Popen[Any]], seconds: float) -> None:
    """Send all of them SIGTERM, wait until they have ended, and kill those that run after ``seconds``."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + seconds
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
        process.kill()
        process.wait()
