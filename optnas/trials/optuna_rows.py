"""Reading trials from a database, by private attributes of Optuna's storages.

Optuna reads each row of a trial into an object of its own, and parses each distribution twice. With many
workers, each of which reads the trials of all others, that is most of what a trial takes beside its training.
"""

from __future__ import annotations

import datetime
import gc
import json
from collections.abc import Collection, Container, Iterator
from contextlib import contextmanager
from functools import lru_cache
from operator import itemgetter
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, and_, bindparam, func, or_, select

from optnas.trials.optuna_reading import check_distribution, check_trial, unreadable

__all__ = ["Replaced", "read_attributes", "read_counts", "read_new", "read_trials"]

# Of so many ids a statement may ask; SQLite of before 2020 takes 999 parameters.
_MOST_IDS = 500
_DISTRIBUTIONS = 4096

_trials = models.TrialModel.__table__.c
_user_attrs = models.TrialUserAttributeModel.__table__.c
_system_attrs = models.TrialSystemAttributeModel.__table__.c
_WANTED = and_(
    _trials.study_id == bindparam("study_id"),
    or_(_trials.trial_id > bindparam("after"), _trials.trial_id.in_(bindparam("also", expanding=True))),
)
_directions = models.StudyDirectionModel.__table__.c
_OBJECTIVES = select(func.count()).where(_directions.study_id == bindparam("study_id")).scalar_subquery()
_ROWS = (
    select(_trials.trial_id, _trials.number, _trials.state, _trials.datetime_start, _trials.datetime_complete)
    .add_columns(_OBJECTIVES.label("objectives"))
    .where(_WANTED)
    .order_by(_trials.trial_id)
)
_WITH_ATTRIBUTES = (
    select(_trials.trial_id, _trials.number, _trials.state, _trials.datetime_complete)
    .add_columns(_system_attrs.value_json.label("system"), _user_attrs.value_json.label("user"))
    .select_from(models.TrialModel.__table__)
    .outerjoin(
        models.TrialSystemAttributeModel.__table__,
        and_(_system_attrs.trial_id == _trials.trial_id, _system_attrs.key == bindparam("system_name")),
    )
    .outerjoin(
        models.TrialUserAttributeModel.__table__,
        and_(_user_attrs.trial_id == _trials.trial_id, _user_attrs.key == bindparam("user_name")),
    )
    .where(_WANTED)
    .order_by(_trials.trial_id)
)

_COUNTS = select(_trials.study_id, func.count(), func.min(_trials.datetime_start)).group_by(_trials.study_id)


def _columns(model: Any, *names: str) -> Any:
    """Return a selection of columns of a table by the ids of trials, in the order that they were written."""
    table = model.__table__
    (key,) = table.primary_key.columns
    ids = table.c.trial_id.in_(bindparam("ids", expanding=True))
    return select(table.c.trial_id, *(table.c[name] for name in names)).where(ids).order_by(key)


_PARTS = (
    _columns(models.TrialParamModel, "param_name", "param_value", "distribution_json"),
    _columns(models.TrialUserAttributeModel, "key", "value_json"),
    _columns(models.TrialSystemAttributeModel, "key", "value_json"),
    _columns(models.TrialIntermediateValueModel, "step", "intermediate_value", "intermediate_value_type"),
    _columns(models.TrialValueModel, "objective", "value", "value_type"),
)
_value = models.TrialValueModel.stored_repr_to_value
_step_value = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value


@lru_cache(_DISTRIBUTIONS)
def _distribution(text: str) -> BaseDistribution:
    # Of many trials' parameters, few differ in their distribution.
    distribution = json_to_distribution(text)
    check_distribution(distribution)
    return distribution


class Replaced(Exception):
    """Error: trials that were read before are gone; their study was deleted, and another one has its id.

    SQLite gives the ids of a deleted study and of its trials away again.
    """


def read_trials(
    storage: RDBStorage,
    study_id: int,
    states: Container[TrialState] | None,
    also: Collection[int],
    after: int,
) -> list[FrozenTrial]:
    """Return the trials whose id is larger than ``after`` or in ``also``, as ``RDBStorage._get_trials`` does.

    Some others may be among them if ``also`` is long.

    Raises:
        Damaged: If one is none that Optuna writes.
        KeyError: If there is no such study.
    """
    with _reading(storage) as connection:
        rows = _rows(connection, _ROWS, study_id, also, after)
        return _whole(connection, [row for row in rows if states is None or row.state in states])


def read_new(
    storage: RDBStorage, study_id: int, also: Collection[int], last: FrozenTrial | None
) -> list[FrozenTrial]:
    """Return the trials whose id is larger than that of ``last`` or in ``also``, which were read before.

    Some others may be among them if ``also`` is long.

    Args:
        storage: The database.
        study_id: The study.
        also: The ids of the trials that were not finished.
        last: The finished trial of the largest id; ``None`` if none was.

    Raises:
        Damaged: If one is none that Optuna writes.
        KeyError: If there is no such study.
        Replaced: If it is not the study that was read before.
    """
    with _reading(storage) as connection:
        return _whole(connection, _new_rows(connection, _ROWS, study_id, also, last))


