"""The name of the hardware that measurements run on, and exclusive use of the machine."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch
from filelock import FileLock

from optnas.turn import kept, lent

__all__ = ["alone", "name_of", "processor"]


def name_of(device: torch.device) -> str:
    """Return the name of the hardware of ``device``, the same on all machines of one kind."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


@cache
def processor() -> str:
    """Return the name of the CPU."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    if platform.system() == "Darwin":
        brand = ["sysctl", "-n", "machdep.cpu.brand_string"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            return subprocess.run(brand, capture_output=True, text=True, check=True).stdout.strip()
    return platform.processor() or platform.machine()


@contextlib.contextmanager
def alone(threads: int) -> Iterator[None]:
    """Keep this user's other workers from measuring inside this context, and use ``threads`` threads.

    Other lanes of this process wait. Workers that train keep running: making them wait would cost the search
    more than the figures gain.
    """
    user = getattr(os, "getuid", lambda: "user")()
    before = torch.get_num_threads()
    lock = FileLock(Path(tempfile.gettempdir()) / f"optnas-measuring-{user}.lock")
    with lent():  # to one that measures, and waits for its turn
        lock.acquire()
    try:
        with kept():
            torch.set_num_threads(threads)
            try:
                yield
            finally:
                torch.set_num_threads(before)
    finally:
        lock.release()
