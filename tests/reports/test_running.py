"""Of a training that takes long the display, ``status`` and ``show`` say how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from optnas import Study, Training, choose, data, integer, maximize, minimize, ops, tasks, trial
from optnas.reports.notebook import progress_html
from optnas.reports.running import running_told
from optnas.run.claims import Claims
from optnas.run.worker import work
from optnas.storages.opening import open_storage
from optnas.trials.optuna_internals import storage_of
from optnas.trials.progress import ProgressReader
from optnas.trials.under_way import Stage, stage_here, stages
from tests.files import call


def run_with_beats(
    study: Study, folder: Path, monkeypatch: pytest.MonkeyPatch, look: Callable[[optuna.Study], None]
) -> optuna.Study:
    """Run one trial in ``folder``; with each epoch the worker beats, and ``look`` sees the study."""
    monkeypatch.chdir(folder)
    opened = study.open(open_storage("sqlite:///optnas.db", create=True))
    all_claims: list[Claims] = []

    def note(running: optuna.Trial, stage: Stage) -> None:
        noted(running, stage)
        if stage.epoch == int(stage.epoch):
            all_claims[0].beat()
            look(opened)

    noted = trial.note_stage
    monkeypatch.setattr(trial, "note_stage", note)
    work(study, opened, 1, begins=all_claims.append)
    return opened


def test_a_training_tells_its_epoch_and_what_it_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(
        name="long",
        space=ops.seq(ops.flatten(), ops.linear(choose(2, 4, name="width")), ops.head()),
        task=tasks.classification(data.digits()),
        objectives=[maximize("accuracy"), minimize("flops")],
        training=Training(epochs=4, rungs=(2, 4), hopeless_after=0),
        sampler="random",
        pruner="pareto-halving",
    )
    told: list[str] = []
    left: list[float | None] = []

    def look(opened: optuna.Study) -> None:
        told.extend(running_told(opened, opened.get_trials()))
        since = time.monotonic() - 100
        progress = ProgressReader(opened, 1, since=since, finished_before=0).read()
        left.append(progress.seconds_left)
        assert told[-1] in progress_html(opened, progress, "long")
        if len(told) == 3:
            assert told[-1] in call("status").output
            assert "epoch 3.0 of 4" in " ".join(call("show", 0).output.split())

    opened = run_with_beats(study, tmp_path, monkeypatch, look)
    assert [line[:23] for line in told] == [f"trial 0: epoch {n}.0 of 4" for n in (1, 2, 3, 4)]
    assert ["accuracy" in line and line.endswith("at epoch 2") for line in told] == [False, False, True, True]
    # A quarter done in 100 s leaves 300 s.
    assert [round(each or 0, -1) for each in left] == [300, 100, 30, 0]
    # Nothing is left of it once the trial has ended.
    assert stages(opened.trials) == {}
    assert stage_here(storage_of(opened), opened.trials[0]._trial_id) is None
    assert "epoch" not in call("show", 0).output.split("took")[0].replace("epochs", "")


def test_an_evaluation_of_ones_own_tells_the_step_that_it_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluate(candidate: Any, report: Callable[..., None]) -> dict[str, float]:
        for step in (1, 5):
            report(step, {"score": step / 10})
        return {"score": 1.0}

    study = Study(
        name="own",
        space=ops.seq(ops.conv(integer(1, 8, name="width"))),
        evaluate=evaluate,
        objectives=[maximize("score")],
        sampler="random",
        pruner="median",
    )
    told: list[str] = []
    run_with_beats(
        study, tmp_path, monkeypatch, lambda opened: told.extend(running_told(opened, opened.trials))
    )
    assert told == ["trial 0: step 1", "trial 0: step 5   score 0.1000 at step 1"]


def test_of_many_the_first_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study(directions=["maximize"])
    for _ in range(6):
        study.ask()
    found = {number: Stage(number + 0.5, 20) for number in range(6)}
    monkeypatch.setattr("optnas.reports.running.stages", lambda trials: found)
    told = list(running_told(study, study.get_trials()))
    assert told[0] == "trial 0: epoch 0.5 of 20"
    assert told[-1] == "… and 2 more"
    assert len(told) == 5
