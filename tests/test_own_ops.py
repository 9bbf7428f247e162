"""An op of one's own that is corrected between two runs of a study."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from optnas import Study, Training, UserError, choose, data, load, maximize, minimize, op, ops, pruners, tasks
from optnas.run.files import load_study
from optnas.storages.opening import open_storage
from tests.faults import Bucket, Killed
from tests.files import assert_refused, call

FILE = """
from optnas import *

@op
def bent(x, bend=0.5):
    return x + bend * x.abs()

study = Study(
    name="bent",
    space=ops.seq(ops.linear(choose(4, 8, name="width")), bent(), ops.head()),
    task=tasks.classification(data.sklearn("wine")),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=1, hopeless_after=0),
    sampler="random",
)
"""
CORRECTED = FILE.replace("x + bend", "x - bend")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)


def run(text: str, trials: int, capfd: pytest.CaptureFixture[str]) -> str:
    """Run the study that ``text`` declares, and return what it says on standard error."""
    Path("bent.py").write_text(text)
    result = call("run", "bent.py", "--trials", trials, "--workers", 1)
    assert result.exit_code == 0, result.output
    return result.stderr


def trials() -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="bent", storage="sqlite:///optnas.db").trials


def test_what_the_earlier_op_reached_is_not_lent_to_the_corrected_one_and_that_is_told_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    said = [run(FILE, 6, capfd), run(CORRECTED, 12, capfd), run(CORRECTED, 14, capfd)]
    assert [text.count("'bent' changed") for text in said] == [0, 1, 0]
    assert "6 trials were made with an earlier one" in said[1]
    twins = [trial.user_attrs.get("twin") for trial in trials()]
    assert any(twin is not None for twin in twins[:6])
    assert any(twin is not None for twin in twins[6:])
    assert all(twin is None or twin >= 6 for twin in twins[6:])


def test_a_changed_op_of_which_there_is_no_trial_is_not_told(capfd: pytest.CaptureFixture[str]) -> None:
    for text in (FILE, CORRECTED):
        Path("bent.py").write_text(text)
        load_study("bent.py").open(open_storage("sqlite:///optnas.db"))
    assert "changed" not in capfd.readouterr().err


def test_a_comment_in_an_op_is_no_change(capfd: pytest.CaptureFixture[str]) -> None:
    run(FILE, 3, capfd)
    assert "changed" not in run(FILE.replace("    return x", "    # why\n    return  x"), 8, capfd)
    assert any(trial.user_attrs.get("twin") in (0, 1, 2) for trial in trials()[3:])


def test_trials_from_before_ops_were_recorded_are_not_lent(capfd: pytest.CaptureFixture[str]) -> None:
    run(FILE, 4, capfd)
    with sqlite3.connect("optnas.db") as connection:
        connection.execute("DELETE FROM trial_user_attributes WHERE key = 'ops'")
        connection.execute("DELETE FROM study_user_attributes WHERE key = 'ops'")
        connection.execute(
            "INSERT INTO trial_user_attributes (trial_id, key, value_json) SELECT trial_id, 'key', '\"old\"'"
            " FROM trial_system_attributes WHERE key = 'optnas:key'"
        )
        connection.execute("DELETE FROM trial_system_attributes WHERE key = 'optnas:key'")
    run(FILE, 8, capfd)
    assert all(trial.user_attrs.get("twin") not in range(4) for trial in trials()[4:])


def test_a_corrected_simplification_is_not_believed_any_more() -> None:
    def study(simplify: Any) -> Study:
        doubled = op(lambda x: 2 * x, name="doubled_of_own_ops_test", simplify=simplify)
        space = ops.seq(ops.linear(4), choose(doubled(), ops.seq(), name="op"), ops.head())
        return Study(
            name="doubled",
            space=space,
            task=tasks.classification(data.sklearn("wine")),
            objectives=[maximize("accuracy")],
            training=Training(epochs=1, hopeless_after=0),
            sampler="random",
        )

    storage = optuna.storages.InMemoryStorage()
    for simplify in (lambda node: None, lambda node: node):
        this = study(simplify)
        opened = this.open(storage)
        opened.enqueue_trial({"op": "doubled_of_own_ops_test" if not opened.trials else "seq"})
        opened.optimize(this.objective, n_trials=1)
    assert opened.trials[1].user_attrs.get("twin") is None


def test_a_trial_that_was_begun_with_the_earlier_op_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket()

    def study(by: float) -> Study:
        scaled = op(lambda x, by=by: x * by, name="scaled_of_own_ops_test")
        return Study(
            name="scaled",
            space=ops.seq(ops.linear(4), scaled(), ops.head()),
            task=tasks.classification(data.sklearn("wine")),
            objectives=[maximize("accuracy"), minimize("loss")],
            training=Training(epochs=3, rungs=(1, 2), hopeless_after=0),
            sampler="random",
            artifacts=bucket,
        )

    def killed() -> optuna.Study:
        def deadly(trial: optuna.Trial, step: int, values: Any) -> None:
            pruners.report(trial, step, values)
            if step == 2:
                raise Killed

        this = study(1.0)
        opened = this.open(optuna.storages.InMemoryStorage())
        with monkeypatch.context() as patch:
            patch.setattr("optnas.trial_reports.report", deadly)
            with pytest.raises(Killed):
                this.objective(opened.ask())
        return opened

    def ended(opened: optuna.Study, by: float) -> dict[str, Any]:
        values = study(by).objective(optuna.Trial(opened, 0))
        trial = opened.tell(0, values)
        return {"values": trial.values, "resumed": trial.user_attrs.get("resumed"), **trial.user_attrs}

    assert ended(killed(), 1.0)["resumed"] == 2
    corrected = ended(killed(), 2.0)
    assert corrected["resumed"] is None
    assert "trained anew" in corrected["checkpoint"]
    whole = study(2.0)
    undisturbed = whole.open(optuna.storages.InMemoryStorage())
    undisturbed.optimize(whole.objective, n_trials=1)
    assert corrected["values"] == undisturbed.trials[0].values
    assert corrected["rung:1"] == undisturbed.trials[0].user_attrs["rung:1"]


def test_a_trained_network_is_loaded_with_its_own_ops_only(capfd: pytest.CaptureFixture[str]) -> None:
    from optnas.run.files import load_study
    from optnas.space.op import _registry

    run(FILE, 1, capfd)
    assert call("train", "bent.py", "--trial", 0, "--out", "out").exit_code == 0
    wines = torch.rand(3, 13)
    expected = load("out")(wines)
    assert "Import `bent` before" in Path("out/README.md").read_text()

    del _registry["bent"]
    with pytest.raises(
        UserError, match="op 'bent' of one's own, which is not defined here: the module bent defined it"
    ):
        load("out")

    Path("bent.py").write_text(CORRECTED)
    load_study("bent.py")
    with pytest.raises(UserError, match=r"op 'bent' .* is not the one that was trained"):
        load("out")
    assert not torch.equal(load("out", changed_ops=True)(wines), expected)

    # Neither is its training taken for that of the corrected one.
    assert_refused(
        call("train", "bent.py", "--trial", 0, "--out", "out"), "the op 'bent' changed since trial 0"
    )
    text = trials()[0].user_attrs["architecture"]
    assert_refused(
        call("train", "bent.py", "--trial", 0, "--architecture", text, "--out", "out"),
        "another training (ops",
    )

    Path("bent.py").write_text(FILE)
    load_study("bent.py")
    assert torch.equal(load("out")(wines), expected)
