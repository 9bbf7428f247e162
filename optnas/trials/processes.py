"""Processes of this machine: what tells one from all others, and whether it has ended."""

from __future__ import annotations

import os
import socket
import uuid
from functools import cache
from pathlib import Path

import psutil

__all__ = ["has_ended", "machine", "start_of"]


@cache
def machine() -> str:
    """Return a name of this machine's boot and process namespace: processes of equal ones see each other."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # Containers of one machine do not see each other's processes.
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode():x}"


def start_of(pid: int) -> float | None:
    """Return when a process of this machine started; ``None`` if there is none, or only its exit status.

    Raises:
        PermissionError: If it is hidden from this user.
    """
    if not psutil.LINUX:
        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else round(process.create_time(), 1)
        except psutil.NoSuchProcess:
            return None
    try:
        # Not psutil's create_time, which moves when the clock is set.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        if psutil.pid_exists(pid):
            raise PermissionError(pid) from None
        return None
    return None if fields[0] in b"ZX" else float(fields[19])


def has_ended(pid: int, started: float | None) -> bool:
    """Return whether the process ``pid`` of this machine that started then is no more; in doubt it is."""
    try:
        return start_of(pid) != started
    except PermissionError:
        return False
