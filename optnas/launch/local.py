"""The engine ``local``: workers on this machine, kept running by one process."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import signal
import time
from pathlib import Path

import psutil

from optnas.launch.engine import Placement, Reach
from optnas.launch.job import Job
from optnas.launch.keep import Task, start_detached

__all__ = ["LOGS", "Local", "shown_command", "task_of"]

LOGS = "optnas-logs"
_STOP_SECONDS = 30.0


class Local:
    """Workers on this machine. They end with the process that launched them, unless it detaches them."""

    takes = frozenset({"detach"})
    reach = Reach.HERE

    def __init__(self, job: Job, placement: Placement) -> None:
        self._task = task_of(job, job.workers, "local")
        self._task = dataclasses.replace(self._task, ends_with_parent=not placement.detach)
        self._job = job
        self._keeper: psutil.Process | None = None

    def shown(self) -> str:
        times = f"# {self._job.workers} times on this machine, restarted if it dies:"
        return f"{times}\n{shown_command(self._job)}\n"

    def start(self) -> str:
        pid = start_detached(self._task)
        self._keeper = psutil.Process(pid)
        return f"{self._job.workers} workers on this machine; logs: {self._task.log}; stop: kill {pid}"

    def runs(self) -> bool:
        if self._keeper is None:
            return False
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._keeper.pid, os.WNOHANG)  # so that it is no zombie
        return bool(self._keeper.is_running())

    def stop(self) -> None:
        if self._keeper is None or not self.runs():
            return
        self._keeper.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while self.runs() and time.monotonic() < deadline:
            time.sleep(0.1)


def task_of(job: Job, workers: int, where: str) -> Task:
    """Return the task of a keeper that runs ``workers`` of a job on a machine called ``where``."""
    log = Path(LOGS).absolute() / f"{job.slug}-{where}.log"
    return Task(
        job.arguments(), job.environment(), workers, folder=str(Path.cwd()), log=str(log), spread_gpus=True
    )


def shown_command(job: Job) -> str:
    """Return a worker's command as a shell takes it; of its environment only the names are shown."""
    names = "".join(f"{name}=… " for name in job.environment())
    return f"{names}optnas {shlex.join(job.arguments())}"
