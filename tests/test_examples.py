"""Every script in studies and examples runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.files import REPOSITORY, finish, start

STUDIES = sorted((REPOSITORY / "studies").glob("*.py"))


def python(*arguments: object, folder: Path) -> str:
    process = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_a_ready_study_runs_as_it_is(study: Path, tmp_path: Path) -> None:
    output = finish(start("run", study, "--trials", 3, folder=tmp_path), seconds=300)
    assert "3/3 trials" in output
    assert "0 failed" in output


def test_plain_optuna_searches_with_its_own_loop(tmp_path: Path) -> None:
    output = python(REPOSITORY / "examples" / "plain_optuna.py", "--trials", 4, folder=tmp_path)
    assert "FLOPs  seq(" in output


def test_the_throughput_benchmark_measures_both_loops(tmp_path: Path) -> None:
    script = REPOSITORY / "examples" / "benchmarks" / "throughput.py"
    options = ["--architectures", 2, "--epochs", 1, "--rounds", 1, "--json", "figures.json"]
    output = python(script, *options, folder=tmp_path)
    assert "trials/h" in output
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["optnas"]["trials_per_hour"] > 0
    assert len(figures) == 3
