"""``optnas data`` shows what was understood, and ``optnas run`` tells it once before the first trial."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest

from optnas import data, tasks
from optnas.run.files import load_study
from tests.files import assert_refused, call

ROWS = 100


@pytest.fixture
def houses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a file with a column of every kind, and go to its folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    rng = np.random.default_rng(0)
    table = pandas.DataFrame(
        {
            "": range(ROWS),
            "name": [f"n{i}" for i in range(ROWS)],
            "area": ["?" if i % 20 == 3 else f"{v:.1f}" for i, v in enumerate(rng.normal(100, 20, ROWS))],
            "sold": pandas.date_range("2024-01-01", periods=ROWS).strftime("%d.%m.%Y"),
            "town": [("Ulm", "Kiel", "Bonn")[i % 3] for i in range(ROWS)],
            "a column with a very long name that fills the line": rng.normal(size=ROWS),
            "garden": [("yes", "no")[i % 2] for i in range(ROWS)],
            "stars": [1 + i % 5 for i in range(ROWS)],
            "price": rng.normal(300, 50, ROWS),
        }
    )
    path = Path("houses.csv")
    table.to_csv(path, index=False)
    return path


def test_a_line_a_column_and_the_line_of_python_that_makes_the_data(houses: Path) -> None:
    result = call("data", houses, "--target", "price", "--drop", "name")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(len(line) for line in lines if "tasks." not in line) <= 80
    for name, kind in {
        "(no name)": "left out (identifier)  +0  +0",
        "area": "number  +5  +2",
        "sold": r"date \(%d.%m.%Y\)  +0  +5",
        "town": r"category \(3 texts\)  +0  +3",
        "garden": "yes or no  +0  +1",
    }.items():
        pattern = (
            re.escape(name) + " +" + (kind if "\\" in kind else kind.replace("(", r"\(").replace(")", r"\)"))
        )
        assert any(re.match(pattern, line) for line in lines), (name, result.stdout)
    assert "'?' (5 times) taken as missing" in result.stdout
    assert "100 samples (60 for training, 20 for validation, 20 for test), 13 features" in result.stdout
    task = eval(lines[-1].removeprefix("task="), {"tasks": tasks, "data": data})
    with pytest.warns(UserWarning, match="taken as missing"):
        task.check()
    assert task.data.shape == (13,)


def test_without_a_target_the_columns_are_listed(houses: Path) -> None:
    result = call("data", houses)
    assert result.exit_code == 0
    assert "price" in result.stdout
    assert "--target COLUMN" in result.stdout


def test_a_refused_column_is_shown_with_the_others_and_the_way_out(houses: Path) -> None:
    result = call("data", houses, "--target", "price")
    assert result.exit_code == 2
    # Its gaps were not counted, which is not none.
    assert re.search("name +refused +– +0", result.output)
    assert "data.csv('houses.csv', target='price', drop=['name'])" in result.output
    assert "error: data 'houses.csv': column 'name' holds 100 different texts" in result.output
    assert "Traceback" not in result.output


def test_what_cannot_be_shown_is_one_line(houses: Path) -> None:
    assert_refused(call("data", "none.csv"), "none.csv cannot be read")
    assert_refused(call("data", houses, "--target", "prise"), "did you mean 'price'?")


def test_classes_that_may_be_amounts_come_with_both_lines(houses: Path) -> None:
    result = call("data", houses, "--target", "stars", "--drop", "name")
    assert "tasks.classification(data.csv('houses.csv', target='stars'" in result.stdout
    assert "tasks.regression(data.csv('houses.csv', target='stars'" in result.stdout


def test_a_run_tells_its_guesses_once_on_standard_error(houses: Path) -> None:
    Path("study.py").write_text(
        "from optnas import *\n"
        "from optnas import data, ops, tasks\n"
        "study = Study(name='houses', space=ops.seq(ops.linear(choose(1, 8, name='w')), ops.head()),\n"
        "    task=tasks.regression(data.csv('houses.csv', 'price', drop=['name'])),\n"
        "    objectives=[minimize('rmse')], training=Training(epochs=1), sampler='random')\n"
    )
    command = [sys.executable, "-m", "optnas.cli", "run", "study.py", "--trials", "2", "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("note: data 'houses.csv': column 'area': '?' (5 times) taken as missing") == 1
    assert "DataWarning" not in done.stderr
    assert "taken as missing" not in done.stdout
    trained = call("train", "study.py", "--trial", 0, "--threads", 1)
    assert trained.exit_code == 0, trained.output
    assert "taken as missing" not in trained.stderr  # the search has told it
    assert all(line.startswith("note: ") for line in trained.stderr.splitlines())


def test_every_command_tells_a_note_once_as_a_line_and_other_warnings_as_python_does(houses: Path) -> None:
    Path("study.py").write_text(
        "import warnings\n"
        "from optnas import *\n"
        "from optnas import data, ops, tasks\n"
        "table = data.csv('houses.csv', 'price', drop=['name'])\n"
        "warnings.warn(f'mine, {len(table.with_targets(\"values\").splits.train)}')\n"
        "len(data.csv('houses.csv', 'price', drop=['name']).with_targets('values').splits.train)\n"
        "study = Study(name='houses', space=ops.head(), task=tasks.regression(table),\n"
        "    objectives=[minimize('rmse')])\n"
    )
    study = load_study("study.py")
    study.open("sqlite:///optnas.db")
    told = subprocess.run(
        [sys.executable, "-m", "optnas.cli", "pareto", "study.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert told.stderr.count("'?' (5 times) taken as missing") == 1
    assert "study.py:5: UserWarning: mine, " in told.stderr
    assert "DataWarning" not in told.stderr
