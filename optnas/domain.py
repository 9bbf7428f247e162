"""The candidates of a study, for samplers that know what can be known before training."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from optnas.samplers.domain import Decide, Domain
from optnas.space import SpaceError
from optnas.space.closing import Closing

if TYPE_CHECKING:
    from optnas.study import Study

__all__ = ["StudyDomain"]

_REMEMBERED = 100_000


class StudyDomain(Domain):
    """What a :class:`~optnas.Study` may try: architectures and training choices together."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._distributions = study.distributions()
        self._key_and_known = lru_cache(maxsize=_REMEMBERED)(self._look)

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return self._distributions

    def decided(self, decide: Decide) -> dict[str, Any]:
        closing = Closing(decide)
        closing.close(self._study.space)
        closing.close(self._study.training.tree)
        return closing.decided

    def key(self, params: Mapping[str, Any]) -> Hashable:
        return self._key_and_known(tuple(params.items()))[0]

    def key_of(self, trial: FrozenTrial) -> Hashable:
        return trial.user_attrs.get("key") or self.key(trial.params)

    def known(self, params: Mapping[str, Any]) -> tuple[float | None, ...] | None:
        return self._key_and_known(tuple(params.items()))[1]

    def _look(self, items: tuple[tuple[str, Any], ...]) -> tuple[Hashable, tuple[float | None, ...] | None]:
        try:
            candidate = self._study.candidate(dict(items))
        except SpaceError:  # a trial of another space, or one that was stopped before it was decided
            return items, None
        try:
            costs = self._study.costs(candidate)
            for limit in self._study.constraints:
                if limit.needs is not None and limit.needs <= costs.keys() and limit.violation(costs) > 0:
                    return candidate.key, None
            return candidate.key, tuple(
                objective.metric(costs) if objective.metric.names <= costs.keys() else None
                for objective in self._study.objectives
            )
        except (SpaceError, ArithmeticError):  # it cannot be, or what is asked of it has no value
            return candidate.key, None
