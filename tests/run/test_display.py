"""The live view while the storage is away: it says so, and keeps what was last seen."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import optuna
import pytest
from rich.console import Console
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from optnas.errors import StorageError
from optnas.run.display import Display
from optnas.run.files import load_study
from optnas.run.worker import work
from optnas.shown import console
from optnas.storages import waiting
from optnas.storages.opening import open_storage
from optnas.trials.optuna_internals import backend_of, storage_of
from tests.files import quick_study


@pytest.fixture
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> optuna.Study:
    monkeypatch.setattr(waiting, "_IMPATIENT_SECONDS", 0.0)
    study = load_study(str(quick_study(tmp_path)))
    opened = study.open(open_storage(f"sqlite:///{tmp_path}/optnas.db"))
    work(study, opened, 3)
    return opened


def goes_away(study: optuna.Study) -> None:
    """Let every statement fail from now on as on a disk that fails."""

    def fail(*_: object) -> None:
        broken = sqlite3.OperationalError("disk I/O error")
        broken.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise OperationalError("SELECT", {}, broken)

    event.listen(backend_of(storage_of(study)).engine, "before_cursor_execute", fail)


def shown(screen: Console) -> str:
    """Return what was written to the screen since the last call."""
    assert isinstance(screen.file, io.StringIO)
    text = screen.file.getvalue()
    screen.file.seek(0)
    screen.file.truncate()
    return text


@pytest.fixture
def screen() -> Console:
    return console(file=io.StringIO(), force_terminal=True, width=80, height=24)


def seen_away(study: optuna.Study, screen: Console, display: Display) -> None:
    display.update()
    assert "seq(conv" in shown(screen)
    goes_away(study)
    display._next = 0.0
    display.update()
    said = shown(screen)
    assert "seq(conv" in said
    assert "Waiting: the storage" in said


def test_the_view_stays_and_says_that_it_waits(searched: optuna.Study, screen: Console) -> None:
    waiting.guard_of(storage_of(searched)).patience = 0.0
    display = Display(searched, 9, "quick", screen)
    with pytest.raises(StorageError), display:
        seen_away(searched, screen, display)
    assert "As it was last seen:" in shown(screen)


def test_who_is_stopped_while_the_storage_is_away_does_not_wait(
    searched: optuna.Study, screen: Console
) -> None:
    def stopped() -> None:
        with Display(searched, 9, "quick", screen) as display:
            seen_away(searched, screen, display)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert "As it was last seen:" in shown(screen)
