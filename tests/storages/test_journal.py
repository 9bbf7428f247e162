"""A journal that a crash or a full disk tore is read, mended and gone on with."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from typer.testing import Result

from optnas.storages.journal import Journal
from optnas.storages.opening import open_storage
from tests.faults import full_disk
from tests.files import assert_refused, call, quick_study

JOURNAL = Path("a.log")


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The content of a whole journal of five trials, in the current folder."""
    monkeypatch.chdir(tmp_path)
    assert run(5).exit_code == 0
    return JOURNAL.read_bytes()


def run(trials: int) -> Result:
    return call("run", quick_study(Path.cwd()), "-n", trials, "-w", 1, "-s", JOURNAL)


def test_optuna_reads_it_and_it_reads_optuna_s(content: bytes) -> None:
    theirs = JournalStorage(JournalFileBackend(str(JOURNAL)))
    study = optuna.load_study(study_name="quick", storage=theirs)
    assert len(study.trials) == 5
    study.enqueue_trial({"width": 7})
    study.set_user_attr("who", "ö")
    assert run(6).exit_code == 0
    assert optuna.load_study(study_name="quick", storage=theirs).trials[5].params == {"width": 7}


@pytest.mark.parametrize("end", [b"{", b'{"op_code":6,"worker_id":"', b'{"op_code":5}', b"\0" * 4096])
def test_a_torn_last_line_is_told_when_reading_and_mended_when_writing(content: bytes, end: bytes) -> None:
    torn = content + end
    JOURNAL.write_bytes(torn)
    number = content.count(b"\n") + 1
    for command in (["status"], ["pareto"], ["show", 0]):
        result = call(*command, "-s", JOURNAL)
        assert result.exit_code == 0, result.output
        assert f"the last line of a.log, {number}, is torn" in result.stderr
        assert json.loads(call("pareto", "-s", JOURNAL, "--json").stdout)
    assert JOURNAL.read_bytes() == torn, "reading writes nothing"

    mended = run(7)
    assert mended.exit_code == 0, mended.output
    assert "it is in a.log.torn now" in mended.stderr
    assert Path("a.log.torn").read_bytes() == end + b"\n"
    assert JOURNAL.read_bytes().startswith(content + b'{"op_code":')
    plain = optuna.load_study(study_name="quick", storage=JournalStorage(JournalFileBackend(str(JOURNAL))))
    assert [trial.state.name for trial in plain.trials] == ["COMPLETE"] * 7


@pytest.mark.parametrize("torn", [b'{"op_code":6,"wor', b'{"op_code":6,"wor\n', b"\0" * 50, b"\n"])
def test_a_torn_line_that_others_have_written_behind_is_told_with_its_repair(
    content: bytes, torn: bytes
) -> None:
    lines = content.splitlines(keepends=True)
    behind = len(lines) - 3
    JOURNAL.write_bytes(b"".join([*lines[:behind], torn, *lines[behind:]]))
    result = call("pareto", "-s", JOURNAL, "--json")
    assert result.exit_code == 0, result.output
    told = [line for line in result.stderr.splitlines() if "torn" in line]
    assert len(told) == 1
    assert f"a.log, line {behind + 1} is torn" in told[0]
    repaired = run(6)
    assert repaired.exit_code == 0, repaired.output

    subprocess.run(told[0].partition("nothing runs: ")[2], shell=True, check=True)
    plain = optuna.load_study(study_name="quick", storage=JournalStorage(JournalFileBackend(str(JOURNAL))))
    assert [trial.state.name for trial in plain.trials] == ["COMPLETE"] * 6


@pytest.mark.parametrize("line", [b"hello\n", b'{"op_code":6, nonsense}\n', b"[1]\n", b'{"other":1}\n'])
def test_a_line_that_is_no_record_is_refused_with_its_number(content: bytes, line: bytes) -> None:
    lines = content.splitlines(keepends=True)
    JOURNAL.write_bytes(b"".join([*lines[:9], line, *lines[9:]]))
    for command in (["status"], ["pareto"], ["show", 0]):
        assert_refused(call(*command, "-s", JOURNAL), "a.log, line 10 is not a record")


def test_what_does_not_fit_on_the_disk_leaves_no_part_of_a_line(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(str(JOURNAL))
    study = optuna.load_study(study_name="quick", storage=storage)
    monkeypatch.setattr("optnas.storages.waiting.PATIENCE_SECONDS", 0.0)
    with full_disk(len(content) + 20), pytest.raises(Exception, match=r"as large as files may become|full"):
        optuna.load_study(study_name="quick", storage=open_storage(str(JOURNAL))).set_user_attr("a", "b" * 99)
    assert JOURNAL.read_bytes() == content
    study.set_user_attr("a", "b")
    assert JOURNAL.read_bytes().startswith(content + b"{")


@pytest.mark.parametrize("read_before", [True, False])
def test_another_thread_that_appends_while_it_is_checked_is_no_fault(
    read_before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "b.log")
    record = {"op_code": 0, "worker_id": "w", "study_name": "a", "directions": [1]}

    def appends_and_reads() -> None:
        journal.append_logs([record])
        list(journal.read_logs(0))

    if read_before:
        appends_and_reads()
    real, threads = os.stat, [threading.Thread(target=appends_and_reads)]

    def stat(*args: Any, **kwargs: Any) -> os.stat_result:
        found = real(*args, **kwargs)
        if threads and threading.current_thread() is threading.main_thread():
            thread = threads.pop()
            thread.start()
            thread.join()
        return found

    monkeypatch.setattr(os, "stat", stat)
    assert len(list(journal.read_logs(0))) == 1 + read_before
    assert not threads
