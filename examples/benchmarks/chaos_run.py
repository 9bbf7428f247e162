"""One run of chaos.py: a storage, machines, workers, faults; then the reading."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path

import optuna
from chaos_faults import Faults, Size, write
from chaos_files import Journal, SQLite
from chaos_machines import Machine, machines
from chaos_promises import Evidence, Promise, delays, judge
from chaos_servers import Grpc, MariaDB, PostgreSQL, Redis, Server
from chaos_workers import Records, Worker
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial

STORAGES: dict[str, Callable[[Path], Server]] = {
    "sqlite": SQLite,
    "postgresql": PostgreSQL,
    "mariadb": MariaDB,
    "journal": Journal,
    "redis": Redis,
    "grpc": Grpc,
}

_SKEWS = [600, -600, 0]  # seconds
_TICK_SECONDS = 0.2
_PATIENCE = "5m"
# Processes whose command is dead end what they are at; then none may be left.
_LAST_SECONDS = 15.0
# A worker that ends with an error so often in a row would go on doing so.
_MOST_ERRORS = 6


@dataclasses.dataclass
class Outcome:
    """What came of a run.

    Attributes:
        seconds: How long it took.
        inflicted: How often each fault was inflicted.
        delays: Seconds until work went on after outages, by fault, the longest.
        promises: What was promised, and found.
    """

    seconds: float
    inflicted: dict[str, int]
    delays: dict[str, float]
    promises: list[Promise]


def run(storage: str, seed: int, number: int, size: Size, folder: Path, stopped: threading.Event) -> Outcome:
    """Run the study on a storage under faults, and judge.

    Args:
        storage: A name of ``STORAGES``.
        seed: Of the faults.
        number: Number of the run in this program.
        size: How much is run and inflicted.
        folder: For data, logs and records.
        stopped: Set to end the run.

    Raises:
        Absent: If the storage needs what is not installed.
    """
    started = time.monotonic()
    logs, data = folder / "logs", folder / "server"
    for each in (logs, data, folder / "records"):
        each.mkdir()
    data.chmod(0o755)
    with contextlib.ExitStack() as stack:
        server = STORAGES[storage](data)
        server.prepare()  # before the machines, which see the disks that are mounted when they start
        stack.callback(server.close)
        hosts, server.address = stack.enter_context(machines(number, _SKEWS, folder))
        server.start()
        server.wait_ready()
        workers = _workers(size, hosts, server, folder)
        records = Records(folder / "records")
        faults = Faults(size, seed, server, hosts, workers, records)
        try:
            given_up = _until_done(faults, workers, records, started + size.limit, stopped)
        finally:
            faults.close()
            for worker in workers:
                worker.close()
            write(faults.struck, folder / "faults.jsonl")
        left = _left(hosts)
        records.update()
        evidence = Evidence(
            total=size.trials,
            trials=_trials(server),
            attempts=list(records.attempts.values()),
            lives=[life for worker in workers for life in worker.lives],
            struck=faults.struck,
            left=left,
            logs=sorted(logs.iterdir()),
            secrets=[] if server.password is None else [server.password],
            missing=faults.missing,
            given_up=given_up,
        )
    return Outcome(
        round(time.monotonic() - started, 1),
        dict(sorted(_counted(evidence).items())),
        delays(evidence.struck, evidence.attempts, evidence.lives),
        judge(evidence),
    )


def _workers(size: Size, hosts: list[Machine], server: Server, folder: Path) -> list[Worker]:
    options = ["--trials", str(size.trials), "--threads", "1", "--artifacts", "none"]
    options += ["--storage-patience", _PATIENCE]
    environment = {
        "OPTNAS_STORAGE": server.url,
        "CHAOS_RECORDS": str(folder / "records"),
        "CHAOS_SLOWNESS": str(size.slowness),
        "OMP_NUM_THREADS": "1",
    }
    workers: list[Worker] = []
    for i, commands in enumerate(size.workers):
        for processes in commands:
            name, host = f"w{len(workers)}", hosts[i % len(hosts)]
            workers.append(Worker(name, host, processes, folder / "logs", options, environment))
    return workers


def _trials(server: Server) -> list[FrozenTrial]:
    """Return the study's trials as bare Optuna reads them; none if there is no study."""
    try:
        storage = server.read()
    except StorageInternalError:  # it has no tables
        return []
    if "chaos" not in optuna.get_all_study_names(storage):
        return []
    return optuna.load_study(study_name="chaos", storage=storage).get_trials(deepcopy=False)


def _until_done(
    faults: Faults, workers: list[Worker], records: Records, deadline: float, stopped: threading.Event
) -> str:
    """Inflict what is due and start again what died, until every worker has exited with 0 by itself.

    Returns why it was given up before; empty if it was not.
    """
    for worker in workers:
        worker.start()
    errors: collections.Counter[str] = collections.Counter()
    while not (all(worker.done for worker in workers) and faults.over):
        if stopped.is_set():
            return "stopped by a signal"
        if time.monotonic() > deadline:
            return f"given up: {len(records.finished)} trials are finished, and the time is over"
        records.update()
        faults.tick()
        for worker in workers:
            ended = worker.poll()
            if ended is not None:
                worker.done = ended.status == 0
                errors[worker.name] = errors[worker.name] + 1 if ended.status > 0 else 0
                if errors[worker.name] >= _MOST_ERRORS:
                    return f"given up: {ended.label} ended with an error, as those before: {worker.said()}"
            if not worker.alive and not worker.done:
                worker.start()
        time.sleep(_TICK_SECONDS)
    return ""


def _left(hosts: list[Machine]) -> list[str]:
    """Return the processes that are still there on machines that are not lost, after some patience."""
    deadline = time.monotonic() + _LAST_SECONDS
    while True:
        left = [
            f"{host.name}: {' '.join(process.cmdline())[:80]}"
            for host in hosts
            if not host.cut
            for process in host.left()
        ]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(_TICK_SECONDS)


def _counted(evidence: Evidence) -> dict[str, int]:
    """Return how often each fault was inflicted; what meets all workers at once counts once."""
    moments = {
        (each.kind, round(each.at) if each.kind.endswith(("once", "times")) else each.at)
        for each in evidence.struck
        if not (each.kind == "cable cut for ever" and each.label)
    }
    return collections.Counter(kind for kind, _ in moments)
