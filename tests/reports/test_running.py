"""Of a training that takes long the display, ``status`` and ``show`` say how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from optnas import Study, Training, choose, data, integer, maximize, minimize, ops, tasks, trial
from optnas.reports.notebook import progress_html
from optnas.reports.running import running_told
from optnas.run.claims import Claims
from optnas.run.worker import work
from optnas.storages.opening import open_storage
from optnas.trials.optuna_internals import storage_of
from optnas.trials.progress import ProgressReader
from optnas.trials.record import WORKER
from optnas.trials.under_way import Stage, stage_here, stages
from tests.files import call


def run_with_beats(
    study: Study,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    look: Callable[[optuna.Study], None],
    begin: Callable[[optuna.Study], None] = lambda opened: None,
) -> optuna.Study:
    """Run one trial in ``folder``; with each epoch the worker beats, and ``look`` sees the study."""
    monkeypatch.chdir(folder)
    opened = study.open(open_storage("sqlite:///optnas.db", create=True))
    begin(opened)
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
    readers: list[ProgressReader] = []

    def look(opened: optuna.Study) -> None:
        told.extend(running_told(opened, opened.get_trials()))
        progress = readers[0].read()
        left.append(progress.seconds_left)
        assert told[-1] in progress_html(opened, progress, "long")
        if len(told) == 3:
            assert told[-1] in call("status").output
            assert "epoch 3.0 of 4" in " ".join(call("show", 0).output.split())

    def begin(opened: optuna.Study) -> None:
        readers.append(ProgressReader(opened, 1, since=time.monotonic() - 1e5, finished_before=0))

    opened = run_with_beats(study, tmp_path, monkeypatch, look, begin)
    assert [line[:23] for line in told] == [f"trial 0: epoch {n}.0 of 4" for n in (1, 2, 3, 4)]
    assert ["accuracy" in line and line.endswith("at epoch 2") for line in told] == [False, False, True, True]
    # A quarter done in 100,000 s leaves 300,000 s.
    assert [round(each or 0, -4) for each in left] == [300_000, 100_000, 30_000, 0]
    # Nothing is left of it once the trial has ended.
    assert stages(opened.trials) == {}
    assert stage_here(storage_of(opened), opened.trials[0]._trial_id) is None
    assert "epoch" not in call("show", 0).output.split("took")[0].replace("epochs", "")


def test_an_evaluation_of_ones_own_tells_the_step_that_it_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluate(candidate: Any, report: Callable[..., None]) -> dict[str, float]:
        for step in (1, np.int64(5), 1_234_567.0):
            report(step, {"score": 0.5})
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
    at = "   score 0.5000 at step "
    assert told == ["trial 0: step 1", f"trial 0: step 5{at}1", f"trial 0: step 1234567{at}5"]


def claim(study: optuna.Study, epoch: float, epochs: float | None = None) -> None:
    """Let the claim on the study's last trial say how far its training is."""
    whole = {} if epochs is None else {"epochs": epochs}
    WORKER.put_in(study, study.trials[-1], {"pid": 1, "epoch": epoch, **whole})


@pytest.mark.parametrize("state", [TrialState.WAITING, TrialState.RUNNING])
def test_what_was_trained_before_the_run_does_not_count_as_its_work(state: TrialState) -> None:
    study = optuna.create_study()
    study.enqueue_trial({})
    trial = study.ask() if state == TrialState.RUNNING else None
    claim(study, 45, 50)  # of a run that was stopped or killed then, or of another machine
    reader = ProgressReader(study, 10, since=time.monotonic() - 1e5, finished_before=0)
    trial = trial or study.ask()
    assert reader.read().seconds_left is None
    claim(study, 46, 50)
    # An epoch in 100,000 s, and 454 are left.
    assert reader.read().seconds_left == pytest.approx(454e5, rel=0.01)
    study.tell(trial, 1.0)
    assert reader.read().seconds_left == pytest.approx(9e6, rel=0.01)


def test_time_left_does_not_grow_until_a_worker_tells_more(monkeypatch: pytest.MonkeyPatch) -> None:
    at = 0.0
    monkeypatch.setattr("optnas.trials.progress.time", SimpleNamespace(monotonic=lambda: at))
    study = optuna.create_study()
    reader = ProgressReader(study, 1, since=0.0, finished_before=0)
    study.ask()
    left = []
    for at, epoch in ((10.0, 1), (19.5, 1), (20.0, 2), (30.0, 2), (110.0, 2)):  # noqa: B007
        claim(study, epoch, 10)
        left.append(reader.read().seconds_left)
    assert left == pytest.approx([90, 90, 80, 80, 400])  # the last time a worker that stands still


@pytest.mark.parametrize(
    ("epoch", "epochs", "said"),
    [
        (1e300, 1e-300, "epoch 1e+300 of 0"),
        (-1e300, 5, "epoch -1e+300 of 5"),
        (1e-300, 2, "epoch 0.0 of 2"),
        (3, 0, "epoch 3.0 of 0"),
        (2**999, None, "step 5.36e+300"),
    ],
    ids=["huge", "negative", "tiny", "of none", "step"],
)
def test_a_claim_with_a_senseless_stage_breaks_no_display(
    epoch: float, epochs: float | None, said: str
) -> None:
    study = optuna.create_study()
    reader = ProgressReader(study, 10, since=time.monotonic() - 1e5, finished_before=0)
    study.ask()
    claim(study, epoch, epochs)
    assert list(running_told(study, study.trials)) == [f"trial 0: {said}"]
    progress = reader.read()
    assert said in progress_html(study, progress, "hostile")
    assert 0 <= (progress.seconds_left or 0) < 1e9


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
