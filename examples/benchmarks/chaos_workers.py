"""Worker processes of chaos.py, started again as an engine would, and the record of what they evaluated."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
from chaos_machines import Machine, inner_pid

STUDY_FILE = Path(__file__).with_name("chaos_study.py")


@dataclasses.dataclass
class Life:
    """One start of a worker's command, until it exits.

    Attributes:
        label: Its name in logs and records: the worker, and how often it was started before.
        machine: Where it ran.
        started: When (``time.monotonic()``).
        ended: When it exited.
        status: Its exit status; negative for a signal.
    """

    label: str
    machine: str
    started: float
    ended: float | None = None
    status: int | None = None


class Worker:
    """The command ``optnas run`` on a machine, started again when it dies.

    Args:
        name: Such as ``w3``.
        machine: Where it runs; another one if that is lost.
        processes: How many processes evaluate: with more than one, ``optnas run`` starts them.
        folder: For logs.
        options: The command's options, for all workers the same.
        environment: Of the command: the storage's URL, and where evaluations are recorded.
    """

    def __init__(
        self,
        name: str,
        machine: Machine,
        processes: int,
        folder: Path,
        options: list[str],
        environment: dict[str, str],
    ) -> None:
        self.name = name
        self.machine = machine
        self.processes = processes
        self.lives: list[Life] = []
        self.done = False
        self._folder = folder
        self._options = options
        self._environment = environment
        self._popen: subprocess.Popen[bytes] | None = None
        self._lost: list[subprocess.Popen[bytes]] = []

    @property
    def life(self) -> Life:
        """The present start, or the last one."""
        return self.lives[-1]

    @property
    def alive(self) -> bool:
        return self._popen is not None

    def start(self) -> None:
        label = f"{self.name}.{len(self.lives)}"
        inside = {**self.machine.environment, "CHAOS_UPTIME": str(self.machine.uptime), "CHAOS_WORKER": label}
        settings = [f"{name}={value}" for name, value in inside.items()]
        command = [
            "env", f"--chdir={self._folder}", *settings, sys.executable, "-m", "optnas.cli", "run",
            str(STUDY_FILE), *self._options, "--workers", str(self.processes),
        ]  # fmt: skip
        with (self._folder / f"{label}.log").open("wb") as log:
            self._popen = subprocess.Popen(
                self.machine.command(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )
        self.lives.append(Life(label, self.machine.name, time.monotonic()))

    def poll(self) -> Life | None:
        """Return the life that has just ended, if it has."""
        if self._popen is None or self._popen.poll() is None:
            return None
        life = self.life
        life.ended, life.status = time.monotonic(), self._popen.returncode
        self._popen = None
        return life

    def running(self) -> list[psutil.Process]:
        """Return its processes, the command's own first."""
        return [] if self._popen is None else self.machine.processes(self._popen.pid)

    def process_of(self, pid: int) -> psutil.Process | None:
        """Return its process that has this id for itself."""
        return next((each for each in self.running() if inner_pid(each) == pid), None)

    def send(self, processes: Iterable[psutil.Process], number: int) -> None:
        """Send a signal to some of its processes."""
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        # nsenter, which waits for the command from outside, stops when that does.
        if self._popen is not None and number in (signal.SIGCONT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._popen.pid, signal.SIGCONT)

    def said(self) -> str:
        """Return the last line of its output."""
        lines = (self._folder / f"{self.life.label}.log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "nothing"

    def give_up(self) -> None:
        """Leave the present process to itself, as its machine is lost."""
        if self._popen is not None:
            self._lost.append(self._popen)
        self._popen = None

    def close(self) -> None:
        """Kill what still runs, also on machines that are lost."""
        self.send(self.running(), signal.SIGKILL)
        for popen in self._lost:
            popen.kill()
            popen.wait()


@dataclasses.dataclass
class Attempt:
    """One evaluation of a trial.

    Attributes:
        label: The worker's life that it belongs to.
        pid: Its process, as that names itself.
        trial: Number of the trial.
        stamp: A number of its own, which the metrics that it returns carry.
        begun: When it began (``time.monotonic()`` of this machine).
        ended: When it ended; ``None`` if it was cut short.
        end: How: complete, pruned, failed (by itself), or left by an exception.
    """

    label: str
    pid: int
    trial: int
    stamp: int
    params: dict[str, Any]
    begun: float
    ended: float | None = None
    end: str = ""

    @property
    def finished(self) -> bool:
        return self.end in ("complete", "pruned", "failed")


class Records:
    """What the evaluations of all processes have written to their files so far.

    Args:
        folder: The files' folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, int] = {}
        self.attempts: dict[int, Attempt] = {}
        self.finished: set[int] = set()

    def update(self) -> None:
        """Read what is new."""
        for entry in os.scandir(self._folder):
            done = self._read.get(entry.name, 0)
            if entry.stat().st_size <= done:
                continue
            with open(entry.path, "rb") as file:
                file.seek(done)
                new = file.read()
            new = new[: new.rfind(b"\n") + 1]
            self._read[entry.name] = done + len(new)
            label = entry.name.rpartition("-")[0]
            for line in new.splitlines():
                self._add(label, json.loads(line))

    def _add(self, label: str, line: dict[str, Any]) -> None:
        stamp, event = line["stamp"], line["event"]
        if event == "begin":
            self.attempts[stamp] = Attempt(
                label, line["pid"], line["trial"], stamp, line["params"], line["time"]
            )
            return
        attempt = self.attempts[stamp]
        attempt.ended, attempt.end = line["time"], event
        if attempt.finished:
            self.finished.add(attempt.trial)

    def under_way(self) -> list[Attempt]:
        """Return the latest attempt of each process, if it has not ended."""
        latest: dict[tuple[str, int], Attempt] = {}
        for attempt in self.attempts.values():
            latest[attempt.label, attempt.pid] = attempt
        return [attempt for attempt in latest.values() if attempt.ended is None]
