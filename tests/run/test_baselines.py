"""What simple models have, beside what a search found."""

from __future__ import annotations

from pathlib import Path

import pytest

from optnas.reports.report.baselines import baselines
from optnas.run.files import load_study
from tests.files import call

STUDY = """
from optnas import Study, Training, data, maximize, minimize, ops, tasks

class Known(tasks.Classification):
    def baselines(self):
        return {"the first class": {"accuracy": 0.125, "f1": 0.03}}

study = Study(
    name="known", space=ops.seq(ops.flatten(), ops.head()), task=Known(data.digits()),
    objectives=[maximize("accuracy"), minimize("flops")], training=Training(epochs=1), sampler="random",
)
"""


def test_a_task_s_baselines_stand_below_the_front_and_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("known.py").write_text(STUDY)
    output = call("run", "known.py", "--trials", 1).output
    assert "Beside it: the first class accuracy 0.1250." in output
    again = call("run", "known.py", "--trials", 1).output
    assert "has 1 trials already" in again
    assert "Beside it: the first class accuracy 0.1250." in again
    task = load_study("known.py").task
    assert task is not None
    assert "the first class" in [each.name for each in baselines(task)]
    assert call("report", "known.py", "--out", "known.html").exit_code == 0
    assert "the first class" in Path("known.html").read_text()


def test_baselines_that_fail_are_one_line_before_the_first_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("known.py").write_text(STUDY.replace('{"the first class":', '{"the first class": {}["typo"], "":'))
    done = call("run", "known.py", "--trials", 1)
    assert done.exit_code == 2
    assert "Known.baselines() fails: KeyError: 'typo' (known.py:6)" in done.output
    assert "Traceback" not in done.output
    assert not Path("optnas.db").exists()
