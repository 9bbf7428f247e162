"""Aggregate of several scores of candidates by their ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

__all__ = ["log_ranks"]


def log_ranks(scores: Mapping[str, Sequence[float]]) -> NDArray[np.float64]:
    """Return the sum over scores of the logarithm of each candidate's rank as a share, shape (candidates,).

    The best rank has the logarithm 0: a candidate that one of the scores finds bad is bad, however good it is
    by the others. Equal values share their mean rank. The higher the better.

    Lee & Ham 2024, "AZ-NAS: assembling zero-cost proxies for network architecture search", arXiv 2403.19232.

    >>> log_ranks({"naswot": [1.0, 2.0], "synflow": [5.0, 7.0]}).round(2).tolist()
    [-1.39, 0.0]

    Args:
        scores: The values of all candidates by each score, of which higher are better.
    """
    ranked = [scipy.stats.rankdata(values) / len(values) for values in scores.values()]
    summed: NDArray[np.float64] = np.log(ranked).sum(axis=0)
    return summed
