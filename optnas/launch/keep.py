"""Keep workers running on one machine: ``python -m optnas.launch.keep``, its task as JSON on standard input.

The task does not come as arguments because a storage's URL may hold a password.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from optnas.interrupts.processes import stop_processes
from optnas.interrupts.signals import stop_on_signals
from optnas.interrupts.whole import whole
from optnas.launch.worker import end_with_parent
from optnas.shown import note, write

__all__ = ["DETACH", "DONE", "Keeper", "Task", "main", "start_detached"]

DONE = 0
DETACH = "--detach"
# Exit statuses of ``optnas run`` after which the same again would end the same: the study's verdict on
# itself, and what only the user can mend.
_FINAL = (1, 2)
_INTERRUPTED = 130

_POLL_SECONDS = 0.1
_MOST_RESTARTS = 8
_LONGEST_PAUSE = 60.0
# Who lived so long did not die of what it met at its start.
_LONG_LIFE = 300.0
# A worker hands its trial back within 10 s.
_STOP_SECONDS = 20.0


@dataclasses.dataclass(frozen=True)
class Task:
    """Workers to keep running on this machine.

    Attributes:
        arguments: The arguments of ``optnas`` for each worker.
        environment: Environment variables of each worker, beside those of this process.
        workers: Number of workers.
        folder: The working directory; ``None`` for that of this process.
        log: Path of the keeper's log, beside which each worker has its own; ``None`` to write all to this
            process's own output.
        spread_gpus: Whether each worker gets one of this machine's GPUs in turn.
        ends_with_parent: Whether they end when the process that started the keeper does.
    """

    arguments: Sequence[str]
    environment: dict[str, str]
    workers: int = 1
    folder: str | None = None
    log: str | None = None
    spread_gpus: bool = False
    ends_with_parent: bool = False


class Keeper:
    """Runs a task's workers, and restarts with growing pauses those that die before the study is done."""

    def __init__(self, task: Task) -> None:
        gpus = _gpus() if task.spread_gpus else []
        self._workers = [_Worker(task, i, gpus[i % len(gpus)] if gpus else None) for i in range(task.workers)]
        self._stopping = False

    def run(self) -> int:
        """Run the workers until all have ended for good; return 0 or the exit status of one that failed.

        What can be said of a failure has been printed on standard error by then.
        """
        failed = DONE
        while not self._stopping and any(worker.runs() for worker in self._workers):
            time.sleep(_POLL_SECONDS)
            for worker in self._workers:
                status = None if self._stopping else worker.watch()
                if status in _FINAL:
                    self.stop()
                failed = status or failed
        return _INTERRUPTED if self._stopping and not failed else failed

    def stop(self) -> None:
        """Ask all workers to hand their trials back and end, and wait until they have."""
        self._stopping = True
        stop_processes([worker.popen for worker in self._workers if worker.popen], _STOP_SECONDS)


class _Worker:
    popen: subprocess.Popen[bytes] | None = None

    def __init__(self, task: Task, index: int, gpu: str | None) -> None:
        self._task = task
        self._name = f"worker {index}"
        self._log = None if task.log is None else Path(task.log).with_suffix(f".{index}.log")
        self._environment = {**os.environ, **task.environment}
        if gpu is not None:
            self._environment["CUDA_VISIBLE_DEVICES"] = gpu
        self._restarts = 0
        # When it is to be started.
        self._next: float | None = 0.0

    def _start(self) -> None:
        output: IO[Any] | None = None if self._log is None else self._log.open("ab")
        self._began, self._next = time.monotonic(), None
        try:
            with whole():  # what was started is stopped
                self.popen = subprocess.Popen(
                    [sys.executable, "-m", "optnas.launch.worker", *self._task.arguments],
                    cwd=self._task.folder,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    # Ctrl-C goes to the keeper alone, which then asks each worker once to stop.
                    start_new_session=True,
                )
        finally:
            if output is not None:
                output.close()

    def runs(self) -> bool:
        return self._next is not None or (self.popen is not None and self.popen.poll() is None)

    def watch(self) -> int | None:
        """Start the worker if it is to be; return its exit status if it just ended for good."""
        if self.popen is None or self._next is not None:
            if self._next is not None and time.monotonic() >= self._next:
                self._start()
            return None
        status = self.popen.poll()
        if status is None or status == DONE or self._restarts > _MOST_RESTARTS:
            return None
        self._restarts = 1 if time.monotonic() - self._began > _LONG_LIFE else self._restarts + 1
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        where = "" if self._log is None else f" (its log: {self._log})"
        if status in _FINAL or self._restarts > _MOST_RESTARTS:
            self._restarts = _MOST_RESTARTS + 1
            _say(f"{self._name} ended with {how}{where}")
            return status
        pause = min(2.0 ** (self._restarts - 1) - 1, _LONGEST_PAUSE)
        _say(f"{self._name} ended with {how}, restarted in {pause:.0f} s{where}")
        self._next = time.monotonic() + pause
        return None


def _say(line: str) -> None:
    note(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}")


def _gpus() -> list[str]:
    """Return the GPUs of this machine that workers may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [each for each in visible.split(",") if each]
    import torch

    return [str(i) for i in range(torch.cuda.device_count())]


def start_detached(task: Task) -> int:
    """Start a keeper in a session of its own and return its process id."""
    assert task.log is not None
    path = Path(task.log)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "optnas.launch.keep"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    assert keeper.stdin is not None
    keeper.stdin.write(json.dumps(dataclasses.asdict(task)).encode())
    keeper.stdin.close()
    return keeper.pid


def main() -> int:
    task = Task(**json.load(sys.stdin))
    if DETACH in sys.argv[1:]:
        write(f"{start_detached(task)}\n")
        return DONE
    if task.ends_with_parent:
        end_with_parent()
    keeper = Keeper(task)
    with stop_on_signals(None):
        try:
            status = keeper.run()
        except KeyboardInterrupt:
            keeper.stop()
            status = _INTERRUPTED
    ends = {DONE: "all workers are done", _INTERRUPTED: "stopped; trials were handed back"}
    _say(ends.get(status, f"ended with status {status}"))
    return status


if __name__ == "__main__":
    sys.exit(main())
