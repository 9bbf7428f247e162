"""What a trial has at a rung at the least, if it is to come to anything that is of use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optnas.region import Region

__all__ = ["Floors"]

Array = NDArray[np.float64]

# So many trials have to have come to something of use before others are measured by them.
_FEWEST = 5
# Of these, the share that was better at the rung than the floor.
_BETTER = 1.0


class Floors:
    """The worst values at each rung of a study from which trials have come to what is of use.

    A fold over the trials in the storage, of which each is looked at once.

    Args:
        region: What is of use.
        at_rungs: Which of a trial's reports counts at which rung.
    """

    def __init__(self, region: Region, at_rungs: Callable[[FrozenTrial], Mapping[int, list[float]]]) -> None:
        self._region = region
        self._at_rungs = at_rungs
        self._study: tuple[Any, int] | None = None
        self._looked = 0
        self._open: list[int] = []
        self._complete: list[tuple[Array, dict[int, Array]]] = []

    def at(self, study: Study, rung: int) -> Array | None:
        """Return the floor of each objective at a rung, to be minimised; ``None`` if too little is known."""
        if not self._region:
            return None
        signs = np.array([-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in study.directions])
        self._read(study, signs)
        if len(self._complete) < _FEWEST:
            return None
        ends = np.array([end for end, _ in self._complete])
        worst = self._region.worst(ends.min(axis=0), signs)
        of_use = list(~(ends > worst).any(axis=1))
        there = [
            rungs[rung]
            for (_, rungs), use in zip(self._complete, of_use, strict=True)
            if use and rung in rungs
        ]
        if len(there) < _FEWEST:
            return None
        floor = np.quantile(np.array(there), _BETTER, axis=0)
        return np.where(np.isfinite(worst), floor, np.inf)

    def _read(self, study: Study, signs: Array) -> None:
        here = study._storage, study._study_id
        if self._study != here:
            self._study, self._looked, self._open, self._complete = here, 0, [], []
        trials = study.get_trials(deepcopy=False)
        looked_at = [*self._open, *range(self._looked, len(trials))]
        self._looked, self._open = len(trials), []
        for number in looked_at:
            if not trials[number].state.is_finished():
                self._open.append(number)
            elif _counts(trials[number], len(signs)):
                rungs = {
                    rung: _signed(values, signs)
                    for rung, values in self._at_rungs(trials[number]).items()
                    if len(values) == len(signs)
                }
                self._complete.append((_signed(trials[number].values, signs), rungs))


def _counts(trial: FrozenTrial, objectives: int) -> bool:
    kept = not any(broken > 0 for broken in trial.constraints.values())
    return trial.state == TrialState.COMPLETE and kept and len(trial.values) == objectives


def _signed(values: Sequence[float], signs: Array) -> Array:
    return np.nan_to_num(np.array(values, dtype=float) * signs, nan=np.inf)
