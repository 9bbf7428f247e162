"""Progress of a study: counts, rate, time left, Pareto front and hypervolume."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from optnas import pareto
from optnas.trials.directions import signs_of
from optnas.trials.failure import last_failure, last_infeasible
from optnas.trials.reader import Reader
from optnas.trials.record import is_feasible, suggest_seconds
from optnas.trials.region import Region
from optnas.trials.states import LEARNED_NOTHING, state_of
from optnas.trials.under_way import BEAT_SECONDS, stages
from optnas.trials.volume import first_complete, hypervolume, hypervolume_lacks

__all__ = [
    "Progress",
    "ProgressReader",
    "equal_to",
    "finished_trials",
    "front",
    "front_of",
    "sampler_share",
    "trials_since_front_moved",
    "worst_useful",
]

_UNFINISHED = (TrialState.RUNNING, TrialState.WAITING)
# The epoch in a claim has two decimals; of less there is no rate.
_LEAST_WORKED = 1e-6


@dataclasses.dataclass(frozen=True)
class Progress:
    """Progress of a study at one time.

    Attributes:
        complete: Number of trials that have values.
        pruned: Number of pruned trials; their records say why.
        learned_nothing: Number of trials that were stopped because they had learned nothing; not pruned ones.
        failed: Number of failed trials.
        running: Number of running trials.
        total: Number of trials that the study is to have.
        rate: Finished trials per hour since this run began; 0 before the first.
        seconds_left: Time until ``total`` at that rate, the running trials counted as far as they are;
            ``None`` before anything is done.
        trials: All trials.
        front: The trials of the Pareto front, sorted by the first objective.
        equal: The numbers of the trials that a trial of the front stands for (:func:`equal_to`).
        hypervolume: Hypervolume of the front as a share of what an ideal trial has, 0 to 1; it never falls.
            ``None`` until the first ten trials have told how large their values are, where nothing else
            does (:func:`optnas.trials.volume.hypervolume`).
        hypervolume_lacks: Why it is ``None``, in words; ``None`` where it is not, or no trial is complete.
        sampler_share: The share of the trials' time that the sampler took; ``None`` if unknown.
        last_failure: The last failed trial, why it failed and how many did so; ``None`` if none failed.
        last_infeasible: A pruned trial that cannot be built or breaks a limit, why, and how many do.
    """

    complete: int
    pruned: int
    learned_nothing: int
    failed: int
    running: int
    total: int
    rate: float
    seconds_left: float | None
    trials: list[FrozenTrial]
    front: list[FrozenTrial]
    equal: dict[int, list[int]]
    hypervolume: float | None
    hypervolume_lacks: str | None
    sampler_share: float | None
    last_failure: tuple[FrozenTrial, str, int] | None
    last_infeasible: tuple[FrozenTrial, str, list[str]] | None

    @property
    def finished(self) -> int:
        return self.complete + self.pruned + self.learned_nothing + self.failed


class ProgressReader:
    """Reads the progress of a study again and again; each finished trial is looked at once.

    Args:
        study: The study in its storage.
        total: Number of trials that it is to have.
        since: When this run began, by ``time.monotonic()``.
        finished_before: Number of trials that were finished then.
    """

    def __init__(self, study: optuna.Study, total: int, *, since: float, finished_before: int) -> None:
        self._study, self._total = study, total
        self._since, self._before = since, finished_before
        self._told = 0.0, 0.0
        # What is resumed, or runs elsewhere, was done in part before this run began.
        self._begun = {
            number: stage.share
            for number, stage in stages(study.get_trials(deepcopy=False), _UNFINISHED).items()
        }
        self._reader = Reader(_Seen, _Seen.take)

    def read(self) -> Progress:
        """Return the progress as it is in the storage now."""
        study, total = self._study, self._total
        trials = study.get_trials(deepcopy=False)
        seen = self._reader.read(study, trials)
        best = seen.front()
        counts = seen.counts
        finished = sum(counts.values())
        done, seconds = finished - self._before, time.monotonic() - self._since
        # Of trainings that take long there is an estimate before the first has ended.
        shares = {number: stage.share for number, stage in stages(trials).items()}
        left = max(0.0, total - finished - sum(shares.values()))
        worked = done + sum(max(0.0, share - self._begun.get(n, 0.0)) for n, share in shares.items())
        worked -= sum(share for number, share in self._begun.items() if number not in seen.open)
        return Progress(
            complete=counts["complete"],
            pruned=counts["pruned"],
            learned_nothing=counts[LEARNED_NOTHING],
            failed=counts["failed"],
            running=sum(state == TrialState.RUNNING for state in seen.open.values()),
            total=total,
            rate=3600 * done / seconds if done > 0 and seconds > 0 else 0.0,
            seconds_left=left * self._taken(worked, seconds) / worked if worked > _LEAST_WORKED else None,
            trials=trials,
            front=best,
            equal=seen.equal_to(best),
            hypervolume=seen.hypervolume(best),
            hypervolume_lacks=seen.hypervolume_lacks(best),
            sampler_share=seen.taken / seen.spent if seen.spent else None,
            last_failure=last_failure(_in_order(seen.failed)),
            last_infeasible=last_infeasible(_in_order(seen.infeasible)),
        )

    def _taken(self, worked: float, seconds: float) -> float:
        """Return how long ``worked`` took: workers tell how far they are every ten seconds, not meanwhile."""
        if worked != self._told[0]:
            self._told = worked, seconds
        return max(self._told[1], seconds - BEAT_SECONDS)


class _Seen:
    """Counts, front and failures of a study's finished trials, updated trial by trial."""

    def __init__(self, study: optuna.Study) -> None:
        self._study = study
        self.counts: Counter[str] = Counter()
        self.open: dict[int, TrialState] = {}
        self.spent = self.taken = 0.0
        self.failed: list[FrozenTrial] = []
        self.infeasible: list[FrozenTrial] = []
        # Those that the axes of the hypervolume follow from.
        self._first: list[FrozenTrial] = []
        self._front: list[FrozenTrial] = []
        self._new: list[FrozenTrial] = []
        self._equal: dict[tuple[float, ...], list[int]] = {}

    def take(self, trial: FrozenTrial) -> None:
        if not trial.state.is_finished():
            self.open[trial.number] = trial.state
            return
        self.open.pop(trial.number, None)
        self.counts[state_of(trial)] += 1
        spent, taken = _sampling(trial)
        self.spent, self.taken = self.spent + spent, self.taken + taken
        if trial.state == TrialState.FAIL:
            self.failed.append(trial)
        elif trial.state == TrialState.PRUNED:
            if not is_feasible(trial):
                self.infeasible.append(trial)
        else:
            self._first = first_complete([*self._first, trial])
            if is_feasible(trial):
                self._new.append(trial)
                self._equal.setdefault(tuple(trial.values), []).append(trial.number)

    def front(self) -> list[FrozenTrial]:
        if self._new:
            self._front = front(self._study, _in_order([*self._front, *self._new]))
            self._new = []
        return self._front

    def equal_to(self, best: list[FrozenTrial]) -> dict[int, list[int]]:
        others = {
            trial.number: sorted(n for n in self._equal[tuple(trial.values)] if n != trial.number)
            for trial in best
        }
        return {number: equal for number, equal in others.items() if equal}

    def hypervolume(self, best: list[FrozenTrial]) -> float | None:
        return hypervolume(self._study, self._needed(best))

    def hypervolume_lacks(self, best: list[FrozenTrial]) -> str | None:
        needed = self._needed(best)
        missing = bool(needed) and hypervolume(self._study, needed) is None
        return hypervolume_lacks(self._study, needed) if missing else None

    def _needed(self, best: list[FrozenTrial]) -> list[FrozenTrial]:
        # What is dominated adds nothing.
        return list({trial.number: trial for trial in (*self._first, *best)}.values())


