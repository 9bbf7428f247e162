"""Samplers of Optuna that learn from pruned trials of several objectives."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optnas.samplers.extrapolation import extrapolated
from optnas.trials.internals import StudyView, completed_with, id_of, identity
from optnas.trials.lineage import promotes
from optnas.trials.reader import Reader
from optnas.trials.record import HOPELESS, TWIN
from optnas.trials.rungs import rungs_of

__all__ = ["ImputingSampler"]

Array = NDArray[np.float64]

# Threads of ``study.optimize(n_jobs=…)`` share a sampler and what it keeps of the trials.
_ONE_AT_A_TIME = threading.Lock()


class ImputingSampler(BaseSampler):
    """Shows a sampler pruned trials as complete ones, with the values they can be expected to have.

    To Optuna's samplers all pruned trials of several objectives are alike: TPE takes each for worse than
    any other, and any for good once there are few others; NSGA-II and Gaussian processes do not look at
    them. Here each has values extrapolated from its last rung (:mod:`optnas.samplers.extrapolation`), a
    paused one those of the trial that resumed it, and one that was not trained again those of its twin.
    Nothing in the storage is changed. Trials that broke a constraint, failed or reported nothing are shown as
    they are, and so is a study of one objective, for which Optuna has means of its own.

    Args:
        sampler: Any sampler that goes by the study's trials.
    """

    def __init__(self, sampler: BaseSampler) -> None:
        self.wrapped = sampler
        self._reader = Reader(_Ended, _Ended.take)
        self._views: dict[int, _View] = {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.wrapped.before_trial(self._shown(study, trial), trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.wrapped.infer_relative_search_space(self._shown(study, trial), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.wrapped.sample_relative(self._shown(study, trial), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        shown = self._shown(study, trial)
        return self.wrapped.sample_independent(shown, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self.wrapped.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        self.wrapped.reseed_rng()

    def _shown(self, study: Study, trial: FrozenTrial) -> Study:
        if len(study.directions) == 1:
            return study
        with _ONE_AT_A_TIME:
            # What is known of the others stays as it was when the thread's trial began.
            view = self._views.get(threading.get_ident())
            if view is None or not view.is_for(study, trial):
                view = self._views[threading.get_ident()] = _View(study, trial, self._reader)
            return view


class _View(StudyView):
    """A study as it is shown for one trial: other trials that were pruned have imputed values.

    Trials are looked at when the sampler asks for them: a random one never does.
    """

    def __init__(self, study: Study, trial: FrozenTrial, reader: Reader[_Ended]) -> None:
        super().__init__(study)
        self._for = identity(study), id_of(trial)
        self._reader = reader
        self._imputed: dict[int, FrozenTrial] | None = None

    def is_for(self, study: Study, trial: FrozenTrial) -> bool:
        return self._for == (identity(study), id_of(trial))

    def replaced(self, trials: list[FrozenTrial]) -> dict[int, FrozenTrial]:
        if self._imputed is None:
            with _ONE_AT_A_TIME:
                self._imputed = self._reader.read(self, trials).imputed()
        return self._imputed


class _Ended:
    """The finished trials of a study, as they were and as they are shown."""

    def __init__(self, study: Study) -> None:
        self._objectives = len(study.directions)
        self._rungs: list[dict[int, Array]] = []
        self._values: list[list[float]] = []
        self._shown: list[FrozenTrial | None] = []
        # Where a trial is in the lists, by its number, and the number of another whose values are its own.
        self._places: dict[int, int] = {}
        self._same: dict[int, int] = {}

    def imputed(self) -> dict[int, FrozenTrial]:
        """Return the pruned trials that reached a rung, as complete ones with extrapolated values."""
        if not self._values:
            return {}
        expected = extrapolated(self._rungs, np.array(self._values)).tolist()
        for number, other in self._same.items():
            while other in self._same:
                other = self._same[other]
            if number in self._places and other in self._places:
                expected[self._places[number]] = expected[self._places[other]]
        shown = {}
        for trial, values in zip(self._shown, expected, strict=True):
            if trial is not None and all(map(math.isfinite, values)):
                shown[trial.number] = completed_with(trial, values)
        return shown

    def take(self, trial: FrozenTrial) -> None:
        """Take in a trial; one that runs says nothing yet."""
        if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            return
        rungs = {
            rung: np.array(values)
            for rung, values in rungs_of(trial).items()
            if len(values) == self._objectives and np.isfinite(values).all()
        }
        paused, twin = promotes(trial), TWIN.of(trial)
        if paused in self._places:
            rungs = {**self._rungs[self._places[paused]], **rungs}
        was_pruned = trial.state == TrialState.PRUNED
        if not rungs and not (was_pruned and twin is not None):
            return
        values = [math.nan] * self._objectives if was_pruned else trial.values
        if HOPELESS.of(trial) and rungs:
            values, rungs = rungs[max(rungs)].tolist(), {}  # others are not to be judged by it
        shown = None
        if any(violation > 0 for violation in trial.constraints.values()):
            rungs, values = {}, [math.nan] * self._objectives
        elif was_pruned:
            shown = trial
            if twin is not None:
                self._same[trial.number] = twin
        if paused is not None:
            self._same[paused] = trial.number
        self._places[trial.number] = len(self._rungs)
        self._rungs.append(rungs)
        self._values.append(values)
        self._shown.append(shown)
