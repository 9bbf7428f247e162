"""Failures are seen: why, how often and where, as a study runs and when it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from optnas.run.files import load_study
from optnas.trials.failure import last_infeasible
from tests.files import assert_refused, call

FAILING = """
from optnas import Study, choose, integer, maximize, minimize, ops

def broken(width):
    raise ValueError(f"no data for {{width}}")

def evaluate(candidate, report):
    width = candidate.architecture.children[0].arguments["width"]
    if {when}:
        broken(width)
    return {{"score": -abs(width - 40), "size": width}}

study = Study(name="failing", space=ops.seq(ops.conv(integer(1, 64, name="width")), ops.relu()),
    evaluate=evaluate, objectives=[maximize("score"), minimize("size")], sampler="random")
"""

WRONG_SPACE = """
import torch
from optnas import Study, data, maximize, minimize, ops, spaces, tasks
x = torch.randn(60, 8, 3)
task = tasks.classification(data.tensors(x, torch.arange(60) % 2, layout="channels_last"))
study = Study(name="wrong", space={space}, task=task,
    objectives=[maximize("accuracy"), minimize("flops")])
"""


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("workers", [1, 2])
def test_the_end_of_a_run_says_why_trials_failed_and_how_often(workers: int, tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(FAILING.format(when="width % 3 == 0"))
    result = call("run", "failing.py", "--trials", 20, "--workers", workers)
    assert result.exit_code == 0
    failed = [t for t in map(trial, range(20)) if t["state"] == "FAIL"]
    said = " ".join(result.output.split())
    assert f"{len(failed)} failed" in said
    assert f"failed {len(failed)} times, last trial {failed[-1]['number']}: ValueError: no data for" in said
    assert "(failing.py:5)" in said
    assert f"(optnas show {failed[-1]['number']})" in said
    assert all(len(line) <= 80 for line in result.output.splitlines())


def test_a_failed_trial_s_record_has_the_user_s_part_of_the_traceback(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(FAILING.format(when="width % 2 == 0"))
    call("run", "failing.py", "--trials", 8, "--workers", 1)
    failed = next(t for t in map(trial, range(8)) if t["state"] == "FAIL")
    assert "in evaluate" in failed["traceback"]
    assert "broken(width)" in failed["traceback"]
    assert "optnas/trial.py" not in failed["traceback"]
    assert failed["traceback"].endswith(failed["reason"].partition(" (")[0])
    assert "broken(width)" in call("show", failed["number"]).output


def test_a_long_traceback_is_bounded(tmp_path: Path) -> None:
    text = FAILING.format(when="width % 2 == 0").replace(
        "def broken(width):", "def broken(width, depth=200):\n    if depth: broken(width, depth - 1)"
    )
    (tmp_path / "failing.py").write_text(text.replace("no data", "no data" * 3000))
    call("run", "failing.py", "--trials", 8, "--workers", 1)
    failed = next(t for t in map(trial, range(8)) if t["state"] == "FAIL")
    assert len(failed["traceback"]) <= 4_000


def test_a_limit_without_value_fails_trials_and_not_the_command(tmp_path: Path) -> None:
    text = WRONG_SPACE.format(space="ops.seq(ops.gru(4), ops.head())")
    limit = 'study = Study(name="limit", constraints=["1 / (depth - 2) <= 1"]'
    (tmp_path / "limit.py").write_text(text.replace('study = Study(name="wrong"', limit))
    result = call("run", "limit.py", "--trials", 8, "--workers", 1)
    assert result.exit_code == 1
    assert "'1 / (depth - 2)' has no value: float division by zero" in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert trial(0)["state"] == "FAIL"


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("spaces.transformer()", "takes tokens=False"),
        ("spaces.recurrent()", "takes tokens=False"),
        ("ops.seq(ops.conv(8), ops.head())", "it expects (channels, height, width)"),
        ("ops.seq(ops.linear(8), ops.relu())", "end the space with"),
    ],
)
def test_a_space_that_never_fits_its_data_is_refused_before_the_first_trial(
    space: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "wrong.py").write_text(WRONG_SPACE.format(space=space))
    assert_refused(call("run", "wrong.py", "--trials", 8, "--workers", 1), said)
    assert "no study" in call("status").output


def trial(number: int) -> dict:
    return json.loads(call("show", number, "--json").output)


@pytest.mark.parametrize(
    ("ends", "said", "workers"),
    [
        ("import sys; sys.exit(3)", "SystemExit: 3", 1),
        pytest.param("import sys; sys.exit(3)", "SystemExit: 3", 2, marks=pytest.mark.slow),
        pytest.param("exit()", "SystemExit: None", 1, marks=pytest.mark.slow),
        ("import argparse; argparse.ArgumentParser().error('odd')", "SystemExit: 2", 1),
        ("import torch; torch.ones(2) @ torch.ones(3)", "RuntimeError: inconsistent tensor size", 1),
        ("import json; json.loads('no')", "JSONDecodeError: Expecting value: line 1 column 1", 1),
    ],
)
def test_an_evaluation_that_ends_itself_or_fails_in_a_library_has_its_own_line(
    ends: str, said: str, workers: int, tmp_path: Path
) -> None:
    text = FAILING.format(when="width % 3 == 0")
    (tmp_path / "failing.py").write_text(text.replace('raise ValueError(f"no data for {width}")', ends))
    result = call("run", "failing.py", "--trials", 12, "--workers", workers)
    assert result.exit_code == 0, result.output
    failed = [t for t in map(trial, range(12)) if t["state"] == "FAIL"]
    assert failed
    assert all(t["reason"].startswith(said) and t["reason"].endswith("(failing.py:5)") for t in failed)
    assert "lib/python" not in failed[0]["traceback"]


@pytest.mark.parametrize(
    "encoding",
    ["ascii", pytest.param("cp1252", marks=pytest.mark.slow), pytest.param("utf-8", marks=pytest.mark.slow)],
)
def test_a_worker_s_error_comes_through_in_every_encoding(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = FAILING.format(when="True").replace("no data", "größe ↑")
    (tmp_path / "failing.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    result = call("run", "failing.py", "--trials", 12, "--workers", 2)
    assert result.exit_code == 1
    assert "error: every trial failed: ValueError: größe ↑ for" in result.output


LIMITED = """
from optnas import Study, choose, data, maximize, minimize, ops, tasks
study = Study(name="limited", space=ops.seq(ops.conv(choose(2, 16, 32, name="w")), ops.head()),
    task=tasks.classification(data.digits()), objectives=[maximize("accuracy"), minimize("flops")],
    constraints={constraints})
