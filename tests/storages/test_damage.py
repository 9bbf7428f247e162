"""What stands in a database or journal and is not of Optuna is told in one line, with its place."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import RDBStorage

from optnas.errors import StorageError
from optnas.storages.opening import open_storage
from optnas.trials.optuna_internals import storage_of
from tests.files import assert_refused, call, quick_study
from tests.servers import serving

READING = (["status"], ["pareto"], ["pareto", "--json"], ["show", 0])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with a study of four trials in a database and in a journal; it is the current one."""
    folder = tmp_path_factory.mktemp("damage")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for storage in ("sqlite:///whole.db", "whole.log"):
            result = call("run", quick_study(folder), "-n", 4, "-w", 1, "-s", storage)
            assert result.exit_code == 0, result.output
        yield folder


def database(whole: Path, statement: str, *values: object) -> str:
    """Execute a statement in a copy of the database, and return its URL."""
    path = whole / "damaged.db"
    with contextlib.closing(sqlite3.connect(whole / "whole.db")) as source:
        path.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(path)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA foreign_keys=OFF")
            copy.execute(statement, values)
            copy.commit()
    return f"sqlite:///{path.name}"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE trial_params SET distribution_json = '{' WHERE trial_id = 2", "trial 1 cannot be read"),
        ("UPDATE trial_params SET distribution_json = '{}' WHERE trial_id = 2", "trial 1 cannot be read"),
        ("UPDATE trial_params SET param_value = 'x' WHERE trial_id = 2", "trial 1 cannot be read"),
        ("UPDATE trial_params SET param_value = NULL WHERE trial_id = 2", "trial 1 cannot be read"),
        ("UPDATE trial_values SET value = 'x' WHERE trial_id = 2", "trial 1 cannot be read (its values"),
        ("UPDATE trial_values SET value_type = 'x'", "is not among the defined enum values"),
        ("DELETE FROM trial_values WHERE trial_id = 2 AND objective = 1", "for 2 objectives"),
        ("DELETE FROM trial_values WHERE trial_id = 2 AND objective = 0", "trial 1 cannot be read"),
        ("UPDATE trials SET datetime_start = 'yesterday'", "Invalid isoformat string: 'yesterday'"),
        ("UPDATE trials SET state = 'LOST'", "'LOST' is not among"),
        ("UPDATE trials SET number = 'x\x1b[2J'", "trial x␛[2J cannot be read"),
        ("UPDATE trial_user_attributes SET value_json = x'bb'", "can't decode byte"),
        ("UPDATE study_user_attributes SET value_json = 'x'", "a record cannot be read"),
        (
            "UPDATE study_user_attributes SET key = x'bb' WHERE study_user_attribute_id = 1",
            "a name of a study or its attribute is among",
        ),
        ("UPDATE study_directions SET direction = 'UP'", "'UP' is not among"),
        ("DELETE FROM study_directions", "study 'quick' has no directions"),
    ],
)
def test_a_damaged_row_is_one_line_that_names_its_trial(whole: Path, statement: str, said: str) -> None:
    url = database(whole, statement)
    result = call("pareto", "-s", url)
    assert_refused(result, said)
    assert f"the storage {url} is damaged: " in result.output
    assert "put back a copy of it, or begin in another (--storage)" in result.output
    run = call("run", "quick.py", "-n", 5, "-w", 1, "-s", url)
    assert run.exit_code == 3, run.output
    assert said in run.output.splitlines()[-1]


def test_a_damaged_study_keeps_nobody_from_another_one(whole: Path) -> None:
    url = database(whole, "INSERT INTO studies (study_id, study_name) VALUES (99, 'broken')")
    for command in (["pareto", "--study", "quick"], ["show", 0, "--study", "quick"]):
        result = call(*command, "-s", url)
        assert result.exit_code == 0, result.output
    assert_refused(call("pareto", "--study", "broken", "-s", url), "study 'broken' has no directions")
    assert call("run", "quick.py", "-n", 5, "-w", 1, "-s", url).exit_code == 0


