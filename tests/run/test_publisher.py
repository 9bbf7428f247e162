"""What `optnas run` writes for optuna-dashboard while trials end, and that the search never depends on it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna_dashboard import get_note
from optuna_dashboard._note import get_note_from_system_attrs
from optuna_dashboard.artifact._backend import list_trial_artifacts

from optnas.errors import StorageError
from optnas.reports import publishing as reports
from optnas.reports.dashboard import is_noted
from optnas.run import publisher
from optnas.run.files import load_study
from optnas.run.publisher import publishing
from optnas.storages.opening import open_storage
from optnas.trials.optuna_internals import id_of, study_system_attrs
from optnas.trials.progress import front
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


TRAINED = """
from optnas import Study, Training, data, integer, maximize, minimize, ops, tasks
study = Study(
    name="quick",
    space=ops.seq(ops.linear(integer(1, 64, name="width")), ops.relu(), ops.head()),
    task=tasks.classification(data.sklearn("wine")),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=1),
    sampler="random",
)
"""
HALVES = {
    "artifact": """
write = Folder.write
def killed(self, name, body):
    if len(list(Path("optnas-artifacts").glob("*"))) == 2:
        write(self, name, io.BytesIO(body.read()[:99]))
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, name, body)
Folder.write = killed
""",
    "attributes": """
write = publishing.write_study_attributes
def killed(study, attributes):
    write(study, dict(list(attributes.items())[:4]))
    os.kill(os.getpid(), signal.SIGKILL)
publishing.write_study_attributes = killed
""",
}
KILLED = """
import io, os, signal, sys
from pathlib import Path
from optuna.artifacts import FileSystemArtifactStore as Folder
from optnas.cli import app
from optnas.reports import publishing
"""


@pytest.mark.slow
@pytest.mark.parametrize(("half", "url"), [("artifact", "sqlite:///optnas.db"), ("attributes", "optnas.log")])
def test_a_run_that_is_killed_while_it_publishes_loses_nothing(file: Path, half: str, url: str) -> None:
    file.write_text(TRAINED)
    arguments = ["run", str(file), "--trials", "5", "--workers", "1", "--storage", url]
    code = f"{KILLED}{HALVES[half]}\napp({arguments!r})"
    killed = subprocess.run([sys.executable, "-c", code], cwd=file.parent, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    study = opened(url)
    assert [trial.state.is_finished() for trial in study.trials] == [True] * 5
    assert len(noted(study)) < 5, "it was killed before it was done"
    result = call("publish", "--storage", url)
    assert result.exit_code == 0, result.output
    attributes = study_system_attrs(opened(url))
    for trial in study.trials:
        (drawing,) = list_trial_artifacts(attributes, {}, trial)
        drawn = Path("optnas-artifacts", drawing["artifact_id"]).read_text(encoding="utf-8")
        assert drawn.rstrip().endswith("</svg>"), "none is left in halves"
        body = get_note_from_system_attrs(attributes, id_of(trial))["body"]
        assert body.startswith("**")
        assert body.count("[optnas]: #") == 1
    assert len(list(Path("optnas-artifacts").glob("*"))) == 5
    assert "5 trials" in get_note(opened(url))
    assert call("publish", "--storage", url).output.startswith("Everything is published already")
    run(file, 7, "--storage", url)
    assert noted(opened(url)) == list(range(7))


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


def test_of_many_quick_trials_the_front_is_noted_first(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(file, 12, "--no-publish")
    study = opened()
    best = sorted(trial.number for trial in front(study, study.trials))
    assert len(best) < 12
    thread = publisher.Publisher(load_study(str(file)), study, 12)
    monkeypatch.setattr(publisher, "_FINAL_LEAST", len(best) * thread._each * 1.01)
    thread.publish(final=True)
    assert noted(study) == best
    monkeypatch.setattr(publisher, "_FINAL_LEAST", 1000.0)
    thread.publish(final=True)
    assert noted(study) == [*range(12)], "the others are written as soon as there is time"
