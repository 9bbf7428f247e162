"""The engine ``ssh``: workers on a list of machines, each kept running by one process there.

Nothing but ``ssh`` without a password, and the same folder with the study's file, is needed on a machine. The
storage's URL goes through ``ssh``'s input, so that no list of processes shows it.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from optnas.errors import UserError
from optnas.launch.engine import Placement, Reach
from optnas.launch.job import Job
from optnas.launch.keep import DETACH, Task
from optnas.launch.local import shown_command, task_of
from optnas.shown import note

__all__ = ["Ssh"]

_POLL_SECONDS = 3.0
_STOP_SECONDS = 30.0
_CONNECT_SECONDS = 10
# What ssh itself returns if it cannot connect.
_NO_CONNECTION = 255


@dataclasses.dataclass
class _Host:
    name: str
    task: Task
    pid: int = 0
    runs: bool = True


class Ssh:
    """Workers spread over ``--host``, which go on when the connection is lost."""

    takes = frozenset({"hosts", "python", "settings", "detach"})
    reach = Reach.MACHINES

    def __init__(self, job: Job, placement: Placement) -> None:
        names = [name for each in placement.hosts for name in each.split(",") if name]
        if not names:
            raise UserError("--engine ssh: give the machines, as in --host anna,bert --host user@carl")
        for name in names:
            if name.startswith("-"):
                raise UserError(f"--host {name}: that is no host")
        if shutil.which("ssh") is None:
            raise UserError("--engine ssh: there is no program ssh here; install OpenSSH's client")
        self._job = job
        self._python = placement.python or sys.executable
        self._options = ["-oBatchMode=yes", f"-oConnectTimeout={_CONNECT_SECONDS}"]
        self._options += [f"-o{key}={value}" for key, value in placement.settings.items()]
        counts = [len(range(i, job.workers, len(names))) for i in range(len(names))]
        self._hosts = [
            _Host(name, task_of(job, count, f"{name.rpartition('@')[2]}-{i}"))
            for i, (name, count) in enumerate(zip(names, counts, strict=True))
            if count
        ]
        self._next = 0.0

    def shown(self) -> str:
        lines = []
        for host in self._hosts:
            command = shlex.join(["ssh", *self._options, host.name, self._start_command(host)])
            lines.append(
                f"{command}\n# keeps {host.task.workers} running there: {shown_command(self._job)}\n"
            )
        return "".join(lines)

    def start(self) -> str:
        started: list[_Host] = []
        for host in self._hosts:
            task = json.dumps(dataclasses.asdict(host.task))
            answer = self._ssh(host, self._start_command(host), task)
            last = answer.stdout.strip().split("\n")[-1]
            if answer.returncode != 0 or not last.isdecimal():
                self._hosts = started
                self.stop()
                said = (answer.stderr.strip() or answer.stdout.strip() or "no answer").split("\n")[-1]
                raise UserError(f"--host {host.name}: {said}; no worker was left running on the others")
            host.pid = int(last)
            started.append(host)
        lines = [
            f"{host.name}: {host.task.workers} workers; logs: {host.task.log};"
            f" stop: ssh {host.name} kill {host.pid}"
            for host in self._hosts
        ]
        return "\n".join(lines)

    def runs(self) -> bool:
        if time.monotonic() >= self._next:
            self._each(self._look)
            self._next = time.monotonic() + _POLL_SECONDS
        return any(host.runs for host in self._hosts)

    def stop(self) -> None:
        self._each(lambda host: self._ssh(host, f"{self._is_it(host)} && kill {host.pid}"))
        deadline = time.monotonic() + _STOP_SECONDS
        while any(host.runs for host in self._hosts) and time.monotonic() < deadline:
            self._each(self._look)

    def _look(self, host: _Host) -> None:
        if not host.runs:
            return
        last = f"tail -n 1 {shlex.quote(str(host.task.log))}"
        answer = self._ssh(host, f"{self._is_it(host)} && echo runs || {last}")
        if answer.returncode != _NO_CONNECTION and answer.stdout.strip() != "runs":
            host.runs = False
            note(f"{host.name}: {answer.stdout.strip()}")

    def _each(self, act: Callable[[_Host], object]) -> None:
        with ThreadPoolExecutor(max_workers=16) as pool:
            list(pool.map(act, self._hosts))

    def _start_command(self, host: _Host) -> str:
        folder, python = shlex.quote(str(Path.cwd())), shlex.quote(self._python)
        return f"cd {folder} && {python} -m optnas.launch.keep {DETACH}"

    def _is_it(self, host: _Host) -> str:
        """Return a shell condition: the process is the keeper, and not another one of the same number."""
        return f"ps -p {host.pid} -o args= | grep -q '[o]ptnas.launch.keep'"

    def _ssh(self, host: _Host, command: str, given: str = "") -> subprocess.CompletedProcess[str]:
        arguments: Sequence[str] = ["ssh", *self._options, host.name, command]
        return subprocess.run(arguments, input=given, capture_output=True, text=True, start_new_session=True)