def read_attributes(
    storage: RDBStorage,
    study_id: int,
    system: str,
    user: str,
    also: Collection[int],
    last: FrozenTrial | None,
) -> list[FrozenTrial]:
    """Return the trials that :func:`read_new` returns, with a system and a user attribute alone.

    Raises:
        KeyError: If there is no such study.
        Replaced: If it is not the study that was read before.
    """
    with _reading(storage) as connection:
        names = {"system_name": system, "user_name": user}
        rows = _new_rows(connection, _WITH_ATTRIBUTES, study_id, also, last, **names)
    return [
        FrozenTrial(
            number=row.number,
            state=row.state,
            value=None,
            datetime_start=None,
            datetime_complete=None,
            params={},
            distributions={},
            user_attrs={} if row.user is None else {user: json.loads(row.user)},
            system_attrs={} if row.system is None else {system: json.loads(row.system)},
            intermediate_values={},
            trial_id=row.trial_id,
        )
        for row in rows
    ]


def read_counts(storage: RDBStorage) -> dict[int, tuple[int, datetime.datetime | None]]:
    """Return the number of trials of each study that has one, and when the first began, by the study's id."""
    with _reading(storage) as connection:
        found = connection.execute(_COUNTS).all()
    return {study_id: (count, _local(begun)) for study_id, count, begun in found}


@contextmanager
def _reading(storage: RDBStorage) -> Iterator[Connection]:
    # To begin and end a transaction are two more round trips in PostgreSQL, and to do without in MySQL.
    alone = storage.engine.dialect.name == "postgresql"
    with storage.engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT") if alone else connection


@contextmanager
def _all_stays() -> Iterator[None]:
    """Collect no garbage meanwhile: among what is read, which stays, that takes a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _rows(
    connection: Connection, statement: Any, study_id: int, also: Collection[int], after: int, **of: str
) -> Any:
    if len(also) > _MOST_IDS:
        also, after = (), min(after, min(also) - 1)
    wanted = {"study_id": study_id, "also": list(also), "after": after, **of}
    found = connection.execute(statement, wanted).all()
    if not found:
        study = models.StudyModel.__table__.c.study_id
        if connection.execute(select(study).where(study == study_id)).first() is None:
            raise KeyError(models.NOT_FOUND_MSG)
    return found


def _new_rows(
    connection: Connection,
    statement: Any,
    study_id: int,
    also: Collection[int],
    last: FrozenTrial | None,
    **of: str,
) -> list[Any]:
    if last is None:
        rows = _rows(connection, statement, study_id, also, -1, **of)
    else:
        # Its own row as well: none of a study is deleted or changed, but the study may be another by now.
        rows = _rows(connection, statement, study_id, also, last._trial_id - 1, **of)
    found = {row.trial_id: row for row in rows}
    if last is not None:
        now = found.pop(last._trial_id, None)
        if now is None or (now.number, _local(now.datetime_complete)) != (
            last.number,
            last.datetime_complete,
        ):
            raise Replaced
    if not found.keys() >= set(also):
        raise Replaced
    return list(found.values())


_Parts = list[dict[int, list[Any]]]


def _whole(connection: Connection, rows: list[Any]) -> list[FrozenTrial]:
    trials = []
    with _all_stays():
        for start in range(0, len(rows), _MOST_IDS):
            some = rows[start : start + _MOST_IDS]
            parts = _parts(connection, [row.trial_id for row in some])
            trials += [_checked(row, parts) for row in some]
    return trials


def _parts(connection: Connection, ids: list[int]) -> _Parts:
    """Return the rows of each table of :data:`_PARTS` by the trial's id."""
    parts: _Parts = []
    for statement in _PARTS:
        by_trial: dict[int, list[Any]] = {}
        for row in connection.execute(statement, {"ids": ids}).all():
            by_trial.setdefault(row[0], []).append(row)
        parts.append(by_trial)
    return parts


def _checked(row: Any, parts: _Parts) -> FrozenTrial:
    try:
        trial = _trial(row, *(part.get(row.trial_id, []) for part in parts))
        check_trial(trial, row.objectives, distributions=False)
    except Exception as error:
        raise unreadable(f"trial {row.number}", error) from error
    return trial


def _trial(
    row: Any,
    params: list[Any],
    user_attrs: list[Any],
    system_attrs: list[Any],
    steps: list[Any],
    values: list[Any],
) -> FrozenTrial:
    distributions: dict[str, BaseDistribution] = {name: _distribution(text) for _, name, _, text in params}
    return FrozenTrial(
        number=row.number,
        state=row.state,
        value=None,
        values=[_value(value, kind) for _, _, value, kind in sorted(values, key=itemgetter(1))] or None,
        datetime_start=_local(row.datetime_start),
        datetime_complete=_local(row.datetime_complete),
        params={name: distributions[name].to_external_repr(value) for _, name, value, _ in params},
        distributions=distributions,
        user_attrs={key: json.loads(text) for _, key, text in user_attrs},
        system_attrs={key: json.loads(text) for _, key, text in system_attrs},
        intermediate_values={step: _step_value(value, kind) for _, step, value, kind in steps},
        trial_id=row.trial_id,
    )


def _local(utc: datetime.datetime | None) -> datetime.datetime | None:
    """Return a time as Optuna shows it: local, and without a time zone."""
    return None if utc is None else utc.replace(tzinfo=datetime.UTC).astimezone().replace(tzinfo=None)
