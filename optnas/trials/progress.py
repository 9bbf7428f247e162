"""How far a study is: counts, rate, time left, front and hypervolume."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from optnas import pareto
from optnas.trials.directions import signs_of
from optnas.trials.record import suggest_seconds
from optnas.trials.region import Region

__all__ = ["Progress", "counting", "front", "suggesting"]


@dataclasses.dataclass(frozen=True)
class Progress:
    """A look at a study.

    Attributes:
        complete: Trials that have values.
        pruned: Trials given up, for the reason in their record.
        failed: Trials that broke.
        running: Trials at work now.
        total: How many trials it is to have.
        rate: Finished trials an hour since this run began; 0 before the first.
        seconds_left: Until the total at that rate; ``None`` before there is one.
        front: The best trials, by the first objective.
        hypervolume: What the front dominates, measured from the worst value of each objective that the
            study says is of use, or else from the worst seen; objectives that span more than a factor of
            ten, as costs do, in decades. It only grows.
        suggesting: The share of the trials' time that the sampler took; ``None`` where nobody knows.
    """

    complete: int
    pruned: int
    failed: int
    running: int
    total: int
    rate: float
    seconds_left: float | None
    front: list[FrozenTrial]
    hypervolume: float
    suggesting: float | None

    @property
    def finished(self) -> int:
        return self.complete + self.pruned + self.failed

    @classmethod
    def of(cls, study: optuna.Study, total: int, *, since: float, finished_before: int) -> Progress:
        """Look at ``study``, of which ``finished_before`` trials were there at ``since``.

        Args:
            study: The study in its storage.
            total: How many trials it is to have.
            since: When this run began, by ``time.monotonic()``.
            finished_before: How many of the trials were finished then.
        """
        trials = study.get_trials(deepcopy=False)
        states = Counter(trial.state for trial in trials)
        finished = states[TrialState.COMPLETE] + states[TrialState.PRUNED] + states[TrialState.FAIL]
        done, seconds = finished - finished_before, time.monotonic() - since
        return cls(
            complete=states[TrialState.COMPLETE],
            pruned=states[TrialState.PRUNED],
            failed=states[TrialState.FAIL],
            running=states[TrialState.RUNNING],
            total=total,
            rate=3600 * done / seconds if done > 0 and seconds > 0 else 0.0,
            seconds_left=(total - finished) * seconds / done if done > 0 else None,
            front=front(study, trials),
            hypervolume=_hypervolume(study, trials),
            suggesting=suggesting(trials),
        )


def suggesting(trials: list[FrozenTrial]) -> float | None:
    """Return the share of the trials' time that the sampler took; ``None`` where nobody knows."""
    spent = taken = 0.0
    for trial in trials:
        seconds = suggest_seconds(trial)
        if seconds is not None and trial.duration is not None:
            spent += trial.duration.total_seconds()
            taken += seconds
    return taken / spent if spent else None


def front(study: optuna.Study, trials: list[FrozenTrial] | None = None) -> list[FrozenTrial]:
    """Return the trials that no other dominates and that keep every constraint.

    Of trials with equal values the first stands for all. With one objective these are the best ones.
    They come in the order of the first objective, best first.
    """
    candidates = _feasible(study.get_trials(deepcopy=False) if trials is None else trials)
    if not candidates:
        return []
    losses = _losses(study, candidates)
    chosen = pareto.front(losses)
    _, first = np.unique(losses[chosen], axis=0, return_index=True)
    return [candidates[i] for i in chosen[first]]


def _hypervolume(study: optuna.Study, trials: list[FrozenTrial]) -> float:
    candidates = _feasible(trials)
    if not candidates:
        return 0.0
    losses, limits = _losses(study, candidates), Region.of(study).stated(signs_of(study))
    worst = np.where(np.isfinite(limits), limits, losses.max(axis=0))
    points = pareto.in_decades(np.concatenate([losses, worst[None]]))
    return pareto.hypervolume(points[:-1], points[-1])


def _feasible(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return [
        trial
        for trial in trials
        if trial.state == TrialState.COMPLETE and all(v <= 0 for v in trial.constraints.values())
    ]


def _losses(study: optuna.Study, trials: list[FrozenTrial]) -> pareto.Points:
    """Return the values as ones to minimise, shape (trials, objectives)."""
    return np.array([trial.values for trial in trials], dtype=float) * signs_of(study)


def counting(study: optuna.Study, trials: list[FrozenTrial]) -> list[float | None]:
    """Return the worst value of each objective that is of use, given the front; ``None`` where all are.

    A search is about what is better than that (:class:`~optnas.trials.region.Region`).
    """
    signs = signs_of(study)
    worst = Region.of(study).worst(_losses(study, trials).min(axis=0), signs) * signs
    return [float(value) if np.isfinite(value) else None for value in worst]