def _in_order(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return sorted(trials, key=lambda trial: trial.number)


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that have ended, in whatever way, as the storage has them now."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]


def sampler_share(trials: list[FrozenTrial]) -> float | None:
    """Return the share of the trials' time that the sampler took; ``None`` if no trial recorded it."""
    spent = taken = 0.0
    for trial in trials:
        of, seconds = _sampling(trial)
        spent, taken = spent + of, taken + seconds
    return taken / spent if spent else None


def _sampling(trial: FrozenTrial) -> tuple[float, float]:
    """Return the seconds that a trial took, and how many of them the sampler; zeros if not recorded."""
    seconds = suggest_seconds(trial)
    if seconds is None or trial.duration is None:
        return 0.0, 0.0
    return trial.duration.total_seconds(), seconds


def front(study: optuna.Study, trials: list[FrozenTrial] | None = None) -> list[FrozenTrial]:
    """Return the feasible trials that no other dominates, sorted by the first objective, best first.

    Of trials with equal values the first stands for all (:func:`equal_to`). With one objective this is the
    best trial.
    """
    return front_of(study, study.get_trials(deepcopy=False) if trials is None else trials)


def front_of(
    study: optuna.Study, trials: list[FrozenTrial], objectives: Sequence[int] | None = None
) -> list[FrozenTrial]:
    """Return the :func:`front` of some of the objectives alone, by their indices; by default of all."""
    candidates = _feasible(trials)
    if not candidates:
        return []
    losses = _losses(study, candidates)
    if objectives is not None:
        losses = losses[:, objectives]
    chosen = pareto.front(losses)
    _, first = np.unique(losses[chosen], axis=0, return_index=True)
    return [candidates[i] for i in chosen[first]]


def equal_to(front: list[FrozenTrial], trials: list[FrozenTrial]) -> dict[int, list[int]]:
    """Return the numbers of other feasible trials with the values of one of ``front``, by that one's number.

    There is no entry for one that has no equal.
    """
    numbers: dict[tuple[float, ...], list[int]] = {tuple(trial.values): [] for trial in front}
    for trial in _feasible(trials):
        if (found := numbers.get(tuple(trial.values))) is not None:
            found.append(trial.number)
    others = {
        trial.number: [each for each in numbers[tuple(trial.values)] if each != trial.number]
        for trial in front
    }
    return {number: equal for number, equal in others.items() if equal}


def _feasible(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state == TrialState.COMPLETE and is_feasible(trial)]


def _losses(study: optuna.Study, trials: list[FrozenTrial]) -> pareto.Points:
    """Return the trials' values with signs to be minimised, shape (trials, objectives)."""
    return np.array([trial.values for trial in trials], dtype=float) * signs_of(study)


def worst_useful(study: optuna.Study, trials: list[FrozenTrial]) -> list[float | None]:
    """Return the worst value of each objective inside the region of interest; ``None`` where unbounded.

    The region follows from ``trials``, the front (:class:`~optnas.trials.region.Region`).
    """
    signs = signs_of(study)
    worst = Region.of(study).worst(_losses(study, trials).min(axis=0), signs) * signs
    return [float(value) if np.isfinite(value) else None for value in worst]


def trials_since_front_moved(study: optuna.Study, trials: list[FrozenTrial]) -> int:
    """Return how many trials have finished since the last that changed the front, in the order they ended."""
    finished = [trial for trial in trials if trial.state.is_finished()]
    finished.sort(key=lambda trial: trial.datetime_complete or datetime.min)
    signs = signs_of(study)
    best, moved = np.empty((0, len(signs))), 0
    for count, trial in enumerate(finished, 1):
        if not _feasible([trial]):
            continue
        losses = np.array(trial.values) * signs
        if not (best <= losses).all(axis=1).any():
            best = np.vstack([best[~(losses <= best).all(axis=1)], losses])
            moved = count
    return len(finished) - moved
