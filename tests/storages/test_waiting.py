"""A locked database and a full disk are waited for, in one line, and nothing that was finished is lost."""

from __future__ import annotations

import re
import resource
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from sqlalchemy.exc import PendingRollbackError
from typer.testing import Result

from optnas.storages import waiting
from optnas.storages.opening import open_storage
from optnas.trials.optuna_internals import storage_of
from tests.files import call, quick_study

SQLITE, JOURNAL = "sqlite:///optnas.db", "a.log"
LOCKED, FULL = (
    "is locked by another program",
    "is (on a full disk|as large as files may|not readable or writable)",
)


class Trouble:
    """Trouble with the storage from the third trial on, which ends at the storage's ``patience``-th wait."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind, self.url = kind, url
        self.waits = 0
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def begin(self) -> None:
        if self.kind == "locked":
            self._other = sqlite3.connect("optnas.db", isolation_level=None)
            self._other.execute("BEGIN IMMEDIATE")
        else:
            size = max(path.stat().st_size for path in Path().glob(f"{self.url.rpartition('/')[2]}*"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, self._limits[1]))

    def end(self) -> None:
        if self.kind == "locked":
            self._other.close()
        resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)


@pytest.fixture
def run_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Return a function that runs ten trials, with trouble from the third on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("optnas.storages.opening._BUSY_SECONDS", 0)
    monkeypatch.setattr(waiting, "_QUIET_SECONDS", 0.0)
    file = quick_study(tmp_path)
    text = file.read_text().replace(
        "time.sleep(0.0)", "began.append(1)\n    len(began) == 3 and time.trouble.begin()"
    )
    file.write_text(text.replace("def evaluate", "began = []\n\ndef evaluate"))
    begun: list[Trouble] = []

    def run(kind: str, url: str, at_wait: Callable[[Trouble], None]) -> Result:
        trouble = Trouble(kind, url)
        begun.append(trouble)
        monkeypatch.setattr(time, "trouble", trouble, raising=False)

        def sleep(_: float) -> None:
            trouble.waits += 1
            at_wait(trouble)

        monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
        return call("run", file, "--trials", 10, "--workers", 1, "--storage", url)

    yield run
    for trouble in begun:
        trouble.end()


TROUBLES = [("locked", SQLITE, LOCKED), ("full", SQLITE, FULL), ("full", JOURNAL, FULL)]


def states(url: str) -> list[str]:
    return [
        trial.state.name for trial in optuna.load_study(study_name="quick", storage=open_storage(url)).trials
    ]


@pytest.mark.parametrize(("kind", "url", "said"), TROUBLES)
def test_a_run_goes_on_when_it_passes(
    kind: str, url: str, said: str, run_with: Callable[..., Result]
) -> None:
    result = run_with(kind, url, lambda trouble: trouble.end() if trouble.waits == 3 else None)
    assert result.exit_code == 0, result.output
    told = [line for line in result.stderr.splitlines() if line.startswith("optnas: ")]
    assert len(told) == 2
    assert re.search(said, told[0])
    assert "can be used again" in told[1]
    assert states(url) == ["COMPLETE"] * 10


@pytest.mark.parametrize(("kind", "url", "said"), TROUBLES)
def test_what_does_not_pass_ends_the_run_in_words_and_keeps_what_was_finished(
    kind: str, url: str, said: str, run_with: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.0)
    result = run_with(kind, url, lambda trouble: None)
    assert result.exit_code == 3, result.output
    assert "Traceback" not in result.output
    last = result.output.strip().splitlines()[-1]
    assert re.search(said, last)
    assert "what was finished before is kept: run the same command again to go on" in last
    time.trouble.end()  # type: ignore[attr-defined]
    assert states(url).count("COMPLETE") >= 2
    time.trouble.begin = lambda: None  # type: ignore[attr-defined]
    again = call("run", "quick.py", "--trials", 10, "--workers", 1, "--storage", url)
    assert again.exit_code == 0, again.output
    assert states(url) == ["COMPLETE"] * 10


@pytest.mark.parametrize(("kind", "url", "said"), TROUBLES)
def test_ctrl_c_ends_the_waiting(kind: str, url: str, said: str, run_with: Callable[..., Result]) -> None:
    def interrupt(_: Trouble) -> None:
        raise KeyboardInterrupt

    result = run_with(kind, url, interrupt)
    assert result.exit_code == 130, result.output
    assert "Run the same command to go on" in result.output
    assert "Traceback" not in result.output


def test_who_is_impatient_does_without_a_storage_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("optnas.storages.opening._BUSY_SECONDS", 0)
    monkeypatch.setattr(waiting, "_IMPATIENT_SECONDS", 0.1)
    study = optuna.create_study(storage=open_storage(SQLITE))
    storage = storage_of(study)
    assert waiting.last_outage(storage) == 0.0
    trouble = Trouble("locked", SQLITE)
    trouble.begin()
    began = waiting.now()
    with waiting.impatient(storage), pytest.raises(waiting.StorageAway, match="is locked by another"):
        study.ask()
    assert began < waiting.last_outage(storage) < waiting.now()
    assert waiting.waiting_for(storage) is None

    # Another thread waits as long as it takes; who is impatient knows without an attempt of its own.
    other = threading.Thread(target=study.ask)
    other.start()
    while waiting.waiting_for(storage) is None:
        time.sleep(0.01)
    with waiting.impatient(storage), pytest.raises(waiting.StorageAway, match="is locked by another"):
        study.set_user_attr("a", 1)
    trouble.end()
    other.join()
    with waiting.impatient(storage):
        study.set_user_attr("a", 1)
    assert len(study.trials) == 1


def test_what_was_lost_in_the_middle_of_a_transaction_is_done_again_as_a_whole() -> None:
    attempts: list[int] = []

    def operation() -> int:
        attempts.append(1)
        if len(attempts) == 1:
            raise PendingRollbackError(
                "Can't reconnect until invalid transaction is rolled back", code="8s2b"
            )
        return len(attempts)

    assert waiting.Guard("a")(operation) == 2
