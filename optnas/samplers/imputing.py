"""Wrapper that lets Optuna's samplers learn from pruned trials of several objectives."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optnas.samplers.extrapolation import extrapolated
from optnas.samplers.wrapper import WrapperSampler
from optnas.trials.lineage import promotes
from optnas.trials.optuna_internals import StudyView, completed_with, id_of, identity
from optnas.trials.reader import Reader
from optnas.trials.record import HOPELESS, TWIN, constraints_of
from optnas.trials.rungs import rungs_of

__all__ = ["ImputingSampler"]

Array = NDArray[np.float64]

# Threads of ``study.optimize(n_jobs=…)`` share a sampler and the trials that it has read.
_ONE_AT_A_TIME = threading.Lock()


class ImputingSampler(WrapperSampler):
    """Wrapper that shows a sampler pruned trials as complete ones, with imputed final values.

    Optuna's samplers do not tell pruned trials of several objectives apart: TPE takes each for worse than
    any other, and arbitrary ones for good if there are few others; NSGA-II and Gaussian processes ignore
    them. Here each has values extrapolated from its last rung (:mod:`optnas.samplers.extrapolation`). A
    paused trial has those of the trial that resumed it, and a trial that was not trained, because its
    candidate was tried before, those of the earlier trial. Nothing in the storage is changed. Trials that
    broke a constraint, failed or reported nothing are shown unchanged, and so is a study of one objective,
    which Optuna handles itself.

    Args:
        sampler: Any sampler that learns from the study's trials.
    """

    def __init__(self, sampler: BaseSampler) -> None:
        self._wrapped = sampler
        self._reader = Reader(_Ended, _Ended.take)
        self._views: dict[int, _View] = {}

    @property
    def wrapped(self) -> BaseSampler:
        return self._wrapped

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        super().before_trial(self._shown(study, trial), trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return super().infer_relative_search_space(self._shown(study, trial), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return super().sample_relative(self._shown(study, trial), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        shown = self._shown(study, trial)
        return super().sample_independent(shown, trial, param_name, param_distribution)

    def _shown(self, study: Study, trial: FrozenTrial) -> Study:
        if len(study.directions) == 1:
            return study
        with _ONE_AT_A_TIME:
            # The other trials stay as they were when the thread's trial began.
            view = self._views.get(threading.get_ident())
            if view is None or not view.is_for(study, trial):
                view = self._views[threading.get_ident()] = _View(study, trial, self._reader)
            return view


class _View(StudyView):
    """View of a study for one trial, in which other pruned trials have imputed values.

    Trials are read only when the sampler asks for them: a random sampler never does.
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
    """Complete and pruned trials of a study, with their rungs, final values and records."""

    def __init__(self, study: Study) -> None:
        self._objectives = len(study.directions)
        self._rungs: list[dict[int, Array]] = []
        self._values: list[list[float]] = []
        self._shown: list[FrozenTrial | None] = []
        # By a trial's number: its index in the lists, and the number of another trial whose values it has.
        self._places: dict[int, int] = {}
        self._same: dict[int, int] = {}

    def imputed(self) -> dict[int, FrozenTrial]:
        """Return the pruned trials with known or extrapolated values, as complete ones, by number."""
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
        """Add a trial; running and failed ones are ignored."""
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
            values, rungs = rungs[max(rungs)].tolist(), {}  # not a basis for extrapolating others
        shown = None
        if any(violation > 0 for violation in constraints_of(trial).values()):
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
