"""The benchmark of drawings runs and writes its figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.files import REPOSITORY


def test_the_benchmark_writes_milliseconds_for_each_space(tmp_path: Path) -> None:
    script = REPOSITORY / "examples" / "benchmarks" / "drawing.py"
    options = ["--spaces", "chain", "mlp", "--architectures", "2", "--json", str(tmp_path / "a.json")]
    subprocess.run([sys.executable, str(script), *options], check=True, capture_output=True)
    figures = json.loads((tmp_path / "a.json").read_text())
    assert set(figures["milliseconds"]) == {"chain", "mlp"}
    assert all(value > 0 for row in figures["milliseconds"].values() for value in row.values())
