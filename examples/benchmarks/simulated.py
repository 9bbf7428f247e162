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

from optnas import report, should_prune


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
        self._order = random.Random(seed).sample(list(recording.runs), len(recording.runs))
        self._study = optuna.create_study(
            directions=recording.directions, sampler=sampler or RandomSampler(seed=seed), pruner=pruner
        )
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
                and (self._problem is not None or begun < len(self._order))
            ):
                go_on(begun, self._trial(begun))
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

    def _trial(self, number: int) -> Iterator[int]:
        """Yield the epochs that a trial takes to whatever happens next to it, until it ends."""
        trial = self._study.ask(self._problem.distributions if self._problem else {})
        key = self._problem.key(trial.params) if self._problem else self._order[number]
        run = self._recording.runs.get(key)
        if run is None:
            state = TrialState.FAIL
        elif key in self._ended:
            state = self._ended[key]
        else:
            state = yield from self._training(trial, run)
            self._ended[key] = state
        complete = run if state == TrialState.COMPLETE else None
        self._study.tell(trial, (complete.result, complete.cost) if complete else None, state)
        self.shares.append(self._found.add(self._recording.point(complete) if complete else None))
        self.spent.append(self.epochs)

    def _training(self, trial: optuna.Trial, run: Run) -> Iterator[int]:
        before = 0
        for epoch in sorted({*(rung for rung in self._rungs if rung in run.curve), run.epochs}):
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
