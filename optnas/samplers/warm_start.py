"""Wrapper that lets any sampler begin with the best of many screened candidates."""

from __future__ import annotations

import threading
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optnas.samplers.domain import Domain, Params
from optnas.samplers.generations import count_as_proposed
from optnas.samplers.screening import screened
from optnas.samplers.wrapper import WrapperSampler
from optnas.trials.directions import signs_of
from optnas.trials.optuna_internals import id_of, identity
from optnas.trials.record import ENQUEUED, WARM_START

__all__ = ["WarmStartSampler"]


class WarmStartSampler(WrapperSampler):
    """Wrapper whose first proposals are the best of many random candidates by their scores.

    The candidates are screened once for a study (:mod:`optnas.samplers.screening`), when the first trial
    asks. Each one proposed is tried by one trial, whichever worker runs it; enqueued trials take none of
    them. Afterwards the wrapped sampler proposes; it learns from these trials as from any.

    Args:
        sampler: Any sampler.
        domain: The search space, which says how its candidates are screened.
    """

    def __init__(self, sampler: BaseSampler, domain: Domain) -> None:
        self._wrapped = sampler
        self._domain = domain
        # By thread, as each thread of ``study.optimize(n_jobs=…)`` has a trial of its own.
        self._warm: dict[int, tuple[int, Params | None]] = {}
        self._proposals: tuple[Any, list[Params]] | None = None

    @property
    def wrapped(self) -> BaseSampler:
        return self._wrapped

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        if self._candidate(study, trial) is not None:
            return self._domain.distributions
        return super().infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        candidate = self._candidate(study, trial)
        if candidate is None:
            return super().sample_relative(study, trial, search_space)
        count_as_proposed(self.wrapped, study, trial)
        return {name: value for name, value in candidate.items() if name in search_space}

    def _candidate(self, study: Study, trial: FrozenTrial) -> Params | None:
        """Return the screened candidate that the trial tries; ``None`` if the wrapped sampler proposes."""
        known = self._warm.get(threading.get_ident())
        if known is None or known[0] != id_of(trial):
            known = id_of(trial), self._taken(study, trial)
            self._warm[threading.get_ident()] = known
        return known[1]

    def _taken(self, study: Study, trial: FrozenTrial) -> Params | None:
        before = WARM_START.of(trial)
        if before is not None:  # of a worker that died
            return before
        if ENQUEUED.of(trial):
            return None
        if self._proposals is None or self._proposals[0] != identity(study):
            self._proposals = identity(study), self._proposed(study)
        if not self._proposals[1]:
            return None
        trials = study.get_trials(deepcopy=False)
        left = self._left(trials)
        if not left:
            self._proposals = identity(study), []
            return None
        # One is left for each earlier trial that has not decided yet: then two workers never take the same.
        place = sum(_is_undecided(other) for other in trials[: trial.number])
        if place >= len(left):
            return None
        WARM_START.put_in(study, trial, left[place])
        return left[place]

    def _proposed(self, study: Study) -> list[Params]:
        screening = self._domain.screening
        if screening is None:
            return []
        found = screened(study, self._domain, screening)
        return found.best(self._domain, signs_of(study), screening.proposals)

    def _left(self, trials: list[FrozenTrial]) -> list[Params]:
        """Return the candidates that no trial has."""
        assert self._proposals is not None
        taken = {self._domain.key_of(trial) for trial in trials if trial.params}
        taken |= {self._domain.key(params) for trial in trials if (params := WARM_START.of(trial))}
        return [params for params in self._proposals[1] if self._domain.key(params) not in taken]


def _is_undecided(trial: FrozenTrial) -> bool:
    fixed = trial.params or WARM_START.of(trial) or ENQUEUED.of(trial)
    return trial.state == TrialState.RUNNING and not fixed
