"""Wrapper that makes a sampler's proposals reproducible, whichever worker asks."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from optnas.samplers.wrapper import WrapperSampler

__all__ = ["SeededSampler"]


class SeededSampler(WrapperSampler):
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
        super().before_trial(study, trial)

    def reseed_rng(self) -> None:
        """Do nothing: each trial already has a seed of its own."""
