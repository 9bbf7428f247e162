"""What a trial will come to is forecast from a rung."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState

from optnas.samplers.domain import Domain, FlatDomain
from optnas.samplers.forecast import Forecast
from optnas.samplers.history import Observation
from optnas.trials.region import Region

SPACE = {"lr": FloatDistribution(1e-3, 1e-1, log=True), "width": IntDistribution(1, 64)}
SIGNS = np.array([-1.0, 1.0])


class Networks(FlatDomain):
    """The learning rate says who learns slowly; wide networks get further."""

    region = Region(chance=(0.1, None), ideal=(1.0, None))
    training = frozenset({"lr"})

    def features(self, params: Mapping[str, Any]) -> Sequence[float]:
        return (math.log10(params["width"]),)


def trained(number: int, lr: float, width: int, *, state: TrialState = TrialState.COMPLETE) -> Observation:
    error = 0.3 / (1 + math.log(width))
    # Far from the end at the rung, and by how much hangs on the learning rate.
    begun = min(0.9, error + 0.3 * (1 + math.sin(4 * math.log10(lr))))
    done = state == TrialState.COMPLETE
    values = np.array([error - 1, width]) if done else np.full(2, math.nan)
    rungs = {1: np.array([begun - 1, width])}
    when = datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=number)
    return Observation(number, {"lr": lr, "width": width}, values, 0.0, rungs, state, when)


def several(count: int) -> list[Observation]:
    rng = np.random.default_rng(0)
    return [trained(i, float(10 ** rng.uniform(-3, -1)), int(2 ** rng.uniform(0, 6))) for i in range(count)]


def test_how_a_candidate_is_trained_tells_a_slow_learner_from_a_bad_network() -> None:
    slow = trained(100, 1e-3, 32, state=TrialState.PRUNED)
    finished = several(40)

    def error(domain: Domain) -> float:
        ends = Forecast(domain, SIGNS).predict(finished, 1, [slow])
        assert ends is not None
        return float(abs(ends.at(0)[0, 0] - (0.3 / (1 + math.log(32)) - 1)))

    assert error(Networks(SPACE)) < 0.02
    assert error(Networks(SPACE)) < 0.5 * error(FlatDomain(SPACE))


def test_what_is_the_same_at_the_rung_and_at_the_end_is_known() -> None:
    ends = Forecast(Networks(SPACE), SIGNS).predict(several(20), 1, several(3))
    assert ends is not None
    assert (ends.at(3)[:, 1] == ends.at(0)[:, 1]).all()
    assert ends.at(0)[:, 1].tolist() == [o.params["width"] for o in several(3)]
    assert (ends.at(1)[:, 0] > ends.at(0)[:, 0]).all()


def test_complete_trials_are_judged_as_if_they_were_not_known() -> None:
    finished = several(20)
    lucky = dataclasses.replace(finished[5], values=np.array([-0.999, finished[5].values[1]]))
    finished[5] = lucky
    ends = Forecast(Networks(SPACE), SIGNS).predict(finished, 1, [lucky])
    assert ends is not None
    assert ends.at(0)[0, 0] > -0.95


def test_too_few_tell_nothing() -> None:
    assert Forecast(Networks(SPACE), SIGNS).predict(several(7), 1, several(1)) is None
    assert Forecast(Networks(SPACE), SIGNS).predict(several(20), 3, several(1)) is None
    assert Forecast(Networks(SPACE), SIGNS).predict(several(20), 1, []) is None


def test_whoever_begins_late_forecasts_the_same() -> None:
    early, some = Forecast(Networks(SPACE), SIGNS), several(30)
    for count in range(8, 30):
        early.predict(some[:count], 1, some[:1])
    ours, theirs = (f.predict(some, 1, some[:3]) for f in (early, Forecast(Networks(SPACE), SIGNS)))
    assert ours is not None
    assert theirs is not None
    assert ours.at(1) == pytest.approx(theirs.at(1))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_diverged_spoils_nothing(value: float) -> None:
    finished = several(20)
    finished[3].rungs[1][0] = value  # type: ignore[index]
    ends = Forecast(Networks(SPACE), SIGNS).predict(finished, 1, several(2))
    assert ends is not None
    assert np.isfinite(ends.at(1)).all()


def test_what_is_of_no_use_any_more_and_what_begins_to_change_late_are_no_trouble() -> None:
    class Narrower(Networks):
        def known(self, params: Mapping[str, Any]) -> Sequence[float | None] | None:
            return None if params["width"] > 32 else (None, float(params["width"]))

    forecast, finished = Forecast(Narrower(SPACE), SIGNS), several(20)
    wide = trained(99, 0.01, 64, state=TrialState.PRUNED)
    ends = forecast.predict(finished, 1, [wide])
    assert ends is not None
    assert np.isfinite(ends.at(1)).all()
    # A cost that was the same at the rung and at the end so far is measured anew, and differs.
    finished[-1] = dataclasses.replace(finished[-1], values=finished[-1].values + np.array([0.0, 1.0]))
    ends = forecast.predict(finished, 1, [wide])
    assert ends is not None
    assert np.isfinite(ends.at(1)).all()
