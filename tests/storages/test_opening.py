from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from sqlalchemy import text

from optnas import UserError
from optnas.storages.opening import default_artifacts, open_storage
from tests.files import finish, quick_study, start


def test_sqlite_is_opened_for_several_processes(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/a.db")
    with storage.engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 2_000


def test_a_journal_file_is_a_storage(tmp_path: Path) -> None:
    file = quick_study(tmp_path)
    finish(start("run", file, "--trials", 4, "--storage", "journal.log", folder=tmp_path))
    study = optuna.load_study(study_name=None, storage=open_storage(str(tmp_path / "journal.log")))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4


def test_an_unreachable_database_is_told_without_its_password() -> None:
    with pytest.raises(UserError) as error:
        open_storage("postgresql+psycopg://me:s3cret@127.0.0.1:1/none")
    assert "cannot be reached" in str(error.value)
    assert "s3cret" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "is not a URL"),
        ("nosuchdatabase://x", "cannot be reached"),
        ("sqlite:///no/such/folder/a.db", "does not exist: make it first"),
    ],
)
def test_a_url_that_is_wrong_says_so(url: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        open_storage(url)


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


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server of our own."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = shutil.which("initdb") or (str(binaries[-1]) if binaries else None)
    if binaries:
        found = str(binaries[-1])
    if found is None:
        pytest.skip("PostgreSQL's initdb is not installed")
    home = Path(found).parent
    folder = tmp_path_factory.mktemp("postgres")
    # PostgreSQL refuses to run as root.
    root = getpass.getuser() == "root"
    user = ["runuser", "-u", "postgres", "--"] if root else []
    if root:
        for above in (folder, *folder.parents[:3]):  # a folder more where tests run side by side
            os.chmod(above, 0o755)
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([*user, home / "initdb", "-D", data, "-A", "trust", "-U", "optnas"], **quiet)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    subprocess.run([*user, home / "pg_ctl", "-D", data, "-w", "-o", options, "start"], **quiet)
    yield f"postgresql+psycopg://optnas@127.0.0.1:{port}/postgres"
    subprocess.run([*user, home / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **quiet)


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
