"""Trials are read from a database and created in it as Optuna does, with fewer statements."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import event

from optnas.run.claims import Claims, NoTrial
from optnas.storages.opening import open_storage
from optnas.trials import optuna_rows
from optnas.trials.optuna_internals import backend_of, id_of, storage_of
from optnas.trials.record import WORKER


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/a.db"


@pytest.fixture
def study(url: str) -> optuna.Study:
    return optuna.create_study(study_name="a", storage=open_storage(url), directions=["minimize"])


def engine_of(study: optuna.Study) -> Any:
    return backend_of(storage_of(study)).engine  # type: ignore[attr-defined]


def fill(study: optuna.Study) -> None:
    """Add trials in each state, with something of each kind."""
    optuna.create_study(storage=storage_of(study)).add_trial(create_trial(value=1.0))
    study.enqueue_trial({"x": 0.25})
    trial = study.ask()
    trial.suggest_float("x", 1e-3, 1.0, log=True)
    trial.suggest_categorical("op", ["conv", 8, None, True])
    trial.set_user_attr("worker", {"pid": 1, "text": "ä\N{SNOWMAN}"})
    trial.set_constraint("params", -1.0)
    trial.report(math.nan, 1)
    trial.report(-math.inf, 3)
    study.tell(trial, math.inf)
    study.ask().suggest_int("n", 1, 9, step=2)
    study.tell(study.ask(), state=TrialState.FAIL)
    study.enqueue_trial({"x": 0.5})


def told(trials: list[FrozenTrial]) -> list[dict[str, Any]]:
    """Return records as texts, in which NaN equals NaN; the order of parameters counts, of attributes not."""
    return [
        {
            name: repr(sorted(value.items()) if name.endswith("_attrs") else value)
            for name, value in vars(trial).items()
        }
        for trial in trials
    ]


def as_optuna_reads(url: str) -> list[FrozenTrial]:
    return optuna.load_study(study_name="a", storage=RDBStorage(url)).get_trials(deepcopy=False)


def test_trials_are_read_as_optuna_reads_them(study: optuna.Study, url: str) -> None:
    fill(study)
    again = optuna.load_study(study_name="a", storage=open_storage(url))
    assert told(again.get_trials(deepcopy=False)) == told(as_optuna_reads(url))
    states = (TrialState.WAITING, TrialState.FAIL)
    chosen = backend_of(storage_of(study)).get_all_trials(1, states=states)
    assert [trial.number for trial in chosen] == [2, 3]


def test_many_trials_are_read_in_parts(
    study: optuna.Study, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        fill(study)
    monkeypatch.setattr(optuna_rows, "_MOST_IDS", 2)
    again = optuna.load_study(study_name="a", storage=open_storage(url))
    for _ in range(2):  # the second time those that are unfinished, which are more than two
        assert told(again.get_trials(deepcopy=False)) == told(as_optuna_reads(url))
        study.tell(study.ask(), 1.0)


@pytest.mark.parametrize("returning", [True, False])
def test_trials_are_created_as_optuna_creates_them(study: optuna.Study, url: str, returning: bool) -> None:
    """Also where an insertion returns nothing, as in MySQL."""
    engine_of(study).dialect.insert_returning = returning
    other = optuna.create_study(study_name="other", storage=storage_of(study))
    theirs = optuna.load_study(study_name="a", storage=RDBStorage(url))
    now = datetime.datetime.now()
    for number, to in enumerate((study, other, theirs, study, other, theirs, study)):
        template = create_trial(
            state=TrialState.WAITING if number % 2 else TrialState.RUNNING,
            user_attrs={"worker": {"pid": number}},
            system_attrs={"fixed_params": {"x": 1}},
            intermediate_values={1: math.nan},
        )
        to.add_trial(template)
    found = optuna.load_study(study_name="a", storage=RDBStorage(url)).get_trials(deepcopy=False)
    assert [trial.number for trial in found] == [0, 1, 2, 3, 4]
    assert [trial.number for trial in other.get_trials(deepcopy=False)] == [0, 1]
    times = [trial.datetime_start for trial in found if trial.datetime_start is not None]
    assert len(times) == 3
    assert all(abs((time - now).total_seconds()) < 60 for time in times)
    records = [{**each, "_number": 0, "_trial_id": 0, "_datetime_start": 0} for each in told(found)]
    assert records[0]["state"] != records[2]["state"]
    assert {**records[1], "_user_attrs": 0} == {**records[0], "_user_attrs": 0}


def test_a_trial_of_another_kind_of_values_is_still_refused(study: optuna.Study) -> None:
    def trial(low: float) -> FrozenTrial:
        kinds = {"x": FloatDistribution(low, 1.0, log=low > 0)}
        return create_trial(params={"x": 0.5}, distributions=kinds, value=1.0)

    study.add_trial(trial(0.1))
    with pytest.raises(ValueError, match=r"different distribution kind|log configuration"):
        study.add_trial(trial(0.0))


@contextmanager
def statements(study: optuna.Study) -> Iterator[list[str]]:
    """Yield a list of the statements that the study's database gets inside the context."""
    engine = engine_of(study)
    seen: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", see)


