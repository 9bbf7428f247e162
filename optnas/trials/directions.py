"""Directions of a study's objectives, as signs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from optuna.study import Study, StudyDirection

__all__ = ["signs_of"]


def signs_of(study: Study) -> NDArray[np.float64]:
    """Return 1 for each objective to be minimised, -1 for each to be maximised.

    Values times these signs are all to be minimised.
    """
    return np.array([-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in study.directions])
