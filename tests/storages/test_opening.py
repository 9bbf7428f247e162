from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from sqlalchemy import create_engine, text

from optnas import UserError
from optnas.storages import servers
from optnas.storages.opening import DEFAULT_STORAGE, default_artifacts, open_storage
from optnas.storages.waiting import last_outage
from tests.files import finish, quick_study, start
from tests.servers import serving


def test_sqlite_is_opened_for_several_processes(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/a.db")
    with storage.database.engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 2_000


def test_a_journal_file_is_a_storage(tmp_path: Path) -> None:
    file = quick_study(tmp_path)
    finish(start("run", file, "--trials", 4, "--storage", "journal.log", folder=tmp_path))
    study = optuna.load_study(study_name=None, storage=open_storage(str(tmp_path / "journal.log")))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4


def test_an_unreachable_database_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optnas.storages.opening._FIRST_CONTACT_SECONDS", 0.1)
    with pytest.raises(UserError) as error:
        open_storage("postgresql+psycopg://me:s3cret@127.0.0.1:1/none")
    assert "cannot be reached" in str(error.value)
    assert "s3cret" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "is not a URL"),
        ("nosuchdatabase://x", "there is no nosuchdatabase; give sqlite:///file.db, postgresql"),
        ("oracle://me:s3cret@host/db", r"oracle://me:\*\*\*@host/db: there is no oracle"),
        ("sqlite:///:memory:", "a database in memory ends with this process"),
        ("sqlite://", "a database in memory ends with this process"),
        ("redis://:s3cret@127.0.0.1:1/0", r"redis://:\*\*\*@127.0.0.1:1/0 cannot be reached: .*refused"),
        ("grpc://localhost", "write grpc://host:port"),
        ("grpc://127.0.0.1:1", "cannot be reached: UNAVAILABLE"),
        ("mysql://me:s3cret@127.0.0.1:1/none", "cannot be reached: .*Can't connect"),
        ("postgresql://me:s3cret@127.0.0.1:1/none", "cannot be reached: .*refused"),
        ("sqlite:///no/such/folder/a.db", "does not exist: make it first"),
    ],
)
def test_a_url_that_is_wrong_says_so(url: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optnas.storages.opening._FIRST_CONTACT_SECONDS", 0.1)
    with pytest.raises(UserError, match=said) as error:
        open_storage(url)
    assert "s3cret" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("sqlite:///optnas.db", "optnas-artifacts"),
        ("sqlite:////data/a.b.db", "/data/a.b-artifacts"),
        ("data/journal.log", "data/journal-artifacts"),
        ("postgresql+psycopg://me:s3cret@host/none", "optnas-artifacts"),
    ],
)
def test_checkpoints_lie_beside_the_storage_s_file(url: str, folder: str) -> None:
    assert default_artifacts(url) == folder


def test_a_storage_that_is_only_read_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run one first"):
        open_storage(f"sqlite:///{tmp_path}/none.db", create=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["sqlite:///new.db", "new.log"])
def test_a_storage_that_was_named_and_is_not_there_is_told_how_to_make_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"run one first, by optnas run FILE --storage {url}$"):
        open_storage(url, reading=True)
    with pytest.raises(UserError, match=r"optnas run FILE, or name another place by --storage$"):
        open_storage(DEFAULT_STORAGE, reading=True)


@pytest.mark.parametrize("url", ["redis://host", "grpc://host:1", "mysql://host/db", "postgresql://host/db"])
def test_a_missing_driver_is_told_with_the_command(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in ("opening", "servers"):
        monkeypatch.setattr(f"optnas.storages.{file}.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'optnas\[(redis|grpc|mysql|postgres)\]'"):
        open_storage(url)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with serving("postgresql") as server:
        yield server.url


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("postgres", "nosuch"), ("optnas@", "nobody@")],
)
def test_what_is_wrong_for_good_is_told_at_once(postgres: str, wrong: str, said: str) -> None:
    began = time.monotonic()
    url = postgres.replace(f"/{wrong}", f"/{said}") if wrong == "postgres" else postgres.replace(wrong, said)
    with pytest.raises(UserError, match="does not exist"):
        open_storage(url, patience=600)
    assert time.monotonic() - began < 60


@pytest.mark.slow
def test_two_runs_at_once_on_postgresql_end_with_the_total(postgres: str, tmp_path: Path) -> None:
    file = quick_study(tmp_path, seconds=0.05)
    runs = [
        start("run", file, "--trials", 20, "--workers", 1, "--storage", postgres, folder=tmp_path)
        for _ in range(2)
    ]
    for run in runs:
        finish(run)
    study = optuna.load_study(study_name="quick", storage=open_storage(postgres))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 20


def test_connections_that_the_server_ended_while_they_were_idle_are_no_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving("postgresql") as server:
        storage = open_storage(server.url)
        study = optuna.create_study(storage=storage)
        ends = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        for idle, outage in ((-1.0, False), (60.0, True)):  # one that was used just now is not asked before
            monkeypatch.setattr(servers, "_IDLE_SECONDS", idle)
            study.ask()
            with create_engine(server.url).connect() as other:
                other.execute(ends)
            study.ask()
            assert (last_outage(storage) > 0) == outage
        assert len(study.trials) == 4
