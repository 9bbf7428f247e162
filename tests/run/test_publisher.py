"""What `optnas run` writes for optuna-dashboard while trials end, and that the search never depends on it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna_dashboard import get_note

from optnas.errors import StorageError
from optnas.reports import publishing as reports
from optnas.reports.dashboard import is_noted
from optnas.run import publisher
from optnas.run.files import load_study
from optnas.run.publisher import publishing
from optnas.storages.opening import open_storage
from optnas.trials.optuna_internals import id_of, study_system_attrs
from optnas.trials.record import PUBLISHED
from tests.files import assert_refused, call, quick_study


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return quick_study(tmp_path)


def opened(url: str = "sqlite:///optnas.db") -> optuna.Study:
    return optuna.load_study(study_name="quick", storage=open_storage(url))


def noted(study: optuna.Study) -> list[int]:
    attributes = study_system_attrs(study)
    return [trial.number for trial in study.trials if is_noted(attributes, id_of(trial))]


def run(file: Path, trials: int, *more: object) -> None:
    result = call("run", file, "--trials", trials, "--workers", 1, *more)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("url", ["sqlite:///optnas.db", "journal.log"])
def test_in_the_end_every_trial_and_the_study_have_a_note(file: Path, url: str) -> None:
    run(file, 3, "--storage", url)
    run(file, 5, "--storage", url)
    study = opened(url)
    assert noted(study) == [0, 1, 2, 3, 4]
    assert "5 trials" in get_note(study)
    assert study_system_attrs(study)[PUBLISHED.name] == 5


def test_it_can_be_turned_off_and_made_up_for(file: Path) -> None:
    run(file, 3, "--no-publish")
    study = opened()
    assert noted(study) == []
    result = call("publish", "quick")
    assert result.exit_code == 0, result.output
    assert "3 notes" in result.output
    again = call("publish").output
    assert again.startswith("Everything is published already (study 'quick', 3 of 3 trials have a note)")
    assert noted(study) == [0, 1, 2]
    assert_refused(call("publish", "slow"), "no study 'slow'")


def test_a_place_that_keeps_no_drawings_is_refused_also_if_there_is_nothing_to_write(file: Path) -> None:
    run(file, 2)
    assert_refused(call("publish", "--artifacts", file), "artifacts cannot be kept: File exists")
    assert_refused(call("publish", "--artifacts", "nowhere://a"), "give a folder")
    assert call("publish", "--artifacts", "none").exit_code == 0


def test_a_mistake_in_it_is_not_the_search_s(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(reports, "publish", fails)
    run(file, 3)
    assert len(opened().trials) == 3


def test_a_figure_that_cannot_be_drawn_is_left_out(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: Any) -> Any:
        raise ZeroDivisionError("of <b>nothing\x1b")

    monkeypatch.setitem(reports.FIGURES, "front", fails)
    run(file, 3)
    assert noted(opened()) == [0, 1, 2]


def test_notes_are_there_while_the_search_goes_on(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "_PERIOD_SECONDS", 0.05)
    monkeypatch.setattr(publisher, "_LARGEST_SHARE", 1.0)
    run(file, 2, "--no-publish")
    study = opened()
    with publishing(load_study(str(file)), study, 10):
        deadline = time.monotonic() + 60
        while noted(study) != [0, 1] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert noted(study) == [0, 1]


@pytest.mark.parametrize("ended", [KeyboardInterrupt, StorageError("away")])
def test_who_is_stopped_or_cut_off_waits_for_nothing(file: Path, ended: Any) -> None:
    run(file, 2, "--no-publish")
    study = opened()
    with pytest.raises(BaseException, match=r"away|^$"), publishing(load_study(str(file)), study, 10):
        raise ended
    assert noted(study) == []
