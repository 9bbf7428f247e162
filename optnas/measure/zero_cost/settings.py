"""Settings of a study's screening of random candidates by zero-cost scores."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from optnas.errors import UserError, check_whole, nearest
from optnas.measure.zero_cost.scores import AGGREGATED, METRICS

__all__ = ["ZeroCost"]

# The scores of all candidates are one value in the database, which MySQL limits to 64 KB.
_MOST = 500


@dataclasses.dataclass(frozen=True)
class ZeroCost:
    """Settings for ``Study(warm_start="zero-cost")`` and ``Study(features="zero-cost")``.

    Before the first trial, random candidates that keep the constraints are built, and scored on 64 samples
    without training, once for the study and all of its workers. With six scores that takes some 0.1 to 2
    seconds a network on a CPU core, counted as the sampler's.

    Attributes:
        scores: The names of the scores; by default ``naswot``, ``jacob_cov``, ``synflow``, ``expressivity``,
            ``progressivity`` and ``trainability``. Of a study with ``evaluate=`` they are values that its
            ``costs=`` returns, such as published scores in a table. Higher values are better.
        candidates: The most candidates that are scored, up to 500.
        seconds: Time after which no further candidate is scored.
        proposals: The most trials that a warm start proposes. There is at least one, and beyond that at most
            an eighth of the candidates that were scored.

    Raises:
        UserError: If a number is out of range, or ``scores`` is no list of different names.
    """

    scores: Sequence[str] = AGGREGATED
    candidates: int = 100
    seconds: float = 120.0
    proposals: int = 10

    def __post_init__(self) -> None:
        check_whole("ZeroCost", 1, _MOST, candidates=self.candidates, proposals=self.proposals)
        seconds = self.seconds
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds < math.inf:
            raise UserError(f"ZeroCost(seconds={seconds!r}): give a number of seconds above 0")
        names = self.scores
        wrong = isinstance(names, str) or not names or not all(isinstance(name, str) for name in names)
        if wrong or len({*names}) < len(names):
            raise UserError(f"ZeroCost(scores={names!r}): give different names, such as {[*AGGREGATED[:2]]}")
        object.__setattr__(self, "scores", tuple(names))

    def check_computed(self, study: str) -> None:
        """Raise ``UserError`` if a score is none that is computed of a built network."""
        for name in self.scores:
            if name not in METRICS:
                raise UserError(f"study {study!r}: no score is called {name!r}: {nearest(name, METRICS)}")
