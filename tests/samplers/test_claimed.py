"""Work that a study needs once is done by one worker, and by another one if that is gone."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import optuna
import pytest

from optnas.samplers import claimed as module
from optnas.samplers.claimed import claimed
from tests.files import REPOSITORY

_DIES = """
import os, sys, optuna
from optnas.samplers.claimed import claimed
with claimed(optuna.load_study(study_name="s", storage=sys.argv[1]), "work", lambda: False) as mine:
    os._exit(7 if mine else 0)
"""


@pytest.fixture(autouse=True)
def _never_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GONE_SECONDS", 1e9)
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.05)


def test_work_of_a_process_that_has_ended_is_taken_over_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(study_name="s", storage=url)
    died = subprocess.run([sys.executable, "-c", _DIES, url], cwd=REPOSITORY, timeout=120, check=False)
    assert died.returncode == 7
    with claimed(study, "work", lambda: False) as mine:
        assert mine


def test_work_of_a_process_that_lives_is_waited_for() -> None:
    study, done, entered, found = optuna.create_study(), threading.Event(), threading.Event(), []

    def other() -> None:
        entered.set()
        with claimed(study, "work", done.is_set) as mine:
            found.append(mine)

    with claimed(study, "work", done.is_set) as mine:
        assert mine
        thread = threading.Thread(target=other)
        thread.start()
        assert entered.wait(10)
        thread.join(0.5)
        assert thread.is_alive()
        done.set()
    thread.join(10)
    assert found == [False]
