"""What chaos.py inflicts, by a seeded schedule that follows the progress of the study.

Fault ``i`` of ``n`` is due when its share of the trials is finished, so that faults are spread over the whole
study whatever the machine's speed. Each is kept with its times, for whoever asks afterwards what it explains.
"""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
from chaos_machines import Machine, Namespace, inner_pid
from chaos_servers import Server
from chaos_workers import Records, Worker

LEASE_SECONDS, BEAT_SECONDS = 60, 10

# A trial whose worker died three times without reaching a rung is given up, by design: so none is struck by
# more kills than this.
_MOST_KILLS_OF_A_TRIAL = 2


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is run and inflicted.

    Attributes:
        trials: Number of trials.
        workers: On each machine, the evaluating processes of each command.
        slowness: Evaluations take 0.1 to 1 s times this.
        kills: ``kill -9`` of one evaluating process.
        trees: ``kill -9`` of a command with its processes, and of the command alone, alternately.
        everything: ``kill -9`` of all processes on all machines at once.
        stops: SIGSTOP of a process for longer than the lease.
        storms: SIGTERM to every command, three times.
        away: Seconds that the server is away after each restart, and whether it is stopped as by a crash.
        cuts: Seconds that a machine's cable is cut; ``None``: for ever.
        full: Seconds that the storage's disk is full.
        limit: Seconds after which the run is given up.
    """

    trials: int
    workers: tuple[tuple[int, ...], ...]
    slowness: float
    kills: int
    trees: int
    everything: int
    stops: int
    storms: int
    away: tuple[tuple[float, bool], ...]
    cuts: tuple[float | None, ...]
    full: tuple[float, ...]
    limit: float


SMALL = Size(
    trials=60, workers=((1,), (1,), (2,)), slowness=1, kills=4, trees=2, everything=1, stops=1, storms=1,
    away=((4, False), (4, True)), cuts=(None, 10), full=(4,), limit=420,
)  # fmt: skip
FULL = Size(
    trials=300, workers=((1, 1, 1), (1, 1, 1), (2,)), slowness=1, kills=88, trees=10, everything=2, stops=20,
    storms=3, away=((2, False), (65, True), (10, False)), cuts=(20, None), full=(5, 20), limit=2400,
)  # fmt: skip


@dataclasses.dataclass
class Struck:
    """A fault as it met one worker, or the storage.

    Attributes:
        kind: The fault, as the table names it.
        at: When (``time.monotonic()``).
        until: When it was over; ``None`` if it is for good.
        label: The worker's life that it met; empty if it met all.
        pid: The one process of it, as that names itself; ``None``: all.
        machine: Whose cable was cut.
    """

    kind: str
    at: float
    until: float | None = None
    label: str = ""
    pid: int | None = None
    machine: str = ""


class Faults:
    """The faults of one run: planned, due, inflicted.

    Args:
        size: How many of each.
        seed: Of their order and their victims.
        server: The storage.
        machines: The machines.
        workers: The workers on them.
        records: What they evaluate.
    """

    def __init__(
        self,
        size: Size,
        seed: int,
        server: Server,
        machines: list[Machine],
        workers: list[Worker],
        records: Records,
    ) -> None:
        self.size = size
        self.struck: list[Struck] = []
        self._random = random.Random(seed)
        self._server = server
        self._machines = machines
        self._workers = workers
        self._records = records
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self._starter = ThreadPoolExecutor(1)
        self._starts: list[Future[None]] = []
        self._stopped: dict[tuple[str, int], float] = {}
        self._kills: dict[int, int] = {}
        self._plan = self._planned()

    def _planned(self) -> list[tuple[float, Callable[[], bool]]]:
        """Return each fault with the share of the study at which it is due."""
        size = self.size
        faults: list[Callable[[], bool]] = [self._kill] * size.kills
        faults += [(self._kill_tree, self._kill_command)[i % 2] for i in range(size.trees)]
        faults += [self._storm] * size.storms
        if self._server.restarts:
            faults += [lambda away=away: self._restart(*away) for away in size.away]
        if self._server.has_disk:
            faults += [lambda seconds=seconds: self._fill(seconds) for seconds in size.full]
        self._random.shuffle(faults)
        plan = [(0.05 + 0.8 * i / len(faults), fault) for i, fault in enumerate(faults)]
        # Whoever is killed has observed nothing: the last of these comes well before the end.
        plan += [(0.02 + 0.5 * i / size.everything, self._kill_everything) for i in range(size.everything)]
        # What takes longer than the lease comes early enough to be over before the study is.
        plan += [(0.04 + 0.6 * i / size.stops, self._stop) for i in range(size.stops)]
        if self._server.restarts and isinstance(self._machines[0], Namespace):
            cuts = enumerate(size.cuts)
            plan += [(0.06 + 0.4 * i / len(size.cuts), lambda s=s: self._cut(s)) for i, s in cuts]
        return sorted(plan, key=lambda each: each[0])

    @property
    def missing(self) -> int:
        """Number of planned faults that were not inflicted yet."""
        return len(self._plan)

    @property
    def over(self) -> bool:
        """Whether nothing is under way that is to end by itself."""
        return not self._timers and all(start.done() for start in self._starts)

    def tick(self) -> None:
        """End what is to end now, and inflict what is due."""
        for start in self._starts:
            if start.done():
                start.result()  # raises what went wrong
        now = time.monotonic()
        for timer in [each for each in self._timers if each[0] <= now]:
            self._timers.remove(timer)
            timer[1]()
        share = len(self._records.finished) / self.size.trials
        for fault in [each for each in self._plan if each[0] <= share]:
            if fault[1]():
                self._plan.remove(fault)
                return  # one at a time, so that workers come to something in between

    def close(self) -> None:
        """End what is under way."""
        for _, end in self._timers:
            end()
        self._timers.clear()
        self._starter.shutdown()

    # Victims

    def _struck_process(self) -> tuple[Worker, int, psutil.Process] | None:
        """Return a worker and one of its processes with its id, in most cases while it evaluates."""
        victim = self._victim()
        process = victim and victim[0].process_of(victim[1])
        return (*victim, process) if victim and process else None

    def _victim(self) -> tuple[Worker, int] | None:
        alive = {each.life.label: each for each in self._workers if each.alive and not each.machine.cut}
        busy = [
            (alive[attempt.label], attempt.pid)
            for attempt in self._records.under_way()
            if attempt.label in alive
            and (attempt.label, attempt.pid) not in self._stopped
            and self._kills.get(attempt.trial, 0) < _MOST_KILLS_OF_A_TRIAL
        ]
        if busy and self._random.random() < 0.7:
            return self._random.choice(busy)
        # At any other moment: as it starts, claims, or writes.
        at_a_trial = {(attempt.label, attempt.pid) for attempt in self._records.under_way()}
        idle = [
            (worker, pid)
            for worker in alive.values()
            for pid in map(inner_pid, worker.running()[worker.processes > 1 :])
            if pid is not None and not {(worker.life.label, pid)} & (at_a_trial | self._stopped.keys())
        ]
        return self._random.choice(idle) if idle and self._random.random() < 0.2 else None

    def _count_kills(self, label: str, pid: int | None) -> None:
        for attempt in self._records.under_way():
            if attempt.label == label and pid in (None, attempt.pid):
                self._kills[attempt.trial] = self._kills.get(attempt.trial, 0) + 1

    # Each returns whether it could be inflicted; if not it is tried again shortly.

    def _kill(self) -> bool:
        victim = self._struck_process()
        if victim is None:
            return False
        worker, pid, process = victim
        self._count_kills(worker.life.label, pid)
        self._note("kill -9, a process", worker, pid)
        worker.send([process], signal.SIGKILL)
        return True

    def _kill_tree(self) -> bool:
        return self._kill_whole("kill -9, a command with its processes", everything=True)

    def _kill_command(self) -> bool:
        return self._kill_whole("kill -9, a command without its processes", everything=False)

    def _kill_whole(self, kind: str, *, everything: bool) -> bool:
        trees = [each for each in self._workers if each.alive and each.processes > 1 and each.running()]
        if not trees:
            return False
        worker = self._random.choice(trees)
        running = worker.running()
        self._count_kills(worker.life.label, None)
        self._note(kind, worker)
        worker.send(running if everything else running[:1], signal.SIGKILL)
        return True

    def _kill_everything(self) -> bool:
        for worker in self._workers:
            if worker.alive and not worker.machine.cut:
                self._count_kills(worker.life.label, None)
                self._note("kill -9, everything at once", worker)
                worker.send(worker.running(), signal.SIGKILL)
        return True

    def _stop(self) -> bool:
        if len(self._stopped) >= max(1, sum(map(sum, self.size.workers)) - 2):
            return False
        victim = self._struck_process()
        if victim is None:
            return False
        worker, pid, process = victim
        seconds = LEASE_SECONDS + self._random.uniform(3, 15)
        key = (worker.life.label, pid)
        self._stopped[key] = time.monotonic()
        self._note("SIGSTOP over the lease, then SIGCONT", worker, pid, seconds)
        worker.send([process], signal.SIGSTOP)

        def wake() -> None:
            del self._stopped[key]
            worker.send([process], signal.SIGCONT)

        self._after(seconds, wake)
        return True

    def _storm(self) -> bool:
        struck = [(each, each.life) for each in self._workers if each.alive and not each.machine.cut]

        def again() -> None:
            for worker, life in struck:
                if worker.alive and worker.life is life:
                    worker.send(worker.running()[:1], signal.SIGTERM)

        for worker, _ in struck:
            self._note("SIGTERM to every command, three times", worker)
        again()
        for seconds in (0.3, 1.0):
            self._after(seconds, again)
        return True

    def _restart(self, seconds: float, immediate: bool) -> bool:
        outage = self._outage(f"server {'crashed' if immediate else 'stopped'} for {seconds:g} s")
        if outage is None:
            return False
        self._server.stop(immediate)

        def again() -> None:
            self._server.start()
            self._server.wait_ready()
            outage.until = time.monotonic()

        # Beside all else: a server that recovers from a crash takes seconds.
        self._after(seconds, lambda: self._starts.append(self._starter.submit(again)))
        return True

    def _fill(self, seconds: float) -> bool:
        outage = self._outage(f"disk full for {seconds:g} s")
        if outage is None:
            return False
        self._server.fill()

        def again() -> None:
            self._server.empty()
            outage.until = time.monotonic()

        self._after(seconds, again)
        return True

    def _outage(self, kind: str) -> Struck | None:
        """Note that the storage is away from now on; ``None`` if it is away as yet."""
        if any(each.until is None and not each.label and not each.machine for each in self.struck):
            return None
        outage = Struck(kind, time.monotonic())
        self.struck.append(outage)
        return outage

    def _cut(self, seconds: float | None) -> bool:
        usable = [each for each in self._machines if isinstance(each, Namespace) and not each.cut]
        machine = self._random.choice(usable[:-1])  # the last one has the trees
        kind = "cable cut for ever" if seconds is None else f"cable cut for {seconds:g} s"
        outage = Struck(kind, time.monotonic(), machine=machine.name)
        self.struck.append(outage)
        machine.cut_cable()
        if seconds is not None:

            def again() -> None:
                machine.mend_cable()
                outage.until = time.monotonic()

            self._after(seconds, again)
            return True
        others = [each for each in usable if each is not machine]
        for worker in self._workers:
            if worker.machine is machine:
                if worker.alive:
                    self._note(kind, worker)
                    worker.give_up()
                worker.machine = self._random.choice(others)
        return True

    def _note(self, kind: str, worker: Worker, pid: int | None = None, seconds: float | None = None) -> None:
        now = time.monotonic()
        until = None if seconds is None else now + seconds
        self.struck.append(Struck(kind, now, until, worker.life.label, pid))

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self._timers.append((time.monotonic() + seconds, action))


def write(struck: list[Struck], path: Path) -> None:
    """Write faults with their times, a line each."""
    path.write_text("".join(json.dumps(dataclasses.asdict(each)) + "\n" for each in struck))