"""


@pytest.mark.parametrize(
    ("constraints", "said"),
    [
        (["params <= 10"], "none of 50 random architectures of study 'limited' keeps 'params <= 10'"),
        (["params <= 10", "flops < 9"], "keeps 'params <= 10' nor 'flops < 9'"),
        (["params <= 100", "params >= 300"], "keeps all of 'params <= 100', 'params >= 300'"),
        (["params <= 100"], None),
        (["latency_ms <= 5", "params <= 100"], None),
    ],
)
def test_constraints_that_nothing_keeps_are_said_before_the_first_trial(
    constraints: list[str], said: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "limited.py").write_text(LIMITED.format(constraints=constraints))
    load_study("limited.py").check_fits()
    told = capsys.readouterr().err
    assert (said in told) if said else not told


GATE = """
from torch import nn
from optnas import Study, Training, choose, data, maximize, minimize, op, ops, tasks

@op
class Gate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.gate = nn.Linear(channels, channels{wrong})

    def forward(self, x):
        return x * {called}(x)

study = Study(name="gated", sampler="{sampler}", training=Training(epochs=1, batch_size=64),
    space=ops.seq(ops.linear(4), choose(ops.relu(), ops.gelu(), ops.tanh(), Gate(4), name="act"), ops.head()),
    task=tasks.classification(data.sklearn("wine")), objectives=[maximize("accuracy"), minimize("flops")])
"""


@pytest.mark.parametrize(("wrong", "called"), [(" + 1", "self.gate"), ("", "self.gat")])
def test_an_op_that_no_sampler_would_choose_as_it_is_never_built_is_told_before_the_first_trial(
    wrong: str, called: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gated.py").write_text(GATE.format(wrong=wrong, called=called, sampler="ehvi"))
    load_study("gated.py").check_fits()
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("note: no random architecture with the op 'Gate' can be built: Gate(4) cannot be")
    assert told.endswith("(gated.py:12)")


def test_an_op_that_is_built_is_not_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gated.py").write_text(GATE.format(wrong="", called="self.gate", sampler="ehvi"))
    load_study("gated.py").check_fits()
    assert capsys.readouterr().err == ""


def test_the_end_of_a_run_says_why_trials_are_infeasible_and_how_often(tmp_path: Path) -> None:
    (tmp_path / "gated.py").write_text(GATE.format(wrong=" + 1", called="self.gate", sampler="random"))
    result = call("run", "gated.py", "--trials", 12, "--workers", 1)
    assert result.exit_code == 0, result.output
    infeasible = [t for t in map(trial, range(12)) if "Gate(4) cannot" in t.get("reason", "")]
    said = " ".join(result.output.split())
    assert infeasible
    number = infeasible[-1]["number"]
    assert f"pruned: {len(infeasible)} cannot be built, last trial {number}: " in said
    assert f"(gated.py:12) (optnas show {number})" in said
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


def test_trials_that_break_a_limit_are_told_by_kind() -> None:
    def pruned(reason: str, **constraints: float) -> FrozenTrial:
        made = create_trial(state=TrialState.PRUNED, user_attrs={"reason": reason})
        for name, violation in constraints.items():
            made.set_constraint(name, violation)
        return made

    unbuilt = pruned("Gate(4) cannot be built", buildable=1.0)
    limited = pruned("breaks 'params <= 9'", **{"params <= 9": 3.0, "flops <= 9": 0.0})
    stopped = pruned("not among the best at rung 3", **{"params <= 9": -3.0})
    told = last_infeasible([unbuilt, limited, limited, stopped])
    assert told == (unbuilt, "Gate(4) cannot be built", ["2 break a constraint", "1 cannot be built"])
    assert last_infeasible([stopped]) is None
