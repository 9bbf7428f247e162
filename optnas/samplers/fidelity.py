"""Multi-fidelity evidence: final values of complete trials, predicted ones of pruned trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.trial import TrialState

from optnas.samplers.forecast import FinalValues, Forecast
from optnas.samplers.history import Observation, merge_resumed
from optnas.samplers.robust_line import Line

__all__ = ["Evidence", "evidence", "predict_final"]

Array = NDArray[np.float64]

# The line from a rung to the end is fitted to the last so many trials that have both.
_WENT_ON = 100


@dataclass(frozen=True)
class Evidence:
    """Final values of trials, observed or predicted.

    Attributes:
        observations: The trials.
        values: Each trial's values at full training, observed or predicted; shape (trials, objectives).
        deviations: The standard deviation of each prediction, 0 for observed values; of the same shape.
    """

    observations: list[Observation]
    values: Array
    deviations: Array


def evidence(finished: Sequence[Observation], forecast: Forecast) -> Evidence:
    """Return the final values of complete trials and the predicted final values of pruned ones.

    A paused trial and the trial that resumed it count as one. Final values are forecast if enough trials
    were trained further from the same rung. Until then a line maps values at the rung to final values, with
    a slope and a shift that are medians over the trials that have both (Theil 1950; Sen 1968): networks
    that failed altogether do not bend it. That is the autoregressive model of Kennedy & O'Hagan (2000),
    "Predicting the output from a complex computer code when fast approximations are available", with one
    line for each rung. Learning curves are not linear, so the line is corrected by the residuals of trials
    with similar values at the rung, weighted by a kernel (Nadaraya 1964), and the deviation follows
    theirs. Which trials were trained further depended on the value at the rung, and a prediction from that
    value is not biased by the selection. A hopeless trial, pruned because it had learned nothing, is taken
    to end at the values of its last rung.
    """
    finished = merge_resumed(finished)
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
    """Return the predicted final values of pruned trials and their standard deviations, by index."""
    by_rung: dict[int, list[int]] = {}
    for i, observation in enumerate(finished):
        if observation.state == TrialState.PRUNED and observation.rungs and not observation.hopeless:
            rung = max(observation.rungs)
            if np.isfinite(observation.rungs[rung]).all():
                by_rung.setdefault(rung, []).append(i)
    found: dict[int, tuple[Array, Array]] = {}
    for rung, places in by_rung.items():
        ends = predict_final(finished, rung, [finished[i] for i in places], forecast)
        values = ends.at(0)
        found.update(zip(places, zip(values, ends.at(1) - values, strict=True), strict=True))
    return found


def predict_final(
    finished: Sequence[Observation], rung: int, of: Sequence[Observation], forecast: Forecast
) -> FinalValues:
    """Return the predicted final values of trials ``of``, all of which have reached ``rung``."""
    ends = forecast.predict(finished, rung, of)
    if ends is None:
        now = np.array([observation.rungs[rung] for observation in of])
        columns = [line.ends(column) for line, column in zip(_lines(finished, rung), now.T, strict=True)]
        mean, deviation = np.array(columns).transpose(1, 2, 0)
        ends = FinalValues(mean, deviation, np.full(now.shape[1], np.nan))
    return ends


def _lines(finished: Sequence[Observation], rung: int) -> list[Line]:
    """Return for each objective the line from values at a rung to final values."""
    at_rung = [o for o in finished if rung in o.rungs and not o.hopeless]
    here = np.array([o.rungs[rung] for o in at_rung])
    both = np.array([(o.rungs[rung], o.values) for o in at_rung])
    both = both[np.isfinite(both).all(axis=(1, 2))][-_WENT_ON:]
    first, last = both.transpose(1, 0, 2)
    return [Line.through(*columns) for columns in zip(here.T, first.T, last.T, strict=True)]
