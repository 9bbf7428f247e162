"""A trial that was stopped because it had learned nothing is told apart from those that a pruner stopped."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from optnas.page.columns import kind_of
from optnas.reports.notebook import progress_html
from optnas.reports.outcome import outcome, stopped
from optnas.trials.progress import ProgressReader
from optnas.trials.states import counted, state_of
from tests.files import call

STUDY = """
from optnas import *

study = Study(
    name="still",
    space=ops.seq(ops.flatten(), ops.linear(choose(2, 3, 4, name="width")), ops.head()),
    task=tasks.classification(data.digits()),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=4, rungs=(1, 2, 4), lr=1e-9, optimizer="sgd"),
    pruner="none",
    sampler="random",
)
"""


def test_wherever_states_are_shown_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("still.py").write_text(STUDY)
    of = [option for width in (2, 3, 2) for option in ("--enqueue", f"width={width}")]  # the third repeats
    ran = call("run", "still.py", "--trials", 3, "--workers", 1, "--threads", 1, *of)
    assert ran.exit_code == 0, ran.output
    assert "0 pruned 3 learned nothing" in " ".join(ran.output.split())
    (study,) = optuna.get_all_study_names("sqlite:///optnas.db")
    opened = optuna.load_study(study_name=study, storage="sqlite:///optnas.db")
    assert [trial.state for trial in opened.trials] == [TrialState.PRUNED] * 3
    assert counted(opened.trials) == {"learned nothing": 3}
    assert "0 pruned   3 learned nothing" in call("status").output
    assert "learned nothing: the loss does not move" in call("show", 0).output
    assert call("report").exit_code == 0
    report = Path("report.html").read_text(encoding="utf-8")
    assert "3 learned nothing." in report
    assert "Stopped because they had learned nothing: 3" in report
    assert "Stopped early by the pruner" not in report
    assert kind_of(opened.trials[0]) == "learned nothing"
    progress = ProgressReader(opened, 3, since=0.0, finished_before=0).read()
    assert (progress.pruned, progress.learned_nothing, progress.finished) == (0, 3, 3)
    assert "0 pruned · 3 learned nothing" in progress_html(opened, progress, "still")
    told = outcome(opened, opened.trials)
    assert "Training(hopeless_after=0)" in told[-1]


def test_trials_that_a_pruner_stopped_are_pruned() -> None:
    pruned = create_trial(state=TrialState.PRUNED, user_attrs={"reason": "not among the best at rung 1"})
    assert state_of(pruned) == "pruned"
    assert stopped([pruned])["Stopped early by the pruner"] == [pruned]
