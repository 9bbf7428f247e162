"""Samplers of Optuna that learn from pruned trials of several objectives."""

from __future__ import annotations

import copy
import math
from collections.abc import Container, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optnas.samplers.outlook import outlook

__all__ = ["InformedSampler"]

Array = NDArray[np.float64]


class InformedSampler(BaseSampler):
    """Shows a sampler pruned trials as complete ones, with the values they can be expected to have.

    To Optuna's samplers all pruned trials of several objectives are alike: TPE takes each for worse than
    any other, and any for good once there are few others; NSGA-II and Gaussian processes do not look at
    them. Here each has what its last rung promises (:func:`~optnas.samplers.outlook.outlook`). Nothing
    in the storage is changed. Trials that broke a constraint, failed or reported nothing are shown as
    they are, and so is a study of one objective, for which Optuna has means of its own.

    Args:
        sampler: Any sampler that goes by the study's trials.
    """

    def __init__(self, sampler: BaseSampler) -> None:
        self._sampler = sampler
        self._showing: _ShownStudy | None = None

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._sampler.before_trial(self._shown(study, trial), trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(self._shown(study, trial), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._sampler.sample_relative(self._shown(study, trial), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        shown = self._shown(study, trial)
        return self._sampler.sample_independent(shown, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        self._sampler.reseed_rng()

    def _shown(self, study: Study, trial: FrozenTrial) -> Study:
        if len(study.directions) == 1:
            return study
        # What is known of the others stays as it was when the trial began.
        showing = self._showing
        if showing is None or showing.trial_id != trial._trial_id or showing._storage is not study._storage:
            rungs = showing.rungs if showing is not None and showing.is_of(study) else {}
            self._showing = showing = _ShownStudy(study, trial, rungs)
        return showing


class _ShownStudy(Study):
    """A study as it is shown for one trial: others that were pruned have values.

    Args:
        study: The study.
        trial: For which trial.
        rungs: What finished trials reported, by their ids; more are added.
    """

    def __init__(self, study: Study, trial: FrozenTrial, rungs: dict[int, dict[int, Array]]) -> None:
        self.__dict__.update(study.__dict__)
        self.trial_id = trial._trial_id
        self.rungs = rungs
        self._completed: dict[int, FrozenTrial] | None = None

    def is_of(self, study: Study) -> bool:
        return (self._storage, self._study_id) == (study._storage, study._study_id)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        trials = super()._get_trials(deepcopy=False, use_cache=use_cache)
        if self._completed is None:
            self._completed = self._complete(trials)
        shown = [self._completed.get(trial._trial_id, trial) for trial in trials]
        if states is not None:
            shown = [trial for trial in shown if trial.state in states]
        return copy.deepcopy(shown) if deepcopy else shown

    def _complete(self, trials: list[FrozenTrial]) -> dict[int, FrozenTrial]:
        """Return the pruned trials that have values at a rung, with those they promise at the end."""
        trials = [trial for trial in trials if _tells(trial)]
        if all(trial.state == TrialState.COMPLETE for trial in trials):
            return {}
        none = [math.nan] * len(self.directions)
        values = np.array([none if trial.values is None else trial.values for trial in trials])
        expected = outlook([self._rungs(trial) for trial in trials], values)
        return {
            trial._trial_id: _completed(trial, found)
            for trial, found in zip(trials, expected, strict=True)
            if trial.state == TrialState.PRUNED and np.isfinite(found).all()
        }

    def _rungs(self, trial: FrozenTrial) -> dict[int, Array]:
        from optnas.pruners.rungs import rungs_of

        if trial._trial_id not in self.rungs:
            self.rungs[trial._trial_id] = {
                rung: np.array(values)
                for rung, values in rungs_of(trial).items()
                if len(values) == len(self.directions) and np.isfinite(values).all()
            }
        return self.rungs[trial._trial_id]


def _tells(trial: FrozenTrial) -> bool:
    feasible = all(violation <= 0 for violation in trial.constraints.values())
    return feasible and trial.state in (TrialState.COMPLETE, TrialState.PRUNED)


def _completed(trial: FrozenTrial, values: Array) -> FrozenTrial:
    shown = copy.copy(trial)
    shown.state = TrialState.COMPLETE
    shown.values = values.tolist()
    return shown
