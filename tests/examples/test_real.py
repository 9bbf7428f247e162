"""Searches side by side: real ones, and simulated ones over recorded trainings."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.files import REPOSITORY

pytestmark = pytest.mark.slow

BENCHMARKS = REPOSITORY / "examples" / "benchmarks"

STUDY = """
from optnas import Study, Training, choose, data, maximize, minimize, ops, real, tasks

study = Study(
    "small",
    ops.seq(ops.linear(choose(2, 4, 8, name="width")), ops.relu(), ops.head()),
    task=tasks.classification(data.sklearn("wine")),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=3, lr=real(1e-3, 1e-1, log=True)),
    sampler="random",
)
"""


@pytest.fixture
def shares(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("shares")


def script(name: str, *arguments: object, folder: Path, status: int = 0) -> str:
    ran = subprocess.run(
        [sys.executable, BENCHMARKS / name, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == status, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_real_searches_are_compared_and_kept(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(STUDY)
    asked = ["small.py", "--searches", "default", "random/none", "--against", "random", "--trials", 6]
    asked += ["--seeds", 1, "--workers", 2, "--floor", 0.2, "--keep", "kept", "--json", "figures.json"]
    told = script("real.py", *asked, "--plot", "curves.html", folder=tmp_path)
    assert "6 trials, 1 seeds, 2 workers" in told
    figures = json.loads((tmp_path / "figures.json").read_text())["small"]
    assert list(figures) == ["default", "random/none", "optuna:random"]
    assert all(figure["trials"][0] >= 6 for figure in figures.values())
    assert figures["random/none"]["epochs"][0] == 3 * figures["random/none"]["complete"][0]
    assert all(0 < figure["median"] <= 1.0 for figure in figures.values())
    assert (tmp_path / "curves.html").stat().st_size > 1_000
    assert len(list((tmp_path / "kept").iterdir())) == 3
    again = script("real.py", *asked, folder=tmp_path)  # at once, from what was kept
    assert again == told


def test_a_study_without_a_floor_says_so(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(STUDY)
    assert "--floor" in script("real.py", "small.py", folder=tmp_path, status=1)


def test_shares_are_of_the_region_and_of_what_all_have_found(shares: ModuleType) -> None:
    def outcome(*points: tuple[float, float, float]) -> object:
        seconds, *columns = np.array(points).T
        return shares.Outcome(seconds, np.stack(columns, axis=1), len(points), 9)

    whole = outcome((1, -0.95, 1e3), (2, -0.99, 1e5), (3, -0.5, 1.0))  # the last is below the floor
    late = outcome((9, -0.95, 1e3))
    figures = shares.compare({"whole": [whole], "late": [late]}, -0.9, 10.0)
    assert figures["whole"]["median"] == pytest.approx(1)
    assert 0 < figures["late"]["median"] < 1
    assert figures["late"]["curves"][0][: shares.POINTS // 2] == [0.0] * (shares.POINTS // 2)
    assert figures["late"]["behind_first"][0] == pytest.approx(figures["late"]["median"] - 1)


def test_recorded_trainings_stand_in_for_real_ones(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(STUDY)
    script("record.py", "small.py", "--trials", 20, "--out", "lines.jsonl", folder=tmp_path)
    script("record.py", "small.py", "--trials", 24, "--out", "lines.jsonl", folder=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert sorted(line["number"] for line in lines) == list(range(24))
    assert all(len(line["curve"]["accuracy"]) == len(line["seconds"]) == 3 for line in lines)
    asked = ["small.py", "--record", "lines.jsonl", "--searches", "default", "ehvi/none", "--seeds", 2]
    asked += ["--floor", 0.1, "--json", "figures.json"]
    told = script("surrogate.py", *asked, "--seconds", 3, folder=tmp_path)
    assert "ms a suggestion" in told
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert all(min(figure["complete"]) > 0 for figure in figures.values())
    script("surrogate.py", *asked, "--trials", 5, folder=tmp_path)
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["ehvi/none"]["trials"] == [5, 5]
