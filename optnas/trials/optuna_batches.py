"""Creating a trial, and several writes to one at once, by private attributes of Optuna's storages."""

from __future__ import annotations

import copy
import datetime
import json
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite

from optnas.trials.optuna_reading import Damaged, apply_checked
from optnas.trials.writes import Writes

__all__ = ["Together", "create_once", "rows_of", "write_study_to_database", "write_to_database"]

_studies, _trials = models.StudyModel.__table__, models.TrialModel.__table__
_STUDY = select(_studies.c.study_id).where(_studies.c.study_id == bindparam("study_id")).with_for_update()
# Numbers have no gaps, and counting the trials before, as Optuna does, takes the longer the more they are.
_NUMBERS = (
    select(_trials.c.number)
    .where(_trials.c.study_id == bindparam("of"))
    .order_by(_trials.c.trial_id.desc())
    .limit(1)
    .subquery()  # MySQL inserts nothing that is selected from the same table otherwise
)
_NEW = insert(_trials).values(number=func.coalesce(select(_NUMBERS.c.number + 1).scalar_subquery(), 0))
_IS_THERE = select(_studies.c.study_id).where(_studies.c.study_id == bindparam("study_id"))
_NUMBER = select(_trials.c.number).where(_trials.c.trial_id == bindparam("id"))
_STATE = select(_trials.c.state).where(_trials.c.trial_id == bindparam("id"))
_CHANGE = update(_trials).where(_trials.c.trial_id == bindparam("id"))


def create_once(storage: RDBStorage, study_id: int, template: FrozenTrial | None) -> FrozenTrial:
    """Create a trial as ``RDBStorage`` does, but without its five attempts: each might create another one.

    Raises:
        KeyError: If there is no such study.
        ValueError: If a parameter of the template has another kind of values than in other trials.
    """
    trial = create_trial(state=TrialState.RUNNING) if template is None else copy.deepcopy(template)
    with _create_scoped_session(storage.scoped_session) as session:
        connection = session.connection()
        # Locks the study's row while the trial gets its number.
        if connection.execute(_STUDY, {"study_id": study_id}).first() is None:
            raise KeyError(models.NOT_FOUND_MSG)
        if trial.params or trial.values:
            created = storage._get_prepared_new_trial(study_id, template, session)
            trial.number, trial._trial_id = int(created.number), int(created.trial_id)
            return trial
        row = {
            "study_id": study_id,
            "of": study_id,
            "state": trial.state,
            "datetime_start": _utc(trial.datetime_start),
            "datetime_complete": _utc(trial.datetime_complete),
        }
        trial._trial_id, trial.number = _inserted(connection, row)
        attributes = Writes(user_attrs=trial.user_attrs, system_attrs=trial.system_attrs)
        attributes.intermediate_values = trial.intermediate_values
        for model, rows in rows_of(attributes):
            if rows:
                written = [{"trial_id": trial._trial_id, **row} for row in rows]
                connection.execute(insert(model.__table__), written)
    return trial


def _inserted(connection: Connection, row: dict[str, Any]) -> tuple[int, int]:
    """Insert a trial and return its id and number."""
    if connection.dialect.insert_returning:
        made: Any = connection.execute(_NEW.returning(_trials.c.trial_id, _trials.c.number), row).one()
        return made.trial_id, made.number
    made = connection.execute(_NEW, row).inserted_primary_key
    return made[0], connection.execute(_NUMBER, {"id": made[0]}).scalar_one()


def write_to_database(storage: RDBStorage, trial_id: int, writes: Writes) -> None:
    """Write to a running trial in one transaction; what is there already is written over.

    Raises:
        UpdateFinishedTrialError: If the trial is finished.
        ValueError: If it is to end, and does not run.
    """
    ends = writes.state is not None
    with _create_scoped_session(storage.scoped_session) as session:
        connection = session.connection()
        state = connection.execute(_STATE.with_for_update() if ends else _STATE, {"id": trial_id}).scalar()
        if state is None:
            raise KeyError(models.NOT_FOUND_MSG)
        storage.check_trial_is_updatable(trial_id, state)
        if ends and state != TrialState.RUNNING:
            raise ValueError(f"Cannot tell a {state.name} trial.")
        for model, rows in rows_of(writes):
            if rows:
                written = [{"trial_id": trial_id, **row} for row in rows]
                connection.execute(_upsert(storage.engine.dialect.name, model, tuple(written[0])), written)
        if ends:
            ended = {"state": writes.state, "datetime_complete": _utc(datetime.datetime.now())}
            connection.execute(_CHANGE.values(ended), {"id": trial_id})


