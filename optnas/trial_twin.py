"""The trial that trained the same candidate before: no candidate is trained twice."""

from __future__ import annotations

from optuna.trial import FrozenTrial, Trial, TrialState

from optnas.declaration import Declaration
from optnas.space.own_ops import changed_ops
from optnas.trial_measuring import rejected_by_noise
from optnas.trials.optuna_internals import cached_trials
from optnas.trials.record import KEY, OPS, TWIN

__all__ = ["finished_twin"]


def finished_twin(study: Declaration, trial: Trial, key: str) -> FrozenTrial | None:
    """Return the trial that trained the candidate with this key, the one that completed before all others."""
    twins = [
        other
        for other in cached_trials(trial.study)
        if KEY.of(other) == key
        and other.state in (TrialState.COMPLETE, TrialState.PRUNED)
        and TWIN.of(other) is None
        and not rejected_by_noise(study, other)
        and not changed_ops(OPS.of(other), study.own_ops)
    ]
    # Of a candidate that was promoted there are several.
    return min(twins, key=lambda twin: (twin.state != TrialState.COMPLETE, -twin.number), default=None)