def test_a_claim_takes_as_many_statements_after_many_trials_as_after_few(url: str) -> None:
    study = optuna.create_study(study_name="a", storage=open_storage(url))
    claims = Claims(study, 10**6)
    counts = []
    for others in (2, 200):
        for _ in range(others):
            study.add_trial(create_trial(value=1.0))
        storage_of(study).set_trial_state_values(int(claims.next()), TrialState.COMPLETE, [1.0])
        with statements(study) as seen:
            study.tell(study.ask(), 1.0)
            seen.clear()
            claimed = claims.next()
        storage_of(study).set_trial_state_values(int(claimed), TrialState.COMPLETE, [1.0])
        counts.append(len(seen))
    assert counts[0] == counts[1]
    assert counts[0] <= 11


def test_what_others_do_between_two_claims_is_counted(url: str) -> None:
    """Also trials that this process has never read, of a process without optnas."""
    study = optuna.create_study(study_name="a", storage=open_storage(url))
    theirs = optuna.load_study(study_name="a", storage=RDBStorage(url))
    claims = Claims(study, 5)
    storage_of(study).set_trial_state_values(int(claims.next()), TrialState.COMPLETE, [1.0])
    theirs.tell(theirs.ask(), 1.0)
    running = theirs.ask()
    theirs.enqueue_trial({})
    waiting = id_of(theirs.get_trials(deepcopy=False)[-1])
    assert claims.next() == waiting, "the fourth, of which a claim needs nothing but that it waits"
    assert isinstance(fifth := claims.next(), int)  # this worker's own trial, which it left
    assert fifth == waiting
    storage_of(study).set_trial_state_values(waiting, TrialState.COMPLETE, [1.0])
    theirs.tell(running, 1.0)
    last = claims.next()
    assert isinstance(last, int)
    assert claims.created is not None
    assert claims.created.number == 4
    storage_of(study).set_trial_state_values(last, TrialState.COMPLETE, [1.0])
    assert claims.next() is NoTrial.DONE
    assert len(study.get_trials(deepcopy=False)) == 5


def test_a_claim_says_when_the_study_is_gone(study: optuna.Study) -> None:
    claims = Claims(study, 5)
    optuna.delete_study(study_name="a", storage=storage_of(study))
    with pytest.raises(KeyError):
        claims.next()


def test_a_taken_over_trial_s_rungs_count(study: optuna.Study) -> None:
    """They are not among what a claim reads of all unfinished trials."""
    dead = Claims(study, 1)
    trial_id = dead.next()
    assert isinstance(trial_id, int)
    for _ in range(2):
        dead.next()
    storage_of(study).set_trial_intermediate_value(trial_id, 1, 0.5)
    dead.next()
    claim = WORKER.of(study.get_trials()[0])
    assert claim is not None
    assert (claim["attempt"], claim["rungs"]) == (1, 1)
