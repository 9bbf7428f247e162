"""The tasks on the page of this room are whole study files, and do what the page says."""

from __future__ import annotations

import math
import re
import signal
from pathlib import Path
from typing import Any

import optuna
import pytest

import optnas
from optnas import Study, tasks
from optnas.run.files import load_study
from optnas.run.lookup import find_study
from tests.files import call, finish, start

PAGE = (Path(optnas.__file__).parent / "tasks" / "README.md").read_text(encoding="utf-8")
FILES = {
    re.search(r'name="(\w+)",\n    space=', code).group(1): code  # type: ignore[union-attr]
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
}


@pytest.fixture
def study(request: pytest.FixtureRequest, tmp_path: Path) -> Study:
    file = tmp_path / f"{request.param}_study.py"
    file.write_text(FILES[request.param])
    return load_study(str(file))


def test_there_is_one_of_each_kind() -> None:
    assert list(FILES) == ["one", "several", "graphs", "masks", "tags", "reversed", "walk", "ring", "winds"]


@pytest.mark.parametrize("study", FILES, indirect=True)
def test_a_trial_of_each_measures_all_that_it_names(study: Study) -> None:
    opened = study.open(optuna.storages.InMemoryStorage())
    opened.optimize(study.objective, n_trials=1)
    (trial,) = opened.trials
    assert trial.state.name == "COMPLETE", trial.user_attrs
    assert study.task is not None
    metrics = trial.user_attrs["metrics"]
    assert metrics.keys() == {*study.task.metrics, "seconds"}
    assert all(math.isfinite(value) for value in metrics.values())


def test_every_name_of_a_task_is_on_the_page() -> None:
    names = [name for name in vars(tasks.Task) if not name.startswith("_")]
    assert [name for name in names if f"`{name}" not in PAGE and f"`…{name}" not in PAGE] == []


HURT = """
import os, signal
from pathlib import Path
calls = []
def hurt():
    calls.append(0)
    if len(calls) == 30 and Path("harm").exists():
        Path("harm").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "step"), [("walk", "            places = walkers"), ("ring", "        made = self.module")]
)
def test_a_killed_search_goes_on_to_the_very_values_of_an_undisturbed_one(
    name: str, step: str, tmp_path: Path
) -> None:
    code = FILES[name].replace("epochs=1", "epochs=12, rungs=(1, 2, 3, 6)")
    indent = " " * (len(step) - len(step.lstrip()))
    (tmp_path / "study.py").write_text(HURT + code.replace(step, f"{indent}hurt()\n{step}", 1))
    values = []
    for storage in ("undisturbed.log", "killed.log"):
        options = ["run", "study.py", "--trials", 1, "--workers", 1, "--no-publish", "--storage", storage]
        if storage == "killed.log":
            (tmp_path / "harm").touch()
            killed = start(*options, folder=tmp_path)
            killed.communicate(timeout=120)
            assert killed.returncode == -signal.SIGKILL
        finish(start(*options, folder=tmp_path))
        (trial,) = find_study(str(tmp_path / storage), None).trials
        values.append(trial.values)
    assert trial.user_attrs["resumed"] >= 1
    assert values[0] == values[1]


@pytest.mark.parametrize("study", ["walk", "ring"], indirect=True)
def test_what_makes_its_own_data_or_steps_is_searched_and_trained_by_the_commands(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    file = f"{study.name}_study.py"
    for command in (f"run {file} --trials 1 --workers 1", f"train {file} --trial 0 --out net"):
        done = call(*command.split())
        assert done.exit_code == 0, done.output
    given: Any = study.task.data.splits.test.x  # type: ignore[union-attr]
    assert optnas.load("net")(given).shape == (len(given), 2)


@pytest.mark.parametrize("study", ["winds"], indirect=True)
def test_an_answer_of_ones_own_is_kept_and_is_what_predictions_are(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    trained = call(
        *("train", "winds_study.py", "--architecture", "seq(linear(8), tanh, linear(2))", "--out", "net"),
        *("--set", "epochs=30"),
    )
    assert trained.exit_code == 0, trained.output
    model = optnas.load("net")
    assert model.predict([[5.0, 0.1], [0.1, 5.0], [0.1, -5.0]]) == ["west", "south", "north"]
    assert model.predict([5.0, 0.1]) == ["west"]
    assert "the side of each wind, one of east, north, west, south" in Path("net/README.md").read_text()
