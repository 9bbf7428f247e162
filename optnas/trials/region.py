"""Region of interest of a study: useful objective values, and the best possible ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import optuna
from numpy.typing import NDArray

from optnas.trials.record import REGION

__all__ = ["Region"]

Array = NDArray[np.float64]

# Without a limit, the region is this share of the way from the best value to chance.
_SHARE_OF_CHANCE = 0.2


@dataclasses.dataclass(frozen=True)
class Region:
    """Region of interest among objective values. Each attribute has an entry per objective, or none at all.

    Attributes:
        limits: The worst useful value of each objective, ``None`` if not stated.
        chance: The value of a candidate that has learned nothing, ``None`` if unknown.
        ideal: The best possible value, ``None`` if unknown.
    """

    limits: tuple[float | None, ...] = ()
    chance: tuple[float | None, ...] = ()
    ideal: tuple[float | None, ...] = ()

    def __bool__(self) -> bool:
        """Return whether a limit or a chance level is known, which bounds the region."""
        return any(value is not None for value in (*self.limits, *self.chance))

    @classmethod
    def of(cls, study: optuna.Study) -> Region:
        """Return the region of a study in a storage, as written by :meth:`keep`."""
        kept = REGION.of(study) or {}
        return cls(**{name: tuple(values) for name, values in kept.items()})

    def keep(self, study: optuna.Study) -> None:
        """Write the region to a study, for programs that read it without the study file."""
        if Region.of(study) != self:
            REGION.put(study, dataclasses.asdict(self))

    def stated(self, signs: Array) -> Array:
        """Return the stated limits, with signs to be minimised; NaN where there is none."""
        return self._signed(self.limits, signs)

    def worst(self, best: Array, signs: Array) -> Array:
        """Return the worst value of each objective inside the region; NaN where it has no known bound.

        That is the stated limit. Without one it is a fifth of the way from the best value found to chance: a
        search for small networks gives away some of what can be learned, but not most of it.

        Args:
            best: The best values found so far, to be minimised, shape (objectives,).
            signs: 1 for each objective to be minimised, -1 for each to be maximised.
        """
        stated, chance = self.stated(signs), self._signed(self.chance, signs)
        usual = np.where(chance > best, best + _SHARE_OF_CHANCE * (chance - best), np.nan)
        return np.where(np.isfinite(stated), stated, usual)

    def best(self, signs: Array) -> Array:
        """Return the best possible value of each objective, to be minimised; minus infinity if unknown."""
        ideal = self._signed(self.ideal, signs)
        return np.where(np.isfinite(ideal), ideal, -np.inf)

    @staticmethod
    def _signed(values: tuple[float | None, ...], signs: Array) -> Array:
        return np.array(values or [None] * len(signs), dtype=float) * signs
