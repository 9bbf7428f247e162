"""Searches over recorded trainings, in the order in which real ones would end."""

from __future__ import annotations

import heapq
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState
from recorded import Key, Recording, Run
from volume import Found

from optnas import promote, report, should_prune
from optnas.trials.rungs import rungs_of


@dataclass(frozen=True)
class Budget:
    """When no more trials are begun.

    Attributes:
        epochs: So many have been spent.
        trials: So many have been begun.
        share: That share of the hypervolume has been found.
    """

    epochs: float = math.inf
    trials: float = math.inf
    share: float = math.inf


class Search:
    """A search by workers side by side, each of them an epoch a unit of time.

    Args:
        recording: The trainings.
        sampler: What proposes; by default the architectures come in a random order, none twice.
        pruner: What decides at the rungs.
        rungs: After how many epochs trials report.
        seed: Of the random order.
        parallel: How many workers.

    Attributes:
        spent: The epochs spent by the end of each trial, in the order in which they ended.
        shares: The share of the true hypervolume found by then.
        epochs: The epochs spent until now.
        pruned: How many trials the pruner ended.
        seconds: What each of its decisions took.
    """

    def __init__(
        self,
        recording: Recording,
        sampler: BaseSampler | None,
        pruner: BasePruner,
        rungs: Sequence[int],
        *,
        seed: int,
        parallel: int = 1,
    ) -> None:
        self._recording = recording
        self._rungs = rungs
        self._parallel = parallel
        self._problem = None if sampler is None else recording.problem
        self._order = iter(random.Random(seed).sample(list(recording.runs), len(recording.runs)))
        self._study = optuna.create_study(
            directions=recording.directions, sampler=sampler or RandomSampler(seed=seed), pruner=pruner
        )
        self._keys: dict[int, Key] = {}
        self._ended: dict[Key, TrialState] = {}
        self._found = Found(recording.volume)
        self.spent: list[int] = []
        self.shares: list[float] = []
        self.epochs = self.pruned = 0
        self.seconds: list[float] = []

    def run(self, budget: Budget) -> None:
        """Search until the budget is spent or every architecture has been proposed."""
        begun, now = 0, 0
        working: list[tuple[int, int, int, Iterator[int]]] = []

        def go_on(number: int, way: Iterator[int]) -> None:
            epochs = next(way, None)
            if epochs is not None:
                heapq.heappush(working, (now + epochs, number, epochs, way))

        while True:
            while (
                len(working) < self._parallel
                and self.epochs < budget.epochs
                and begun < budget.trials
                and self._found.share < budget.share
            ):
                way = self._next_trial()
                if way is None:
                    break
                go_on(begun, way)
                begun += 1
            if not working:
                return
            now, number, epochs, way = heapq.heappop(working)
            self.epochs += epochs
            go_on(number, way)

    def epochs_to(self, share: float) -> float:
        """Return the epochs spent until a share of the hypervolume was found; infinite if it was not."""
        reached = zip(self.spent, self.shares, strict=True)
        return next((float(epochs) for epochs, found in reached if found >= share), math.inf)

    def _next_trial(self) -> Iterator[int] | None:
        """Return the way of a new trial, or of one that promotes a paused one; none where all are done."""
        trial = self._study.ask()
        paused = promote(trial)
        if self._problem is not None:
            for name, distribution in self._problem.distributions.items():
                trial._suggest(name, distribution)  # as study.ask does
        if paused is not None:
            key = self._keys[paused.number]
        elif self._problem is not None:
            key = self._problem.key(trial.params)
        else:
            key = next(self._order, ())
        if key == ():
            self._study.tell(trial, state=TrialState.FAIL)
            return None
        self._keys[trial.number] = key
        return self._way(trial, key, 0 if paused is None else max(rungs_of(paused)))

    def _way(self, trial: optuna.Trial, key: Key, before: int) -> Iterator[int]:
        """Yield the epochs that a trial takes to whatever happens next to it, until it ends."""
        run = self._recording.runs.get(key)
        if run is None:
            state = TrialState.FAIL
        elif key in self._ended and not before:
            state = self._ended[key]
        else:
            state = yield from self._training(trial, run, before)
            self._ended[key] = state
        complete = run if state == TrialState.COMPLETE else None
        self._study.tell(trial, (complete.result, complete.cost) if complete else None, state)
        self.shares.append(self._found.add(self._recording.point(complete) if complete else None))
        self.spent.append(self.epochs)

    def _training(self, trial: optuna.Trial, run: Run, before: int) -> Iterator[int]:
        looked_at = {*(rung for rung in self._rungs if rung in run.curve), run.epochs}
        for epoch in sorted(epoch for epoch in looked_at if epoch > before):
            yield epoch - before
            before = epoch
            if not math.isfinite(run.curve[epoch]):
                return TrialState.PRUNED
            if epoch < run.epochs:
                report(trial, epoch, (run.curve[epoch], run.cost))
                if self._is_stopped(trial):
                    return TrialState.PRUNED
        return TrialState.COMPLETE

    def _is_stopped(self, trial: optuna.Trial) -> bool:
        started = time.perf_counter()
        stopped = should_prune(trial)
        self.seconds.append(time.perf_counter() - started)
        self.pruned += stopped
        return stopped
