from __future__ import annotations

import dataclasses
import datetime
import math

import numpy as np
import pytest
from optuna.trial import TrialState

from optnas.samplers import fidelity
from optnas.samplers.domain import FlatDomain
from optnas.samplers.fidelity import Evidence
from optnas.samplers.forecast import Forecast
from optnas.samplers.history import Observation

RNG = np.random.default_rng(0)


def evidence(finished: list[Observation]) -> Evidence:
    return fidelity.evidence(finished, Forecast(FlatDomain({}), np.ones(2)))


def went_on(rung: float, end: float, cost: float = 7.0) -> Observation:
    rungs = {3: np.array([rung, cost])}
    return observed(np.array([end, cost]), rungs, TrialState.COMPLETE)


def stopped(rung: float, cost: float = 7.0, step: int = 3) -> Observation:
    rungs = {1: np.array([0.9, cost]), step: np.array([rung, cost])}
    return observed(np.full(2, math.nan), rungs, TrialState.PRUNED)


def observed(values: np.ndarray, rungs: dict[int, np.ndarray], state: TrialState) -> Observation:
    return Observation(0, {}, values, 0.0, rungs, state, datetime.datetime.max)


def test_what_was_found_is_what_was_found() -> None:
    told = evidence([went_on(0.5, 0.2), went_on(0.6, 0.5)])
    assert told.values.tolist() == [[0.2, 7.0], [0.5, 7.0]]
    assert (told.deviations == 0).all()


def test_a_stopped_trial_is_carried_on_as_those_that_went_on_went() -> None:
    rungs = RNG.random(30)
    finished = [went_on(rung, 0.1 + 0.4 * rung + 0.01 * RNG.standard_normal()) for rung in rungs]
    told = evidence([*finished, stopped(0.7, cost=9.0), stopped(1.5, cost=9.0)])
    assert told.values[-2] == pytest.approx([0.1 + 0.4 * 0.7, 9.0], abs=0.03)
    assert told.values[-1] == pytest.approx([0.1 + 0.4 * 1.5, 9.0], abs=0.03)
    assert 0.005 < told.deviations[-2, 0] < 0.06
    assert told.deviations[-1, 0] > 2 * told.deviations[-2, 0]  # nothing like it went on
    assert (told.deviations[-2:, 1] < 1e-9).all()


def test_a_curve_is_followed_where_it_leaves_the_line() -> None:
    """Of networks that are bad at the rung many stay bad, however good the others become."""
    good = [went_on(rung, 0.02) for rung in np.linspace(0.2, 0.4, 12)]
    bad = [went_on(rung, rung) for rung in np.linspace(0.85, 0.9, 6)]
    told = evidence([*good, *bad, stopped(0.88), stopped(0.3)])
    assert told.values[-2, 0] == pytest.approx(0.88, abs=0.2)
    assert told.values[-1, 0] == pytest.approx(0.02, abs=0.05)


def test_what_was_hopeless_stays_as_it_is() -> None:
    finished = [went_on(rung, rung - 0.5) for rung in np.linspace(0.5, 0.9, 9)]
    hopeless = dataclasses.replace(stopped(0.9), hopeless=True)
    told = evidence([*finished, hopeless])
    assert told.values[-1, 0] == 0.9
    assert told.deviations[-1, 0] == 0


def test_networks_that_failed_altogether_do_not_bend_the_line() -> None:
    finished = [went_on(rung, 0.1 + 0.4 * rung) for rung in np.linspace(0.1, 0.5, 20)]
    finished += [went_on(0.9, 0.9), went_on(0.9, 0.9)]
    told = evidence([*finished, stopped(0.6)])
    assert told.values[-1, 0] == pytest.approx(0.34, abs=0.01)


def test_before_any_trial_went_on_the_rungs_values_stand_and_are_doubted() -> None:
    told = evidence([stopped(0.3), stopped(0.5), stopped(0.8), stopped(0.6, step=9)])
    assert told.values[:, 0].tolist() == [0.3, 0.5, 0.8, 0.6]
    assert (told.deviations[:3, 0] > 0.05).all()


def test_a_few_trials_that_went_on_leave_more_doubt_than_many() -> None:
    others = [stopped(rung) for rung in np.linspace(0.1, 0.9, 9)]
    doubts = []
    for count in (1, 3, 20):
        finished = [went_on(rung, 0.3 + 0.5 * rung) for rung in np.linspace(0.2, 0.4, count)]
        doubts.append(evidence([*others, *finished]).deviations[0, 0])
    assert doubts[0] >= doubts[1] > doubts[2]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_diverged_tells_no_value_and_spoils_none(value: float) -> None:
    told = evidence([went_on(value, 0.5), went_on(0.4, 0.3), stopped(value), stopped(0.6)])
    assert len(told.observations) == 3
    assert np.isfinite(told.values).all()
    assert np.isfinite(told.deviations).all()


def test_trials_without_rungs_that_were_pruned_tell_nothing() -> None:
    assert evidence([observed(np.full(2, math.nan), {}, TrialState.PRUNED)]).observations == []


def test_a_paused_trial_and_those_that_went_on_with_it_are_one() -> None:
    paused = stopped(0.5, step=3)
    further = dataclasses.replace(stopped(0.4, step=9), number=4, promotes=0)
    end = observed(np.array([0.1, 7.0]), {}, TrialState.COMPLETE)
    end = dataclasses.replace(end, number=7, promotes=4)
    failed = dataclasses.replace(paused, number=8, promotes=0, rungs={}, state=TrialState.FAIL)
    for order in ([paused, further, end, failed], [failed, further, end, paused]):
        told = evidence(order)
        (only,) = told.observations
        assert (only.number, list(only.rungs)) == (7, [1, 3, 9])
        assert told.values.tolist() == [[0.1, 7.0]]
    assert evidence([paused, failed]).observations[0].number == 0
