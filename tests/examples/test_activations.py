"""The benchmark of activations that were found against well-known ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "examples" / "benchmarks"


@pytest.mark.slow
def test_it_searches_in_both_ways_and_compares_on_the_test_part(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "activations.py"), "--seeds", "2", "--trials", "3"]
    done = subprocess.run(
        [*command, "--epochs", "2", "--json", str(tmp_path / "found.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "above relu" in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    figures = found["activations"]
    assert set(figures) == {"relu", "swish", "mish", "evolved", "learned", "mixed"}
    assert figures["evolved"]["activation"].startswith("act(")
    assert figures["mixed"]["activation"].startswith("act(add(scale(relu, 0.")
    assert all(0 < each["mean"] <= 1 and len(each["accuracies"]) == 2 for each in figures.values())
    assert figures["relu"]["above relu"] == 0
