"""Running a study on this machine, in this process or in several worker processes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import optuna
import torch

from optnas.errors import StorageError, UserError
from optnas.interrupts.processes import stop_processes
from optnas.interrupts.signals import STOP_SECONDS
from optnas.interrupts.whole import whole
from optnas.loggers.callback import LoggerCallback, logging_to
from optnas.run.child import Child
from optnas.run.gpus import gpu_of
from optnas.run.limits import Limits
from optnas.run.process import FAILED, LOST
from optnas.run.worker import EveryTrialFailed, work
from optnas.shown import NOTICE, note
from optnas.storages.waiting import PATIENCE_SECONDS
from optnas.study import Study
from optnas.train import use_threads
from optnas.train.broken import DeviceBroken

__all__ = ["run_here", "run_processes"]

_TICK_SECONDS = 0.25
# More deaths without an error of the worker's own (killed, out of memory) between two finished trials end
# the run.
_MOST_DEATHS_PER_WORKER = 5
_REPEATED_SECONDS = 60.0

Tick = Callable[[], None]


def run_here(
    study: Study,
    opened: optuna.Study,
    total: int,
    *,
    threads: int,
    tick: Tick,
    should_continue: Callable[[], bool] = lambda: True,
    log: Sequence[LoggerCallback] = (),
) -> None:
    """Run trials in this process, and call ``tick`` regularly from a second thread.

    Raises:
        EveryTrialFailed: If every trial fails for the same reason.
        UserError: If the GPU breaks.
        KeyboardInterrupt: If it is interrupted, once the running trial is put back.
    """
    before = torch.get_num_threads()
    use_threads(threads)
    done = threading.Event()

    def ticking() -> None:
        while not done.wait(_TICK_SECONDS):
            # What is wrong with the storage is told by the worker.
            with contextlib.suppress(StorageError, KeyError):
                tick()

    clock = threading.Thread(target=ticking, daemon=True)
    clock.start()
    try:
        with logging_to(opened, log) as finished:
            work(study, opened, total, should_continue=should_continue, finished=finished)
    except DeviceBroken as error:
        raise UserError(f"{error}: this process can use its GPU no more; run it again to go on") from error
    finally:
        done.set()
        clock.join(_TICK_SECONDS * 4)  # it may wait for the storage
        use_threads(before)


def run_processes(
    file: str,
    url: str,
    total: int,
    *,
    workers: int,
    threads: int,
    tick: Callable[[], bool | None],
    progress: Callable[[], int],
    gpus: Sequence[int] = (),
    at_once: int | None = 1,
    artifacts: str | None = None,
    limits: Limits = Limits(),  # noqa: B008 - it is immutable
    log: Sequence[str] = (),
    storage_patience: float | None = None,
) -> None:
    """Run trials in ``workers`` processes, and call ``tick`` regularly.

    A process that dies is replaced; its trial is taken over by another.

    Args:
        file: The study's file, for each process to load.
        url: The storage's URL.
        total: Number of trials that the study is to have in the end.
        workers: Number of processes.
        threads: Number of threads of each.
        tick: Called several times a second; if it returns ``False``, workers put their trials back and end.
        progress: Returns how many trials are finished.
        gpus: Indices of the GPUs to spread them over; none on the CPU.
        at_once: Number of trials at once in each; ``None`` for as many as measurements find best.
        artifacts: Where they keep checkpoints; by default as the study says.
        limits: When they start no further trial.
        log: Where each logs the trials that it finishes.
        storage_patience: Seconds that they wait for the storage while it is away; by default ten minutes.

    Raises:
        EveryTrialFailed: If every trial fails for the same reason, or a worker ends with an error.
        StorageError: If the storage or the study in it is gone, or cannot be used.
        UserError: If workers keep dying without one.
        KeyboardInterrupt: If it is interrupted, once every worker has put its trial back.
    """
    task = {"file": file, "storage": url, "total": total, "threads": threads, "artifacts": artifacts}
    # It was reached just now: a worker waits for it from the beginning.
    patience = PATIENCE_SECONDS if storage_patience is None else storage_patience
    task["at_once"] = at_once
    task |= {"limits": dataclasses.asdict(limits), "storage_patience": patience}
    task["log"] = list(log)
    task["parent"] = os.getpid()
    running: list[_Process] = []
    deaths, finished = 0, 0
    try:
        for i in range(workers):
            with whole():  # what was started is stopped
                running.append(_Process({**task, "gpu": gpu_of(i, gpus)}))
        while running:
            if tick() is False:
                break
            time.sleep(_TICK_SECONDS)
            for process in list(running):
                status = process.status()
                if status is None:
                    continue
                running.remove(process)
                if status == LOST:
                    progress()  # which says better what this process has seen of the storage
                    raise StorageError(process.last_line())
                if status == FAILED:
                    raise EveryTrialFailed(process.last_line())
                if status != 0:
                    before, finished = finished, progress()
                    deaths = deaths + 1 if finished == before else 1
                    if deaths > _MOST_DEATHS_PER_WORKER * workers:
                        raise UserError(f"workers keep dying, the last one with {process.last_line()}")
                    with whole():
                        running.append(_Process(process.task))
    finally:
        stop_processes([process.popen for process in running], STOP_SECONDS - 1)


class _Process(Child):
    """A worker process with its task."""

    # When each line was told last: workers that wait for the same storage say the same.
    _told: ClassVar[dict[str, float]] = {}

    def __init__(self, task: Mapping[str, Any]) -> None:
        self.task = task
        self._read = 0
        super().__init__("optnas.run.process", subprocess.DEVNULL)
        assert self.popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            json.dump(task, self.popen.stdin)
            self.popen.stdin.close()

    def status(self) -> int | None:
        """Return the exit status, ``None`` while it runs; pass on what it says of a storage it waits for."""
        now = time.monotonic()
        for line in self._notices():
            if now - self._told.get(line, -_REPEATED_SECONDS) >= _REPEATED_SECONDS:
                self._told[line] = now
                note(line)
        return self.popen.poll()

    def _notices(self) -> list[str]:
        if not hasattr(os, "pread"):
            return []
        # Not read by the file's own position, which is the child's as well.
        new = os.pread(self.errors.fileno(), 2**16, self._read)
        new = new[: new.rfind(b"\n") + 1]
        self._read += len(new)
        lines = new.decode(errors="replace").splitlines()
        return [line for line in lines if line.startswith(NOTICE)]
