"""The choice of one trial: the best within a budget, or where the front bends."""

from __future__ import annotations

import math

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from optnas import UserError, maximize, minimize
from optnas.export.registry import format_named
from optnas.trials.record import ARCHITECTURE, COSTS, METRICS
from optnas.winner.choose_command import compared
from optnas.winner.choosing import best_within, knee, options
from tests.files import assert_refused, call

ACCURACY, FLOPS = maximize("accuracy"), minimize("flops")
BOTH = (ACCURACY, FLOPS)


def trials(*figures: tuple[float, float]) -> list[FrozenTrial]:
    """Return complete trials of these accuracies and FLOPs."""
    study = optuna.create_study(directions=["maximize", "minimize"])
    for accuracy, flops in figures:
        trial = study.ask()
        COSTS.put(trial, {"flops": flops})
        METRICS.put(trial, {"accuracy": accuracy})
        ARCHITECTURE.put(trial, "head")
        study.tell(trial, [accuracy, flops])
    return study.trials


FRONT = ((0.5, 1e3), (0.9, 1e4), (0.92, 1e5), (0.93, 1e6), (0.4, 1e5))


def test_within_a_budget_the_best_is_chosen_beside_its_neighbours_on_the_front() -> None:
    choice = best_within(options(trials(*FRONT)), BOTH, ["flops <= 2e5"], ACCURACY)
    assert choice.option.trial.number == 2
    assert [option.trial.number for option in choice.neighbours] == [1, 3]
    assert [option.trial.number for option in choice.front] == [0, 1, 2, 3]
    assert "4 trials that keep flops <= 2e5" in choice.why


def test_of_equally_good_ones_the_cheaper_is_chosen() -> None:
    choice = best_within(options(trials((0.9, 5e4), (0.9, 2e4))), BOTH, ["flops <= 1e5"], ACCURACY)
    assert choice.option.trial.number == 1


def test_all_budgets_are_kept_also_of_what_is_no_objective_and_only_then_measured() -> None:
    found = options(trials(*FRONT))
    slow = {0: 1.0, 1: 7.0, 2: 3.0, 3: 9.0}
    choice = best_within(
        found,
        BOTH,
        ["latency_ms <= 5", "flops > 1e3"],
        ACCURACY,
        ["latency_ms"],
        lambda trial, names: dict.fromkeys(names, slow[trial.number]),
    )
    assert choice.option.trial.number == 2
    assert choice.option.figures["latency_ms"] == 3
    assert choice.limited == ["latency_ms"]


def test_what_is_not_known_or_not_to_be_had_is_told() -> None:
    found = options(trials(*FRONT))
    with pytest.raises(UserError, match="nothing is known of 'flop': did you mean 'flops'"):
        best_within(found, BOTH, ["flop <= 1"], ACCURACY)
    with pytest.raises(
        UserError, match="no trial keeps flops <= 10; trial 0 comes nearest, with flops = 1000"
    ):
        best_within(found, BOTH, ["flops <= 10"], ACCURACY)
    with pytest.raises(UserError, match="--budget: 'flops' is not a constraint"):
        best_within(found, BOTH, ["flops"], ACCURACY)


def test_the_knee_is_where_more_begins_to_cost_much() -> None:
    assert knee(options(trials(*FRONT)), BOTH, ACCURACY).option.trial.number == 1
    quarter = [
        (math.sin(angle / 20 * math.pi / 2), 1.0 - math.cos(angle / 20 * math.pi / 2)) for angle in range(21)
    ]
    middle = knee(options(trials(*quarter)), BOTH, ACCURACY)
    assert middle.option.trial.number == 10
    assert len(middle.neighbours) == 2


def test_a_front_without_a_bend_has_a_choice_too() -> None:
    line = knee(options(trials((0.1, 1.0), (0.2, 2.0), (0.3, 3.0))), BOTH, ACCURACY)
    assert line.option.trial.number == 1
    assert "does not bend" in line.why
    alone = knee(options(trials((0.5, 3.0))), BOTH, ACCURACY)
    assert alone.neighbours == ()
    assert alone.why == "the only one on the front"