def test_a_study_that_is_deleted_as_it_is_read_is_not_damaged(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(database(whole, "DELETE FROM study_directions"))

    def deleted(self: object, study_id: int) -> str:
        raise KeyError(study_id)

    monkeypatch.setattr(RDBStorage, "get_study_name_from_id", deleted)
    with pytest.raises(KeyError):
        storage.get_study_directions(1)


def test_what_has_no_study_s_rows_is_told_also_where_nothing_reads_them(whole: Path) -> None:
    url = database(whole, "CREATE TRIGGER none BEFORE INSERT ON studies BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(StorageError, match="is damaged: no study can be added to its tables"):
        optuna.create_study(study_name="other", storage=open_storage(url))


@pytest.mark.parametrize("content", [b"no database", b"\0" * 5000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_refused_with_what_to_do(whole: Path, content: bytes) -> None:
    (whole / "none.db").write_bytes(content)
    for command in (*READING, ["run", "quick.py", "-n", 1, "-w", 1]):
        result = call(*command, "-s", "sqlite:///none.db")
        assert result.exit_code == (3 if "run" in command else 2), result.output
        assert "file is not a database: put back a copy" in result.output.splitlines()[-1]


def test_doctor_reads_all_that_a_database_holds(whole: Path) -> None:
    url = database(whole, "PRAGMA user_version = 1")
    content = (whole / "damaged.db").read_bytes()
    third = len(content) // 3
    (whole / "damaged.db").write_bytes(content[:third] + b"\xa5" * third + content[2 * third :])
    said = " ".join(call("doctor", "-s", url).output.split())
    assert "is damaged: database disk image is malformed: put back a copy" in said
    assert "is kept" not in said


TABLES = {
    "studies": ["study_id", "study_name"],
    "study_directions": ["direction", "study_id", "objective"],
    "study_user_attributes": ["study_id", "key", "value_json"],
    "study_system_attributes": ["study_id", "key", "value_json"],
    "trials": ["trial_id", "number", "study_id", "state", "datetime_start", "datetime_complete"],
    "trial_user_attributes": ["trial_id", "key", "value_json"],
    "trial_system_attributes": ["trial_id", "key", "value_json"],
    "trial_params": ["trial_id", "param_name", "param_value", "distribution_json"],
    "trial_values": ["trial_id", "objective", "value", "value_type"],
    "version_info": ["schema_version", "library_version"],
    "alembic_version": ["version_num"],
}
COLUMNS = [(table, column) for table, columns in TABLES.items() for column in columns]
CELLS = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.binary(max_size=9)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
    | st.sampled_from(["\x1b[2J", "[bold]", "{}", "[]", "null", "1e999", "[" * 9999, "x\0y", '{"name": []}'])
)


@settings(max_examples=40, deadline=None, database=None)
@given(column=st.sampled_from(COLUMNS), cell=CELLS, row=st.integers(0, 3), command=st.sampled_from(READING))
def test_any_cell_of_any_table_may_hold_anything(
    whole: Path, column: tuple[str, str], cell: Any, row: int, command: list[Any]
) -> None:
    table, name = column
    with contextlib.suppress(sqlite3.IntegrityError):  # SQLite refuses it
        row_id = f"(SELECT rowid FROM {table} LIMIT 1 OFFSET {row})"
        url = database(whole, f"UPDATE OR IGNORE {table} SET {name} = ? WHERE rowid = {row_id}", cell)
        result = call(*command, "-s", url)
        assert result.exit_code in (0, 2), (result.output, result.exception)
        assert "\x1b" not in result.output
        errors = [line for line in result.output.splitlines() if line.startswith("error: ")]
        assert len(errors) == (result.exit_code == 2), result.output


def line_of(whole: Path, *, operation: int) -> int:
    """Return the number of the first line of the journal with a record of that kind."""
    lines = (whole / "whole.log").read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if json.loads(line)["op_code"] == operation)


def journal(whole: Path, number: int, change: dict[str, Any]) -> str:
    """Change fields of the record in a line of a copy of the journal; those that are ``None`` are removed."""
    lines = (whole / "whole.log").read_text().splitlines()
    record = json.loads(lines[number - 1]) | change
    lines[number - 1] = json.dumps({name: value for name, value in record.items() if value is not None})
    (whole / "damaged.log").write_text("\n".join(lines) + "\n")
    return "damaged.log"


@pytest.mark.parametrize(
    "change",
    [
        {"op_code": 99},
        {"op_code": "x"},
        {"op_code": 4, "study_id": []},
        {"op_code": 4, "study_id": 0, "datetime_start": "yesterday"},
        {"op_code": 4, "study_id": 0, "datetime_start": "2026-11-29T12:00:00+00:00", "values": 3},
        {"op_code": 8, "trial_id": 0, "user_attr": 3},
        {"op_code": 8, "trial_id": None},
        {"op_code": 2, "study_id": 0, "user_attr": {}},
        {"op_code": 0, "study_name": {}, "directions": [1]},
        {"op_code": 0, "study_name": "x", "directions": []},
        {"worker_id": None, "op_code": 9},
    ],
)
def test_a_damaged_record_of_a_journal_is_one_line_that_names_its_line(
    whole: Path, change: dict[str, Any]
) -> None:
    number = line_of(whole, operation=8)
    path = journal(whole, number, {"study_id": 0, "user_attr": None} | change)
    assert_refused(call("pareto", "-s", path), f"damaged.log is damaged: line {number}: it cannot be read")


def test_values_of_a_journal_are_checked_and_damage_stays(whole: Path) -> None:
    lines = (whole / "whole.log").read_text().splitlines()
    number = line_of(whole, operation=6)
    for values in (["x", 1], [1.0], [1.0, float("nan")]):
        path = journal(whole, number, {"values": values})
        assert_refused(call("pareto", "-s", path), f"line {number}: it cannot be read (its values are")
    shutil.copy(whole / "whole.log", whole / "later.log")
    storage = open_storage("later.log")
    with (whole / "later.log").open("a") as file:
        file.write('{"op_code":1,"worker_id":"x"}\n')
    for _ in range(2):
        with pytest.raises(StorageError, match=f"line {len(lines) + 1}: "):
            storage.get_all_studies()


def test_damaged_records_in_a_redis_server_are_one_line(whole: Path) -> None:
    with serving("redis") as server:
        study = optuna.create_study(study_name="a", storage=open_storage(server.url))
        study.ask()
        client = pytest.importorskip("redis").Redis(port=server.port)
        for key, damage, said in [
            (":log:1", b"\xff", "record 1 of the journal in the Redis server is damaged"),
            (":log:1", b"[" * 99_999, "record 1 of the journal in the Redis server is damaged"),
            (":log:1", b'{"op_code": 4}', "is damaged: record 1: it cannot be read"),
            (":log_number", b"x", "the journal in the Redis server is damaged"),
        ]:
            before = client.get(key)
            client.set(key, damage)
            result = call("status", "-s", server.url)
            assert_refused(result, said)
            assert "copy" in result.output
            client.set(key, before)
        assert call("status", "-s", server.url).exit_code == 0


def test_a_damaged_row_behind_a_proxy_is_one_line(whole: Path) -> None:
    with serving("grpc") as server:
        optuna.create_study(study_name="a", storage=open_storage(server.url)).ask().suggest_int("x", 1, 9)
        with contextlib.closing(sqlite3.connect(server.folder / "behind.db")) as behind:
            behind.execute("UPDATE trial_params SET distribution_json = '{'")
            behind.commit()
        result = call("status", "-s", server.url)
        assert_refused(result, "is damaged: trial 0 cannot be read")


@pytest.mark.parametrize("storage", ["sqlite:///mistakes.db", "mistakes.log"])
def test_a_caller_s_own_mistake_is_no_damage(whole: Path, storage: str) -> None:
    study = optuna.create_study(storage=open_storage(storage))
    with pytest.raises(TypeError, match="not JSON serializable"):
        study.ask().set_user_attr("a", object())
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    with pytest.raises(ValueError, match="different distribution kind"):
        study.ask().suggest_categorical("x", ["a"])
    with pytest.raises(KeyError):
        storage_of(study).get_trial(99)
    with pytest.raises(KeyError):
        optuna.load_study(study_name="other", storage=storage_of(study))
    with pytest.raises(ValueError, match=r"No trials are completed|Record does not exist"):
        _ = study.best_trial
