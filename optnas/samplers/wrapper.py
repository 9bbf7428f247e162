"""Base class of samplers that wrap another one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

__all__ = ["WrapperSampler"]


class WrapperSampler(BaseSampler):
    """Sampler that hands every call on to the one that it wraps; subclasses override what they change."""

    @property
    @abstractmethod
    def wrapped(self) -> BaseSampler:
        """The wrapped sampler."""

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
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
        self.wrapped.reseed_rng()
