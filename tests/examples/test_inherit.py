"""The benchmark of inherited weights compares searches of equal time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "benchmarks" / "inherit.py"

STUDY = """
from optnas import Study, Training, choose, data, maximize, minimize, ops, tasks

study = Study(
    name="small",
    space=ops.seq(ops.flatten(), ops.linear(choose(4, 8, 16, 32, name="width")), ops.relu(), ops.head()),
    task=tasks.classification(data.digits()),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=1, batch_size=256, lr=choose(1e-3, 3e-3, 1e-2, 3e-2)),
)
"""


@pytest.mark.slow
def test_searches_with_and_without_are_compared(tmp_path):
    (tmp_path / "study.py").write_text(STUDY)
    command = [sys.executable, str(SCRIPT), "--study", "study.py", "--seconds", "2", "--seeds", "1"]
    made = subprocess.run(
        [*command, "--json", "figures.json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    found = json.loads((tmp_path / "figures.json").read_text())
    assert len(found["ratios"]) == 1
    assert found["fresh"]["heirs"] == [0]
    assert 0 < found["inherit"]["hypervolume"][0] <= 1
    assert "hypervolume" in made.stdout
