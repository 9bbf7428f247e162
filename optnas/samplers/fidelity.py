"""What trials that stopped early tell of full training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.trial import TrialState

from optnas.samplers.forecast import Ends, Forecast
from optnas.samplers.history import Observation, merged
from optnas.samplers.line import Line

__all__ = ["Evidence", "ends_of", "evidence"]

Array = NDArray[np.float64]

# The last so many trials that went on from a rung tell how values change from there.
_WENT_ON = 100


@dataclass(frozen=True)
class Evidence:
    """What trials say of the values of their candidates at full training.

    Attributes:
        observations: The trials.
        values: What each found, or is expected to have found had it gone on; shape (trials, objectives).
        deviations: The standard deviation of what is expected, 0 of what was found; of the same shape.
    """

    observations: list[Observation]
    values: Array
    deviations: Array


def evidence(finished: Sequence[Observation], forecast: Forecast) -> Evidence:
    """Return what trials that completed or were pruned tell, a paused one and its promotion as one trial.

    What a pruned trial would have come to is forecast where enough trials went on from its last rung. Till
    then what it had at its last rung is carried on to full training by a line, with a slope and
    a shift that are medians over the trials that have both (Theil 1950; Sen 1968): networks that failed
    altogether do not bend it. That is the autoregressive model of Kennedy & O'Hagan (2000), "Predicting
    the output from a complex computer code when fast approximations are available", with one line for
    each rung. Curves are no lines, so it is corrected by what trials of like values at the rung were
    off by, weighted by a kernel (Nadaraya 1964), and is as sure as these were close. Which trials went
    on was decided by the rung's value, and what predicts from that value is not biased by it. A hopeless
    trial would have come to what it had.
    """
    finished = merged(finished)
    expected = _expected(finished, forecast)
    told: list[Observation] = []
    values: list[Array] = []
    deviations: list[Array] = []
    for i, observation in enumerate(finished):
        found, deviation = observation.values, np.zeros_like(observation.values)
        if i in expected:
            found, deviation = expected[i]
        elif observation.hopeless and observation.rungs:
            found = observation.rungs[max(observation.rungs)]
        if np.isfinite(found).all():
            told.append(observation)
            values.append(found)
            deviations.append(deviation)
    shape = (len(told), len(values[0]) if values else 0)
    return Evidence(told, np.array(values).reshape(shape), np.array(deviations).reshape(shape))


def _expected(finished: Sequence[Observation], forecast: Forecast) -> dict[int, tuple[Array, Array]]:
    """Return the values that pruned trials are expected to have had, and their standard deviations."""
    by_rung: dict[int, list[int]] = {}
    for i, observation in enumerate(finished):
        if observation.state == TrialState.PRUNED and observation.rungs and not observation.hopeless:
            rung = max(observation.rungs)
            if np.isfinite(observation.rungs[rung]).all():
                by_rung.setdefault(rung, []).append(i)
    found: dict[int, tuple[Array, Array]] = {}
    for rung, places in by_rung.items():
        ends = ends_of(finished, rung, [finished[i] for i in places], forecast)
        values = ends.at(0)
        found.update(zip(places, zip(values, ends.at(1) - values, strict=True), strict=True))
    return found


def ends_of(
    finished: Sequence[Observation], rung: int, of: Sequence[Observation], forecast: Forecast
) -> Ends:
    """Return what to expect of trials ``of``, which have reached a rung, at full training."""
    ends = forecast.ends(finished, rung, of)
    if ends is None:
        now = np.array([observation.rungs[rung] for observation in of])
        columns = [line.ends(column) for line, column in zip(_lines(finished, rung), now.T, strict=True)]
        mean, deviation = np.array(columns).transpose(1, 2, 0)
        ends = Ends(mean, deviation, np.full(now.shape[1], np.nan))
    return ends


def _lines(finished: Sequence[Observation], rung: int) -> list[Line]:
    """Return for each objective how values at a rung become values at full training."""
    at_rung = [o for o in finished if rung in o.rungs and not o.hopeless]
    here = np.array([o.rungs[rung] for o in at_rung])
    both = np.array([(o.rungs[rung], o.values) for o in at_rung])
    both = both[np.isfinite(both).all(axis=(1, 2))][-_WENT_ON:]
    first, last = both.transpose(1, 0, 2)
    return [Line.through(*columns) for columns in zip(here.T, first.T, last.T, strict=True)]
