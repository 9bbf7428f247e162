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
from optnas.trials.record import is_feasible, suggest_seconds
from optnas.trials.region import Region
from optnas.trials.volume import hypervolume

__all__ = [
    "Progress",
    "equal_to",
    "finished_trials",
    "front",
    "front_of",
    "sampler_share",
    "trials_since_front_moved",
    "worst_useful",
]


@dataclasses.dataclass(frozen=True)
class Progress:
    """Progress of a study at one time.

    Attributes:
        complete: Number of trials that have values.
        pruned: Number of pruned trials; their records say why.
        failed: Number of failed trials.
        running: Number of running trials.
        total: Number of trials that the study is to have.
        rate: Finished trials per hour since this run began; 0 before the first.
        seconds_left: Time until ``total`` at that rate; ``None`` before there is a rate.
        trials: All trials.
        front: The trials of the Pareto front, sorted by the first objective.
        equal: The numbers of the trials that a trial of the front stands for (:func:`equal_to`).
        hypervolume: Hypervolume of the front as a share of what an ideal trial has, 0 to 1; it never falls.
            ``None`` until the first ten trials have told how large their values are, where nothing else
            does (:func:`optnas.trials.volume.hypervolume`).
        sampler_share: The share of the trials' time that the sampler took; ``None`` if unknown.
        last_failure: The last failed trial, why it failed and how many did so; ``None`` if none failed.
        last_infeasible: A pruned trial that cannot be built or breaks a limit, why, and how many do.
    """

    complete: int
    pruned: int
    failed: int
    running: int
    total: int
    rate: float
    seconds_left: float | None
    trials: list[FrozenTrial]
    front: list[FrozenTrial]
    equal: dict[int, list[int]]
    hypervolume: float | None
    sampler_share: float | None
    last_failure: tuple[FrozenTrial, str, int] | None
    last_infeasible: tuple[FrozenTrial, str, list[str]] | None

    @property
    def finished(self) -> int:
        return self.complete + self.pruned + self.failed

    @classmethod
    def of(cls, study: optuna.Study, total: int, *, since: float, finished_before: int) -> Progress:
        """Return the progress of ``study``, which had ``finished_before`` finished trials at ``since``.

        Args:
            study: The study in its storage.
            total: Number of trials that it is to have.
            since: When this run began, by ``time.monotonic()``.
            finished_before: Number of trials that were finished then.
        """
        trials = study.get_trials(deepcopy=False)
        states = Counter(trial.state for trial in trials)
        finished = states[TrialState.COMPLETE] + states[TrialState.PRUNED] + states[TrialState.FAIL]
        best = front(study, trials)
        done, seconds = finished - finished_before, time.monotonic() - since
        return cls(
            complete=states[TrialState.COMPLETE],
            pruned=states[TrialState.PRUNED],
            failed=states[TrialState.FAIL],
            running=states[TrialState.RUNNING],
            total=total,
            rate=3600 * done / seconds if done > 0 and seconds > 0 else 0.0,
            seconds_left=(total - finished) * seconds / done if done > 0 else None,
            trials=trials,
            front=best,
            equal=equal_to(best, trials),
            hypervolume=hypervolume(study, trials),
            sampler_share=sampler_share(trials),
            last_failure=last_failure(trials),
            last_infeasible=last_infeasible(trials),
        )


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that have ended, in whatever way, as the storage has them now."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]


def sampler_share(trials: list[FrozenTrial]) -> float | None:
    """Return the share of the trials' time that the sampler took; ``None`` if no trial recorded it."""
    spent = taken = 0.0
    for trial in trials:
        seconds = suggest_seconds(trial)
        if seconds is not None and trial.duration is not None:
            spent += trial.duration.total_seconds()
            taken += seconds
    return taken / spent if spent else None


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
