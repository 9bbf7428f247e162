"""Checks of what Optuna's storages read, by their private attributes: databases are not trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.storages.journal._storage import JournalOperation, JournalStorageReplayResult
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from optnas.trials.accepted import finite, number, scalar, text, whole

__all__ = [
    "CheckedDatabase",
    "Damaged",
    "apply_checked",
    "check_distribution",
    "check_trial",
    "unreadable",
]

_MOST_CHARACTERS = 200


class Damaged(ValueError):
    """Error: what a storage holds is not what Optuna writes. The message says where."""


def unreadable(what: str, error: Exception) -> Damaged:
    """Return an error that was raised while something was read as one that says so."""
    reason = str(error)[:_MOST_CHARACTERS] or type(error).__name__
    return Damaged(f"{what[:_MOST_CHARACTERS]} cannot be read ({reason})")


class CheckedDatabase(RDBStorage):
    """Optuna's ``RDBStorage`` that raises :class:`Damaged` if a trial in it is none that Optuna writes."""

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        try:
            return super().create_new_study(directions, study_name)
        except DuplicatedStudyError:  # which Optuna takes any broken constraint of the table for
            if study_name in [study.study_name for study in self.get_all_studies()]:
                raise
            raise Damaged("no study can be added to its tables") from None

    def get_all_studies(self) -> list[FrozenStudy]:
        studies = super().get_all_studies()
        for study in studies:
            names = (study.study_name, *study.user_attrs.keys(), *study.system_attrs.keys())
            _expect(all(map(text, names)), "a name of a study or its attribute is among {!r}", names)
        return studies

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        directions: list[StudyDirection] = super().get_study_directions(study_id)
        if not directions:
            name = super().get_study_name_from_id(study_id)  # raises KeyError if it was deleted meanwhile
            raise ValueError(f"study {name!r} has no directions")
        return directions

    def _build_frozen_trial_from_trial_model(self, trial: models.TrialModel) -> FrozenTrial:
        try:
            record = super()._build_frozen_trial_from_trial_model(trial)
            check_trial(record, len(trial.study.directions))
        except Exception as error:
            if isinstance(error, SQLAlchemyError):
                raise
            raise unreadable(f"trial {trial.number}", error) from error
        return record


def apply_checked(replay: JournalStorageReplayResult, record: dict[str, Any]) -> None:
    """Apply a record of a journal as Optuna does, and check what it says.

    Raises:
        Damaged: If it is none that Optuna writes.
        Exception: Whatever Optuna raises if this thread wrote the record, and asked for what cannot be.
    """
    try:
        replay.apply_logs([record])
        _check_applied(replay, record)
    except Exception as error:
        if record.get("worker_id") == replay.worker_id:
            raise
        raise unreadable("it", error) from error


def _check_applied(replay: JournalStorageReplayResult, record: dict[str, Any]) -> None:
    """Raise ``ValueError`` if what a record has brought is nothing that Optuna writes."""
    operation, trial_id = record["op_code"], record.get("trial_id")
    if operation == JournalOperation.CREATE_STUDY:
        _expect(text(record["study_name"]) and record["directions"], "its name or directions are missing")
    if operation == JournalOperation.CREATE_TRIAL:
        trial_id = len(replay._trials) - 1
    trial = replay._trials.get(trial_id)  # type: ignore[arg-type]
    study = None if trial is None else replay._studies.get(replay._trial_id_to_study_id[trial_id])  # type: ignore[index]
    if trial is None or study is None:
        return
    if operation == JournalOperation.SET_TRIAL_PARAM:
        name = record["param_name"]
        if name in trial.params:
            check_distribution(trial.distributions[name])
            _check_parameter(name, trial.params[name], trial.distributions[name])
    elif operation == JournalOperation.SET_TRIAL_INTERMEDIATE_VALUE:
        _check_report(record["step"], record["intermediate_value"])
    elif operation in (JournalOperation.CREATE_TRIAL, JournalOperation.SET_TRIAL_STATE_VALUES):
        check_trial(trial, len(study.directions))


def check_trial(trial: FrozenTrial, objectives: int, *, distributions: bool = True) -> None:
    """Raise ``ValueError`` if a record is none that Optuna writes, whatever its attributes hold.

    Args:
        trial: The record.
        objectives: The number of the study's objectives.
        distributions: Whether to check its distributions as well.
    """
    _expect(whole(trial.number), "its number is {!r}", trial.number)
    for time in (trial.datetime_start, trial.datetime_complete):
        local = time is None or (isinstance(time, datetime) and time.tzinfo is None)
        _expect(local, "a time is {!r}", time)
    values = trial.values
    _expect(values is None or all(map(number, values)), "its values are {!r}", values)
    if trial.state == TrialState.COMPLETE:
        _expect(
            values is not None and len(values) == objectives and not any(map(math.isnan, values)),
            "its values are {!r}, for {} objectives",
            values,
            objectives,
        )
    for step, value in trial.intermediate_values.items():
        _check_report(step, value)
    for name, value in trial.params.items():
        if distributions:
            check_distribution(trial.distributions[name])
        _check_parameter(name, value, trial.distributions[name])
    for name in (*trial.user_attrs.keys(), *trial.system_attrs.keys()):
        _expect(text(name), "an attribute's name is {!r}", name)


def _check_report(step: object, value: object) -> None:
    _expect(whole(step) and number(value), "the value at its step {!r} is {!r}", step, value)


def check_distribution(distribution: BaseDistribution) -> None:
    """Raise ``ValueError`` if a distribution is none that Optuna writes."""
    if isinstance(distribution, CategoricalDistribution):
        _expect(all(map(scalar, distribution.choices)), "the choices of {} are none", distribution)
    else:
        bounds = distribution.__dict__
        _expect(finite(bounds["low"]) and finite(bounds["high"]), "the range of {} is none", distribution)


def _check_parameter(name: object, value: object, distribution: BaseDistribution) -> None:
    if not isinstance(distribution, CategoricalDistribution):
        _expect(finite(value), "its parameter {!r} is {!r}", name, value)
    _expect(text(name), "a parameter's name is {!r}", name)


def _expect(condition: object, otherwise: str, *said: object) -> None:
    # Said only if it is wrong: to write a number as text takes longer than to check it.
    if not condition:
        raise ValueError(otherwise.format(*said))
