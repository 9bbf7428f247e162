"""Which values a study is about: what is of any use, and what can be reached."""

from __future__ import annotations

import dataclasses

import numpy as np
import optuna
from numpy.typing import NDArray

from optnas.trials.record import REGION

__all__ = ["Region"]

Array = NDArray[np.float64]

# Of the way from the best value to chance, how much is of use where nobody has said.
_SHARE_OF_CHANCE = 0.2


@dataclasses.dataclass(frozen=True)
class Region:
    """Which values a study is about. Each has an entry for each objective, or none at all.

    Attributes:
        limits: The worst value that is of use, where that was said.
        chance: What a candidate that has learned nothing has, where that is known.
        ideal: The best that a value can be at all, where that is known.
    """

    limits: tuple[float | None, ...] = ()
    chance: tuple[float | None, ...] = ()
    ideal: tuple[float | None, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is said of the worst value that is of use."""
        return any(value is not None for value in (*self.limits, *self.chance))

    @classmethod
    def of(cls, study: optuna.Study) -> Region:
        """Return the region of a study in a storage, as :meth:`keep` left it there."""
        kept = REGION.of(study) or {}
        return cls(**{name: tuple(values) for name, values in kept.items()})

    def keep(self, study: optuna.Study) -> None:
        """Keep this with a study, for those who look at it without its file."""
        if Region.of(study) != self:
            REGION.put(study, dataclasses.asdict(self))

    def stated(self, signs: Array) -> Array:
        """Return the limits, to be minimised; NaN where nothing was said."""
        return self._signed(self.limits, signs)

    def worst(self, best: Array, signs: Array) -> Array:
        """Return the worst value of each objective that is of use; NaN where nothing is known of that.

        That is what was said. Else it is a fifth of the way from the best that was found to chance: who
        looks for a small network gives away some of what can be learned, but not most of it.

        Args:
            best: The best values found so far, to be minimised, shape (objectives,).
            signs: 1 for each objective to be minimised, -1 for each to be maximised.
        """
        stated, chance = self.stated(signs), self._signed(self.chance, signs)
        usual = np.where(chance > best, best + _SHARE_OF_CHANCE * (chance - best), np.nan)
        return np.where(np.isfinite(stated), stated, usual)

    def best(self, signs: Array) -> Array:
        """Return the best that each objective can be, to be minimised; minus infinity where unknown."""
        ideal = self._signed(self.ideal, signs)
        return np.where(np.isfinite(ideal), ideal, -np.inf)

    @staticmethod
    def _signed(values: tuple[float | None, ...], signs: Array) -> Array:
        return np.array(values or [None] * len(signs), dtype=float) * signs
