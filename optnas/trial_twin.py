"""The trial that trained the same candidate before: no candidate is trained twice."""

from __future__ import annotations

import threading
from weakref import WeakKeyDictionary

from optuna.trial import FrozenTrial, Trial, TrialState

from optnas.declaration import Declaration
from optnas.space.own_ops import changed_ops
from optnas.trial_measuring import rejected_by_noise
from optnas.trials.optuna_internals import cached_trials
from optnas.trials.reader import Reader
from optnas.trials.record import KEY, OPS, TWIN

__all__ = ["finished_twin"]

_ByKey = dict[str, list[FrozenTrial]]

# Threads of ``study.optimize(n_jobs=…)`` share what was read.
_ONE_AT_A_TIME = threading.Lock()
_readers: WeakKeyDictionary[Declaration, Reader[_ByKey]] = WeakKeyDictionary()


def finished_twin(study: Declaration, trial: Trial, key: str) -> FrozenTrial | None:
    """Return the trial that trained the candidate with this key, the one that completed before all others."""
    trials = cached_trials(trial.study)
    with _ONE_AT_A_TIME:
        reader = _readers.setdefault(study, Reader(lambda _: {}, _take))
        equal = list(reader.read(trial.study, trials).get(key, ()))
    twins = [
        other
        for other in equal
        if not rejected_by_noise(study, other) and not changed_ops(OPS.of(other), study.own_sources)
    ]
    # Of a candidate that was promoted there are several.
    return min(twins, key=lambda twin: (twin.state != TrialState.COMPLETE, -twin.number), default=None)


def _take(by_key: _ByKey, trial: FrozenTrial) -> None:
    if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
        key = KEY.of(trial)
        if key is not None and TWIN.of(trial) is None:
            by_key.setdefault(key, []).append(trial)
