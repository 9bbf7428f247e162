"""What only reads a storage needs to write nothing, and says the same as where it could."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from filelock import FileLock

from optnas.run.files import load_study
from optnas.run.worker import work
from optnas.storages.opening import open_storage
from optnas.storages.waiting import Guard
from tests.faults import full_disk
from tests.files import assert_refused, call, quick_study, start

URLS = ["sqlite:///stored/optnas.db", "stored/a.log"]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stored").mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def lock_away(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Make ``stored`` read-only: by its permissions, which do not bind root, or as a mount."""
    folder = tmp_path / "stored"
    with ExitStack() as undone:

        def lock() -> None:
            if os.geteuid():
                for path in (folder, *folder.iterdir()):
                    path.chmod(0o555)
                undone.callback(folder.chmod, 0o755)
                return
            mounts = ["mount --bind stored stored", "mount -o remount,ro,bind stored stored"]
            if any(subprocess.run(each.split(), stderr=subprocess.DEVNULL).returncode for each in mounts):
                pytest.skip("nothing may be mounted here")
            undone.callback(subprocess.run, ["umount", "--lazy", folder], check=True)

        yield lock


def searched(url: str, folder: Path) -> None:
    study = load_study(str(quick_study(folder)))
    opened = study.open(open_storage(url))
    for width in (40, 20, 60):
        opened.enqueue_trial({"width": width})
    work(study, opened, 3)


def left_in_log() -> None:
    """Leave the last writes in the write-ahead log, as a machine that was switched off does."""
    writer = sqlite3.connect("other.db")
    writer.execute("UPDATE studies SET study_name = 'renamed'")
    writer.commit()
    for suffix in ("", "-wal"):
        shutil.copy(f"other.db{suffix}", f"stored/optnas.db{suffix}")
    writer.close()


def told(url: str) -> list[str]:
    commands = [["status"], ["pareto"], ["pareto", "--json"], ["pareto", "--csv"], ["show", 1]]
    results = [call(*command, "--storage", url) for command in commands]
    assert [result.exit_code for result in results] == [0] * len(commands), [r.output for r in results]
    return [result.output for result in results]


@pytest.mark.parametrize("url", URLS)
def test_reading_commands_say_the_same_in_a_read_only_folder(
    url: str, tmp_path: Path, lock_away: Callable[[], None]
) -> None:
    searched(url, tmp_path)
    before = told(url)
    for lock in Path("stored").glob("*.lock"):
        lock.unlink()
    files = sorted(path.name for path in Path("stored").iterdir())
    lock_away()
    assert told(url) == before
    doctor = call("doctor", "--storage", url)
    assert doctor.exit_code == 1
    assert "reachable, 1 study" in doctor.output
    assert re.search(r"✗ a write .*ead-?only", doctor.output)
    assert sorted(path.name for path in Path("stored").iterdir()) == files


def test_what_stands_in_the_write_ahead_log_is_read_in_a_read_only_folder(
    tmp_path: Path, lock_away: Callable[[], None]
) -> None:
    searched("sqlite:///other.db", tmp_path)
    left_in_log()
    lock_away()
    assert "renamed" in call("status", "--storage", URLS[0]).output


@pytest.mark.parametrize("url", URLS)
def test_running_in_a_read_only_folder_is_refused_at_once(
    url: str, tmp_path: Path, lock_away: Callable[[], None]
) -> None:
    searched(url, tmp_path)
    lock_away()
    result = call("run", "quick.py", "--trials", 9, "--workers", 1, "--storage", url)
    assert result.exit_code == 3
    assert "Traceback" not in result.output
    assert result.output.strip().splitlines()[-1].startswith("error: ")
    assert "ead-only" in result.output or "ermission" in result.output or "readonly" in result.output


@pytest.mark.slow
def test_the_dashboard_reads_a_read_only_folder(tmp_path: Path, lock_away: Callable[[], None]) -> None:
    searched(URLS[0], tmp_path)
    lock_away()
    server = start("dashboard", "--port", 0, "--storage", URLS[0], folder=tmp_path)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[2]
        with urllib.request.urlopen(url + "api/studies") as answer:
            assert [each["study_name"] for each in json.load(answer)["study_summaries"]] == ["quick"]
    finally:
        server.kill()
        server.communicate()


def test_reading_makes_no_lock_and_waits_for_none(tmp_path: Path) -> None:
    searched(URLS[0], tmp_path)
    lock = Path("stored/optnas.db.lock")
    lock.unlink(missing_ok=True)
    told(URLS[0])
    assert not lock.exists()


def never(*_: object) -> None:
    raise AssertionError("it waits")


@pytest.mark.parametrize("url", URLS)
def test_reading_waits_for_nobody_who_writes(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched(url, tmp_path)
    before = told(url)
    monkeypatch.setattr(Guard, "_wait", never)
    with ExitStack() as held:
        path = url.removeprefix("sqlite:///")
        for lock in (f"{path}.lock", f"{path}.study.lock"):
            held.enter_context(FileLock(lock))
        if url != path:
            writer = held.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
            writer.execute("BEGIN EXCLUSIVE")
            writer.execute("UPDATE studies SET study_name = 'renamed'")
        assert told(url) == before


@pytest.mark.parametrize("content", [None, b""])
def test_a_database_without_a_study_says_so(content: bytes | None) -> None:
    if content is not None:
        Path("stored/optnas.db").write_bytes(content)
    assert_refused(call("status", "--storage", URLS[0]), "no study is stored in stored/optnas.db")


@pytest.mark.parametrize(
    "command",
    [["init", "stored/new.py"], ["pareto", "--plot", "stored/a.svg"], ["pareto", "--plot", "stored/a.html"]],
)
def test_what_cannot_be_written_is_one_line(
    command: list[str], tmp_path: Path, lock_away: Callable[[], None]
) -> None:
    searched("sqlite:///optnas.db", tmp_path)
    lock_away()
    assert_refused(call(*command), "stored/")


@pytest.mark.parametrize("url", URLS)
def test_reading_works_on_a_full_disk(url: str, tmp_path: Path) -> None:
    searched(url, tmp_path)
    with full_disk(0):
        assert "quick" in call("status", "--storage", url).output
        assert json.loads(call("pareto", "--storage", url, "--json").stdout)
