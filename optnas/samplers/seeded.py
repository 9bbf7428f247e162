"""Wrapper that makes a sampler's proposals reproducible, whichever worker asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

__all__ = ["SeededSampler"]


class SeededSampler(BaseSampler):
    """Wrapper that makes a new sampler for each trial, seeded by the trial's number.

    A proposal depends on the trials in the storage and on nothing that this process did before: an
    interrupted search resumes as if it had not been interrupted, and two workers never draw the same.

    Args:
        make: Returns a sampler for a seed.
        seed: Seed of the whole study.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self._make = make
        self._seed = seed
        self._before = make(seed)
        self._by_thread: dict[int, BaseSampler] = {}

    @property
    def wrapped(self) -> BaseSampler:
        # Each thread of ``study.optimize(n_jobs=…)`` has a trial of its own.
        return self._by_thread.get(threading.get_ident(), self._before)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        seed = np.random.SeedSequence([self._seed, trial.number]).generate_state(1)[0]
        self._by_thread[threading.get_ident()] = self._make(int(seed))
        self.wrapped.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.wrapped.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.wrapped.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.wrapped.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self.wrapped.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Do nothing: each trial already has a seed of its own."""
