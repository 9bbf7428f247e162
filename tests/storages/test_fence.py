"""A trial that another worker took over is written by that worker alone."""

from __future__ import annotations

import threading
from pathlib import Path

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import TrialState

from optnas.storages.fence import LeaseLost, fenced, unfenced
from optnas.storages.opening import open_storage

WRITES = {
    "a parameter": lambda s, t: s.set_trial_param(t, "x", 1, IntDistribution(0, 3)),
    "a user attribute": lambda s, t: s.set_trial_user_attr(t, "a", 1),
    "a system attribute": lambda s, t: s.set_trial_system_attr(t, "a", 1),
    "an intermediate value": lambda s, t: s.set_trial_intermediate_value(t, 0, 1.0),
    "the state": lambda s, t: s.set_trial_state_values(t, TrialState.COMPLETE, [1.0]),
}


def refuse() -> None:
    raise LeaseLost("it is another's")


@pytest.fixture(params=["sqlite:///a.db", "a.log"])
def study(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> optuna.Study:
    monkeypatch.chdir(tmp_path)
    return optuna.create_study(storage=open_storage(request.param))


@pytest.mark.parametrize("what", WRITES)
def test_nothing_is_written_to_a_trial_whose_lease_is_lost(study: optuna.Study, what: str) -> None:
    storage, trial, other = study._storage, study.ask()._trial_id, study.ask()._trial_id
    before = storage.get_trial(trial)
    with fenced(storage, trial, refuse):
        with pytest.raises(LeaseLost):
            WRITES[what](storage, trial)
        assert storage.get_trial(trial) == before
        WRITES[what](storage, other)
    WRITES[what](storage, trial)
    assert storage.get_trial(trial) != before


def test_a_fence_holds_in_every_thread(study: optuna.Study) -> None:
    storage, trial = study._storage, study.ask()._trial_id
    raised: list[BaseException] = []

    def write() -> None:
        try:
            storage.set_trial_user_attr(trial, "a", 1)
        except LeaseLost as error:
            raised.append(error)

    with fenced(storage, trial, refuse):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert len(raised) == 1


def test_what_the_check_itself_does_is_not_fenced(study: optuna.Study) -> None:
    storage, trial = study._storage, study.ask()._trial_id
    checks: list[int] = []

    def check() -> None:
        checks.append(len(storage.get_trial(trial).user_attrs))
        storage.set_trial_user_attr(trial, "renewed", True)

    with fenced(storage, trial, check):
        storage.set_trial_user_attr(trial, "a", 1)
        with unfenced(storage):
            storage.set_trial_user_attr(trial, "b", 1)
    assert checks == [0]
    assert storage.get_trial(trial).user_attrs == {"renewed": True, "a": 1, "b": 1}
