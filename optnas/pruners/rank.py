"""Wrapper that lets Optuna's pruners of one objective decide by non-domination rank."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optnas.pareto.ranking import Ranking
from optnas.pruners.pareto_halving import ParetoHalvingPruner
from optnas.pruners.standings import ONE_AT_A_TIME, Standings
from optnas.trials.optuna_internals import id_of, identity, with_system_attrs
from optnas.trials.rungs import rungs_of

__all__ = ["RankPruner"]

# Prefix of the attributes in which SuccessiveHalvingPruner and HyperbandPruner keep a trial's value at a
# rung.
_COMPLETED = "completed_rung_"


class RankPruner(BasePruner):
    """Wrapper that lets a pruner of one objective decide by non-domination rank in place of a value.

    ``RankPruner(optuna.pruners.MedianPruner())`` stops a trial whose rank, among all trials at the same
    step, is worse than the median trial's; successive halving, Hyperband, percentiles and thresholds (on
    ranks from 0) work as well. All ranks are computed from the present trials, also those of trials that
    reported long ago. In a study of one objective the pruner decides by its value as usual.

    Args:
        pruner: Any Optuna pruner that goes by the trials' intermediate values.

    Raises:
        TypeError: If it is no pruner, or one that handles several objectives itself.
    """

    def __init__(self, pruner: BasePruner) -> None:
        if not isinstance(pruner, BasePruner):
            raise TypeError(f"RankPruner takes an Optuna pruner, not {pruner!r}")
        if isinstance(pruner, ParetoHalvingPruner | RankPruner):
            raise TypeError(f"{type(pruner).__name__} goes by all objectives as it is: leave RankPruner away")
        self.pruner = pruner
        self._standings = Standings(rungs_of)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether the wrapped pruner stops ``trial``, given ranks in place of reported values."""
        if len(study.directions) == 1:
            return self.pruner.prune(study, trial)
        with ONE_AT_A_TIME:
            ranked = _RankedStorage(study, trial, self._standings.read(study))
            view = Study(study.study_name, ranked, study.sampler, self.pruner)  # type: ignore[arg-type]
            return self.pruner.prune(view, ranked.get_trial(id_of(trial)))


class _RankedStorage:
    """View of a study's storage with one objective to be minimised: the rank.

    Only the methods that pruners use are overridden; all others are passed on.
    """

    def __init__(self, study: Study, trial: FrozenTrial, rankings: Mapping[int, Ranking]) -> None:
        self._storage, self._study_id = identity(study)
        self._fresh = trial
        self._ranks = _Ranks(rankings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return [StudyDirection.MINIMIZE]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        fresh = self._fresh if trial_id == id_of(self._fresh) else self._storage.get_trial(trial_id)
        return self._shown(fresh)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        trials = self._storage.get_all_trials(study_id, deepcopy=False, states=states)
        return [self._shown(self._fresh if t.number == self._fresh.number else t) for t in trials]

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        # Ranks change as trials come: the step is stored, and the rank at it is looked up when it is read.
        if key.startswith(_COMPLETED):
            value = max(rungs_of(self._fresh))
        self._storage.set_trial_system_attr(trial_id, key, value)

    def _shown(self, trial: FrozenTrial) -> FrozenTrial:
        attributes = {
            key: self._ranks.of(trial.number, value) if key.startswith(_COMPLETED) else value
            for key, value in trial.system_attrs.items()
        }
        shown = with_system_attrs(trial, attributes)
        shown.intermediate_values = _OneTrial(self._ranks, trial)  # type: ignore[assignment]
        return shown


class _Ranks:
    """Ranks of all trials at every step, each step computed when it is first asked for."""

    def __init__(self, rankings: Mapping[int, Ranking]) -> None:
        self._rankings = rankings
        self._found: dict[int, dict[Any, int]] = {}

    def of(self, number: int, step: int) -> float:
        """Return a trial's rank at a step; infinity if it is not ranked there."""
        if step not in self._found:
            self._found[step] = self._rankings[step].ranks() if step in self._rankings else {}
        return float(self._found[step].get(number, float("inf")))


class _OneTrial(Mapping[int, float]):
    """Ranks of one trial by step, in place of its intermediate values."""

    def __init__(self, ranks: _Ranks, trial: FrozenTrial) -> None:
        self._ranks = ranks
        self._number = trial.number
        self._steps = tuple(rungs_of(trial))

    def __getitem__(self, step: int) -> float:
        if step not in self._steps:
            raise KeyError(step)
        return self._ranks.of(self._number, step)

    def __iter__(self) -> Iterator[int]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)
