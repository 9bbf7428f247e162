"""Trials whose parameters a sampler did not propose, for samplers that go by generations."""

from __future__ import annotations

from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

__all__ = ["count_as_proposed"]


def count_as_proposed(sampler: BaseSampler, study: Study, trial: FrozenTrial) -> None:
    """Let a sampler, or what it wraps, take a trial with given parameters for one that it proposed.

    NSGA-II takes parents from a generation's trials, and gives a generation only to trials that it proposes.
    """
    while hasattr(sampler, "wrapped"):
        sampler = sampler.wrapped
    if hasattr(sampler, "get_trial_generation"):
        sampler.get_trial_generation(study, trial)
