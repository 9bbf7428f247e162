"""Samplers of Optuna that learn from pruned trials of several objectives."""

from __future__ import annotations

import copy
import math
import threading
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

# Threads of ``study.optimize(n_jobs=…)`` share a sampler and what it keeps of the trials.
_ONE_AT_A_TIME = threading.Lock()


class InformedSampler(BaseSampler):
    """Shows a sampler pruned trials as complete ones, with the values they can be expected to have.

    To Optuna's samplers all pruned trials of several objectives are alike: TPE takes each for worse than
    any other, and any for good once there are few others; NSGA-II and Gaussian processes do not look at
    them. Here each has what its last rung promises (:func:`~optnas.samplers.outlook.outlook`), a paused one
    what the trial that went on with it has, and one that was not trained again what its twin has. Nothing
    in the storage is changed. Trials that broke a constraint, failed or reported nothing are shown as they
    are, and so is a study of one objective, for which Optuna has means of its own.

    Args:
        sampler: Any sampler that goes by the study's trials.
    """

    def __init__(self, sampler: BaseSampler) -> None:
        self._sampler = sampler
        self._ended: _Ended | None = None
        self._showing: dict[int, _ShownStudy] = {}

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
        with _ONE_AT_A_TIME:
            # What is known of the others stays as it was when the thread's trial began.
            showing = self._showing.get(threading.get_ident())
            if showing is None or not showing.is_for(study, trial):
                if self._ended is None or not self._ended.is_of(study):
                    self._ended = _Ended(study)
                showing = _ShownStudy(study, trial, self._ended)
                self._showing[threading.get_ident()] = showing
            return showing


class _ShownStudy(Study):
    """A study as it is shown for one trial: others that were pruned have values.

    Trials are looked at when the sampler asks for them: a random one never does.
    """

    def __init__(self, study: Study, trial: FrozenTrial, ended: _Ended) -> None:
        self.__dict__.update(study.__dict__)
        self._for = trial._trial_id
        self._ended = ended
        self._pruned: dict[int, FrozenTrial] | None = None

    def is_for(self, study: Study, trial: FrozenTrial) -> bool:
        mine = self._storage, self._study_id, self._for
        return mine == (study._storage, study._study_id, trial._trial_id)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        trials = super()._get_trials(deepcopy=False, use_cache=use_cache)
        if self._pruned is None:
            with _ONE_AT_A_TIME:
                self._pruned = self._ended.pruned(trials)
        shown = [self._pruned.get(trial.number, trial) for trial in trials]
        if states is not None:
            shown = [trial for trial in shown if trial.state in states]
        return copy.deepcopy(shown) if deepcopy else shown


class _Ended:
    """The finished trials of a study, each of which is looked at once.

    Args:
        study: The study.
    """

    def __init__(self, study: Study) -> None:
        self._study = study._storage, study._study_id
        self._objectives = len(study.directions)
        self._looked = 0
        self._running: list[int] = []
        self._rungs: list[dict[int, Array]] = []
        self._values: list[list[float]] = []
        self._shown: list[FrozenTrial | None] = []
        # Where a trial is in the lists, by its number, and the number of another whose values are its own.
        self._places: dict[int, int] = {}
        self._same: dict[int, int] = {}

    def is_of(self, study: Study) -> bool:
        return self._study == (study._storage, study._study_id)

    def pruned(self, trials: list[FrozenTrial]) -> dict[int, FrozenTrial]:
        """Return those that were pruned and have values at a rung, as complete with what these promise."""
        numbers = [*self._running, *range(self._looked, len(trials))]
        self._looked, self._running = max(self._looked, len(trials)), []
        for number in numbers:
            if number < len(trials) and trials[number].state.is_finished():
                self._take(trials[number])
            else:  # another thread may have seen more than this one
                self._running.append(number)
        if not self._values:
            return {}
        expected = outlook(self._rungs, np.array(self._values)).tolist()
        for number, other in self._same.items():
            while other in self._same:
                other = self._same[other]
            if number in self._places and other in self._places:
                expected[self._places[number]] = expected[self._places[other]]
        shown = {}
        for trial, values in zip(self._shown, expected, strict=True):
            if trial is not None and all(map(math.isfinite, values)):
                trial._values = values
                shown[trial.number] = trial
        return shown

    def _take(self, trial: FrozenTrial) -> None:
        from optnas.pruners.pareto_promotion import promoted
        from optnas.pruners.rungs import HOPELESS, rungs_of

        if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            return
        rungs = {
            rung: np.array(values)
            for rung, values in rungs_of(trial).items()
            if len(values) == self._objectives and np.isfinite(values).all()
        }
        paused, twin = promoted(trial), trial.user_attrs.get("twin")
        if paused in self._places:
            rungs = {**self._rungs[self._places[paused]], **rungs}
        was_pruned = trial.state == TrialState.PRUNED
        if not rungs and not (was_pruned and twin is not None):
            return
        values = [math.nan] * self._objectives if was_pruned else trial.values
        if trial.user_attrs.get(HOPELESS) and rungs:
            values, rungs = rungs[max(rungs)].tolist(), {}  # others are not to be judged by it
        shown = None
        if any(violation > 0 for violation in trial.constraints.values()):
            rungs, values = {}, [math.nan] * self._objectives
        elif was_pruned:
            shown = copy.copy(trial)
            shown.state = TrialState.COMPLETE
            if twin is not None:
                self._same[trial.number] = twin
        if paused is not None:
            self._same[paused] = trial.number
        self._places[trial.number] = len(self._rungs)
        self._rungs.append(rungs)
        self._values.append(values)
        self._shown.append(shown)
