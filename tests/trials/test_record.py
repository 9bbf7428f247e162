"""A trial's record is written and read by one file's names."""

from __future__ import annotations

import re
from pathlib import Path

import optuna
import pytest

import optnas
from optnas.storages.opening import open_storage
from optnas.trials import record
from optnas.trials.record import (
    KEY,
    WORKER,
    Attribute,
    HiddenAttribute,
    StudyAttribute,
    StudySystemAttribute,
    SystemAttribute,
)

PACKAGE = Path(optnas.__file__).parent
KNOWN = {name: value for name, value in vars(record).items() if isinstance(value, Attribute | StudyAttribute)}


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return optuna.create_study(storage=open_storage(f"sqlite:///{tmp_path}/optnas.db"))


def test_what_is_put_is_read_by_whoever_opens_the_storage(study: optuna.Study) -> None:
    trial = study.ask()
    record.COSTS.put(trial, {"flops": 1e6})
    record.CHECKPOINT_NAME.put(trial, "abc")
    record.REASON.put_in(study, study.trials[0], "its worker died")
    (stored,) = optuna.load_study(study_name=study.study_name, storage=study._storage).trials
    assert record.COSTS.of(stored) == {"flops": 1e6}
    assert record.CHECKPOINT_NAME.of(stored) == "abc"
    assert record.REASON.get(stored, "") == "its worker died"
    assert set(stored.user_attrs) == {"costs", "reason"}, "what is for programs alone is not shown"
    assert record.TWIN.of(stored) is None
    assert record.METRICS.get(stored, {}) == {}


def test_no_two_attributes_have_one_name() -> None:
    names = [(type(value), value.name) for value in KNOWN.values()]
    assert len(set(names)) == len(names)
    kinds = {Attribute, SystemAttribute, HiddenAttribute, StudyAttribute, StudySystemAttribute}
    assert {type(value) for value in KNOWN.values()} == kinds


def test_a_study_s_attributes_for_programs_alone_are_not_shown(study: optuna.Study) -> None:
    record.PUBLISHED.put(study, 5)
    assert record.PUBLISHED.of(study) == 5
    assert record.PUBLISHED.name not in study.user_attrs


def test_no_other_file_knows_a_name_or_touches_what_is_private_to_optuna() -> None:
    attributes = re.compile(r"\b(user_attrs|system_attrs|set_(trial_)?(user|system)_attr)\b(?!=)")
    names = (
        "storage study_id trial_id get_trials cached_frozen_trial fixed_params thread_local get_latest_trial"
    )
    private = re.compile(
        rf"(?<!self)\._({'|'.join(names.split())}|system_attrs|backend)\b|optuna[a-z_.]*\._[a-z]"
    )
    allowed = {
        PACKAGE / "storages" / "deferred.py",  # it stands in for a storage
        PACKAGE / "storages" / "guarded.py",  # it compares trials with what they were made of
        PACKAGE / "trials" / "attribute.py",
        PACKAGE / "trials" / "optuna_batches.py",
        PACKAGE / "trials" / "optuna_cache.py",
        PACKAGE / "trials" / "optuna_internals.py",
        PACKAGE / "trials" / "optuna_reading.py",
        PACKAGE / "trials" / "optuna_rows.py",
        PACKAGE / "trials" / "record.py",
        PACKAGE / "trials" / "rungs.py",
        PACKAGE / "trials" / "writes.py",
    }
    for path in PACKAGE.rglob("*.py"):
        if path in allowed:
            continue
        for line in path.read_text().splitlines():
            if path.name == "rank.py" and "system_attr" in line:
                continue  # it stands in for a storage, and passes on what Optuna's pruners keep there
            assert not attributes.search(line), f"{path}: {line}"
            assert not private.search(line), f"{path}: {line}"


def test_times_are_of_trials_that_were_trained_themselves(study: optuna.Study) -> None:
    for extra in ({}, {"twin": 0}):
        trial = study.ask()
        for name, value in {"metrics": {"seconds": 2.5}, "run": {"suggest_seconds": 0.1}, **extra}.items():
            trial.set_user_attr(name, value)
        study.tell(trial, 1.0)
    trained, lent = study.trials
    assert record.training_seconds(trained) == 2.5
    assert record.training_seconds(lent) is None
    assert record.suggest_seconds(trained) == 0.1


def test_a_trial_of_an_older_optnas_keeps_its_claim_and_key_where_they_are(study: optuna.Study) -> None:
    trial = study.ask()
    trial.set_user_attr("worker", {"pid": 1})
    trial.set_user_attr("key", "abc")
    (stored,) = study.trials
    assert (KEY.of(stored), WORKER.of(stored)) == ("abc", {"pid": 1})
    WORKER.put_in(study, stored, {"pid": 2})
    KEY.put(trial, "abd")
    (stored,) = study.trials
    assert (KEY.of(stored), WORKER.of(stored)) == ("abd", {"pid": 2})
    assert stored.user_attrs == {"worker": {"pid": 2}, "key": "abd"}
    assert stored.system_attrs == {}
    WORKER.put_in(study, stored, None)
    assert WORKER.of(study.trials[0]) is None


def test_claims_and_keys_are_not_among_what_dashboards_show(study: optuna.Study) -> None:
    trial = study.ask()
    KEY.put(trial, "abc")
    WORKER.put_in(study, study.trials[0], {"pid": 1})
    (stored,) = study.trials
    assert stored.user_attrs == {}
    assert (KEY.of(stored), WORKER.of(stored)) == ("abc", {"pid": 1})
    WORKER.put_in(study, stored, None)
    assert WORKER.of(study.trials[0]) is None