def test_only_complete_trials_without_a_broken_constraint_are_options() -> None:
    study = optuna.create_study()
    study.tell(study.ask(), state=TrialState.PRUNED)
    assert options(study.trials) == []


STUDY = """
from optnas import Study, Training, choose, data, maximize, minimize, ops, tasks

study = Study(
    name="small",
    space=ops.seq(ops.conv(choose(2, 4, 8, name="width")), ops.relu(), ops.maxpool(2), ops.head()),
    task=tasks.classification(data.digits()),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=1),
)
"""


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ([0.90, 0.94], "by 0.0100 (standard error 0.0224), which may be chance"),
        ([0.70, 0.71], "by 0.2050 (standard error 0.0112), more than seeds explain"),
    ],
)
def test_a_difference_of_seeds_is_said_beside_its_error(other, says) -> None:
    choice = best_within(options(trials(*FRONT[1:3])), BOTH, ["flops <= 2e5"], ACCURACY)
    again = {
        option: [{"accuracy": each} for each in values]
        for option, values in zip([choice.option, *choice.neighbours], ([0.92, 0.90], other), strict=True)
    }
    (line,) = compared(choice, again)
    assert f"the two differ in accuracy {says}" in line


@pytest.mark.parametrize(
    ("flops", "says"),
    [(12.0, "1/134,500 of the flops"), (1.5e6, "0.93 times the flops")],
)
def test_a_cost_of_almost_nothing_is_not_said_to_be_nothing(flops, says) -> None:
    choice = best_within(options(trials((0.9, 1.614e6), (0.5, flops))), BOTH, ["flops <= 1e10"], ACCURACY)
    (line,) = compared(choice, {})
    assert says in line


NOTED = """
import pandas
from optnas import Study, Training, choose, data, maximize, minimize, ops, tasks

rows = [{"town": f"town {i}", "size": i, "kind": "ab"[i % 2]} for i in range(90)]
study = Study(
    name="noted",
    space=ops.seq(ops.linear(choose(2, 4, name="width")), ops.relu(), ops.head()),
    task=tasks.classification(
        data.frame(pandas.DataFrame(rows), "kind", name="noted", categories=["town"])
    ),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=1),
)
"""


@pytest.mark.slow
def test_notes_on_the_data_are_told_where_it_is_new_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    (tmp_path / "noted.py").write_text(NOTED)
    said = call("run", "noted.py", "--trials", 2, "--workers", 1)
    assert "note: data 'noted': column 'town'" in said.output
    for command in (
        ("run", "noted.py", "--trials", 3, "--workers", 1),
        ("choose", "noted.py", "--knee", "--dry-run", "--repeats", 1),
        ("train", "noted.py", "--trial", 0, "--out", "won"),
        ("export", "won", "--format", "torch-export", "--data", "noted.py"),
    ):
        again = call(*command)
        assert again.exit_code == 0, again.output
        assert "note:" not in again.output


def test_one_command_goes_from_a_study_to_a_trained_network(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    (tmp_path / "small.py").write_text(STUDY)
    assert call("run", "small.py", "--trials", 3, "--workers", 1).exit_code == 0
    assert_refused(call("choose", "small.py"), "say what to choose by")
    assert_refused(call("choose", "small.py", "--knee", "--budget", "flops <= 1"), "say what to choose by")
    said = call("choose", "small.py", "--knee", "--dry-run", "--repeats", 2, "--threads", 1)
    assert said.exit_code == 0, said.output
    assert "2 more seeds" in said.output
    assert not (tmp_path / "runs").exists()
    assert_refused(call("choose", "small.py", "--knee", "--format", "onx"), "onnx")
    with monkeypatch.context() as patch:
        patch.setattr(type(format_named("onnx")), "packages", ("not_there_at_all",))
        assert_refused(
            call("choose", "small.py", "--knee"),
            "; or train without a file, by --format none",
        )
    done = call(
        *("choose", "small.py", "--budget", "params <= 1000", "--repeats", 0, "--threads", 1),
        *("--format", "safetensors", "--out", "won"),
    )
    assert done.exit_code == 0, done.output
    assert "that keep params <= 1000" in done.output
    assert (tmp_path / "won" / "model.safetensors").exists()
    assert (tmp_path / "won" / "exported" / "model.safetensors").exists()
