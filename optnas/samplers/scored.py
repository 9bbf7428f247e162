"""A domain whose candidates have the ranks of their scores before a trial as features."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from optnas.samplers.domain import Decide, Domain, Params
from optnas.samplers.scoring import Scores, Screening
from optnas.samplers.screening import Screened
from optnas.trials.record import SCORES
from optnas.trials.region import Region

__all__ = ["ScoredDomain"]


class ScoredDomain(Domain):
    """The domain of a study with its candidates' scores as further features.

    A score has no scale of its own: that of a network that is of no use may be a million times that of
    others. So a feature is a score's rank among the screened candidates, as a share, and one more is their
    aggregate, the sum of the logarithms of the ranks.

    Args:
        domain: The domain.
        screening: How its candidates are scored.
        screened: The candidates that scores are compared with.
    """

    def __init__(self, domain: Domain, screening: Screening, screened: Screened) -> None:
        self.of = domain
        self._screening = screening
        self._columns = np.sort(screened.scores, axis=0).T
        self._scores: dict[Hashable, Scores | None] = {}
        self._features: dict[Hashable, list[float]] = {}
        self._read: set[int] = set()
        self._remember(zip(screened.candidates, map(tuple, screened.scores.tolist()), strict=True))

    def read(self, trials: Iterable[FrozenTrial]) -> None:
        """Take the scores that other workers recorded of their trials."""
        for trial in trials:
            found = None if trial.number in self._read else SCORES.of(trial)
            if found is None or not found.keys() >= set(self._screening.names):
                continue
            if self.known(trial.params) is not None:  # all of them are written, and of this space
                self._remember([(trial.params, tuple(found[name] for name in self._screening.names))])
                self._read.add(trial.number)

    def scores(self, params: Mapping[str, Any]) -> Scores | None:
        """Return a candidate's scores, computed if neither this process nor a record has them."""
        key = self._screening.same(params)
        if key not in self._scores:
            self._scores[key] = self._screening.scores_of(params)
        return self._scores[key]

    def record_of(self, params: Mapping[str, Any]) -> dict[str, float] | None:
        """Return a candidate's scores by name, for the record of its trial; ``None`` if none is computed."""
        scores = self.scores(params) if self._screening.computed and self.known(params) is not None else None
        return None if scores is None else dict(zip(self._screening.names, scores, strict=True))

    def _remember(self, found: Iterable[tuple[Params, Scores]]) -> None:
        for params, scores in found:
            self._scores.setdefault(self._screening.same(params), scores)

    def features(self, params: Mapping[str, Any]) -> Sequence[float]:
        key = tuple(params.items())
        if key not in self._features:
            scores = self.scores(params)
            ranks = [0.5] * len(self._columns)
            if scores is not None:
                ranks = [_rank(column, score) for column, score in zip(self._columns, scores, strict=True)]
            aggregate = sum(map(math.log, ranks)) / len(ranks)
            self._features[key] = [*self.of.features(params), *ranks, aggregate]
        return self._features[key]

    # As the domain has them.

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return self.of.distributions

    def decided(self, decide: Decide) -> Params:
        return self.of.decided(decide)

    def key(self, params: Mapping[str, Any]) -> Hashable:
        return self.of.key(params)

    def key_of(self, trial: FrozenTrial) -> Hashable:
        return self.of.key_of(trial)

    def known(self, params: Mapping[str, Any]) -> Sequence[float | None] | None:
        return self.of.known(params)

    @property
    def costly(self) -> bool:
        return self.of.costly

    @property
    def training(self) -> frozenset[str]:
        return self.of.training

    @property
    def region(self) -> Region:
        return self.of.region


def _rank(column: Any, score: float) -> float:
    """Return the share of a sorted column that is below a score, above 0 and below 1."""
    below, equal = np.searchsorted(column, score, "left"), np.searchsorted(column, score, "right")
    return float(below + equal + 1) / (2 * len(column) + 2)
