"""The benchmark of strategies on shared weights, against a truth that is made up."""

from __future__ import annotations

import csv
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "examples" / "benchmarks"
OPS = ("none", "skip", "conv")


def made_up(file, left_out=0):
    """Write a truth in which convolutions help and cost, without some trainings at its end."""
    edges = [f"edge{source}to{state}" for state in (1, 2, 3) for source in range(state)]
    rows = [
        [*cell, 10_000 * (1 + cell.count("conv")), seed, round(0.5 + 0.08 * cell.count("conv"), 3)]
        for seed in range(2)
        for cell in itertools.product(OPS, repeat=6)
    ]
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*edges, "flops", "seed", "accuracy"])
        writer.writerows(rows[: len(rows) - left_out])


@pytest.mark.slow
def test_it_trains_what_is_missing_and_compares_strategies_and_samplers(tmp_path):
    made_up(tmp_path / "truth.csv", left_out=1)
    command = [sys.executable, str(BENCHMARKS / "one_shot.py"), "--truth", str(tmp_path / "truth.csv")]
    command += ["--strategies", "gdas", "--samplers", "random", "--seeds", "1", "--epochs", "2"]
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "found.json")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "the whole space: 8748 epochs" in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    assert set(found) == {"gdas", "random"}
    (gdas,) = found["gdas"]
    assert 0 <= gdas["rank"] <= 1
    assert gdas["epochs"] == 2 + 6 * gdas["trials"]
    assert len((tmp_path / "truth.csv").read_text().splitlines()) == 1 + 2 * 729
