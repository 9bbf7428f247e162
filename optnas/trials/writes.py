"""Collected writes to one trial."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import TrialState

__all__ = ["Writes"]


@dataclasses.dataclass
class Writes:
    """Writes to one trial, each kind in the order it came.

    Attributes:
        params: Parameters by name: the value as storages keep it, and its distribution.
        user_attrs: User attributes by name.
        system_attrs: System attributes by name.
        intermediate_values: Intermediate values by step.
        state: The state that the running trial ends in; ``None`` if it goes on.
        values: Its values.
    """

    params: dict[str, tuple[float, BaseDistribution]] = dataclasses.field(default_factory=dict)
    user_attrs: dict[str, Any] = dataclasses.field(default_factory=dict)
    system_attrs: dict[str, Any] = dataclasses.field(default_factory=dict)
    intermediate_values: dict[int, float] = dataclasses.field(default_factory=dict)
    state: TrialState | None = None
    values: Sequence[float] | None = None

    def __bool__(self) -> bool:
        attributes = self.user_attrs or self.system_attrs
        return bool(self.params or attributes or self.intermediate_values) or self.state is not None

    def one_by_one(self, storage: BaseStorage, trial_id: int) -> None:
        """Write them to a trial by the operations that every storage has, the state last."""
        for name, (value, distribution) in self.params.items():
            storage.set_trial_param(trial_id, name, value, distribution)
        for key, value in self.user_attrs.items():
            storage.set_trial_user_attr(trial_id, key, value)
        for key, value in self.system_attrs.items():
            storage.set_trial_system_attr(trial_id, key, value)
        for step, value in self.intermediate_values.items():
            storage.set_trial_intermediate_value(trial_id, step, value)
        if self.state is not None:
            storage.set_trial_state_values(trial_id, self.state, self.values)