def write_study_to_database(storage: RDBStorage, study_id: int, attributes: dict[str, Any]) -> None:
    """Write system attributes of a study in one transaction; what is there already is written over.

    Raises:
        KeyError: If there is no such study.
    """
    with _create_scoped_session(storage.scoped_session) as session:
        connection = session.connection()
        if connection.execute(_IS_THERE, {"study_id": study_id}).first() is None:
            raise KeyError(models.NOT_FOUND_MSG)
        rows = [{"study_id": study_id, **row} for row in _attributes(attributes)]
        columns = ("study_id", "key", "value_json")
        connection.execute(
            _upsert(storage.engine.dialect.name, models.StudySystemAttributeModel, columns), rows
        )


def rows_of(writes: Writes) -> list[tuple[Any, list[dict[str, Any]]]]:
    """Return the rows to write, by the model of their table; what identifies one in a trial comes first."""
    params = [
        {"param_name": name, "param_value": value, "distribution_json": distribution_to_json(distribution)}
        for name, (value, distribution) in writes.params.items()
    ]
    values: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    kind: Any
    for objective, number in enumerate(writes.values or ()):
        value, kind = models.TrialValueModel.value_to_stored_repr(number)
        values.append({"objective": objective, "value": value, "value_type": kind})
    for step, number in writes.intermediate_values.items():
        value, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(number)
        steps.append({"step": step, "intermediate_value": value, "intermediate_value_type": kind})
    return [
        (models.TrialParamModel, params),
        (models.TrialUserAttributeModel, _attributes(writes.user_attrs)),
        (models.TrialSystemAttributeModel, _attributes(writes.system_attrs)),
        (models.TrialIntermediateValueModel, steps),
        (models.TrialValueModel, values),
    ]


def _attributes(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value_json": json.dumps(value)} for name, value in attributes.items()]


def _utc(local: datetime.datetime | None) -> datetime.datetime | None:
    """Return a time as Optuna stores it, without a time zone."""
    return None if local is None else local.astimezone(datetime.UTC).replace(tzinfo=None)


@cache
def _upsert(dialect: str, model: Any, columns: tuple[str, ...]) -> Any:
    """Return an insertion of rows that writes over one with the same first two columns."""
    table, keys, others = model.__table__, columns[:2], columns[2:]
    if dialect in ("mysql", "mariadb"):
        into = mysql.insert(table)
        return into.on_duplicate_key_update({name: into.inserted[name] for name in others})
    insert: Any = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    replaced = {name: insert.excluded[name] for name in others}
    return insert.on_conflict_do_update(index_elements=keys, set_=replaced)


class Together(JournalStorage):
    """Optuna's ``JournalStorage`` that can append the records of several operations at once.

    It raises :class:`Damaged` at a record that is none that Optuna writes.
    """

    _together: threading.local
    _damage: str | None = None

    def write_together(self, trial_id: int, writes: Writes) -> None:
        """Write to a trial by records that are appended as a whole."""
        self._append_together(lambda: writes.one_by_one(self, trial_id))

    def write_study_attributes(self, study_id: int, attributes: dict[str, Any]) -> None:
        """Write system attributes of a study by records that are appended as a whole."""

        def write() -> None:
            for name, value in attributes.items():
                self.set_study_system_attr(study_id, name, value)

        self._append_together(write)

    def _append_together(self, write: Callable[[], None]) -> None:
        records: list[dict[str, Any]] = []
        self._together.records = records
        try:
            write()
        finally:
            del self._together.records
        with self._thread_lock:
            self._backend.append_logs(records)
            self._sync_with_backend()

    def _write_log(self, op_code: int, extra_fields: dict[str, Any]) -> None:
        records = getattr(self._together, "records", None)
        if records is None:
            super()._write_log(op_code, extra_fields)
        else:
            worker = self._replay_result.worker_id
            records.append({"op_code": op_code, "worker_id": worker, **extra_fields})

    def _sync_with_backend(self) -> None:
        if hasattr(self._together, "records"):
            return
        if self._damage is not None:
            raise Damaged(self._damage)
        replay = self._replay_result
        for record in self._backend.read_logs(replay.log_number_read):
            number = replay.log_number_read
            try:
                apply_checked(replay, record)
            except Damaged as error:
                self._damage = f"{self.place_of(number)}: {error}"
                raise Damaged(self._damage) from error

    def place_of(self, number: int) -> str:
        """Return where a record is, in words."""
        return f"record {number}"
