"""What a study declares is known from its record alone."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial

from optnas import Study, Training, choose, data, maximize, minimize, ops, real, tasks
from optnas.page.details import details
from optnas.reports.about import About, about
from optnas.storages.opening import open_storage
from optnas.study_about import keep_about
from optnas.trials.record import ABOUT, ARCHITECTURE
from tests.files import call, quick_study

SPACE = ops.seq(
    ops.conv(choose(8, 16, name="width")),
    choose(ops.relu(), ops.swish(beta=real(0.5, 2.0)), name="activation"),
    ops.head(),
)


@pytest.fixture
def declared() -> Study:
    return Study(
        name="digits",
        space=SPACE,
        task=tasks.classification(data.digits()),
        objectives=[maximize("accuracy"), minimize("flops")],
        constraints=["params <= 200_000"],
        training=Training(epochs=2, lr=real(1e-3, 1e-1, log=True)),
    )


def test_a_new_study_says_what_it_declares(declared: Study) -> None:
    found = about(declared.open(optuna.storages.InMemoryStorage()))
    assert found.shape == (1, 8, 8)
    assert found.context == {"outputs": 10}
    assert found.space == str(SPACE)
    assert found.size == 4
    assert (found.task, found.data) == ("classification", "digits")
    assert found.samples is not None
    assert sum(found.samples.values()) == 1797
    assert found.training is not None
    assert found.training["epochs"] == "2"
    assert found.training["lr"] == "real(0.001, 0.1, log=True)"
    assert found.constraints == ("params <= 200_000",)
    assert found.file is None


def test_a_study_of_an_older_optnas_says_nothing_until_it_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = quick_study(tmp_path)
    assert call("run", file.name, "--trials", 1, "--workers", 1).exit_code == 0
    opened = optuna.load_study(study_name="quick", storage=open_storage("sqlite:///optnas.db"))
    assert about(opened).file == "quick.py"
    opened.set_user_attr("about", {})
    assert about(opened) == About(training=opened.user_attrs["training"])
    assert call("run", file, "--trials", 2, "--workers", 1).exit_code == 0
    assert about(opened).file == "quick.py"
    assert about(opened).space == "seq(conv(integer(1, 64, name='width')), relu)"


def test_what_is_recorded_is_written_again_only_if_it_changed(declared: Study) -> None:
    opened = declared.open(optuna.storages.InMemoryStorage())
    keep_about(declared, opened, "here/digits.py")
    keep_about(declared, opened, "there/digits.py")
    assert about(opened).file == "here/digits.py"
    opened.set_user_attr("about", {**opened.user_attrs["about"], "constraints": []})
    keep_about(declared, opened, "there/digits.py")
    assert about(opened).constraints == ("params <= 200_000",)


@pytest.mark.parametrize("name", ["self", "tree", "shape", "expand", "module"])
def test_a_context_that_no_op_can_take_is_none(name: str) -> None:
    study = optuna.create_study()
    study.set_user_attr(ABOUT.name, {"shape": [1, 8, 8], "context": {"outputs": 2, name: 1}})
    study.add_trial(create_trial(value=0.0, user_attrs={ARCHITECTURE.name: "seq(conv(4), relu)"}))
    assert about(study).context is None
    assert details(study, 0, study.trials[0], "sqlite:///optnas.db")["layers"]


@pytest.mark.parametrize("damage", ["text", {"shape": "x"}, {"unknown": 1}, {"samples": {"train": -1}}])
def test_what_is_damaged_is_not_believed(damage: object, capsys: pytest.CaptureFixture[str]) -> None:
    study = optuna.create_study(study_name=f"damaged {damage}")
    study.set_user_attr(ABOUT.name, damage)
    assert about(study) == About()
    assert "'about' is damaged" in capsys.readouterr().err
