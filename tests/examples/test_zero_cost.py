"""The benchmark of zero-cost scores, on a table that is made up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "benchmarks" / "zero_cost.py"
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def test_it_scores_the_cells_of_a_table_and_goes_on_where_it_was_stopped(tmp_path):
    rows = [
        f"{','.join(OPS[(index + edge) % 5] for edge in range(6))},{50 + index},{10 + index}"
        for index in range(4)
    ]
    table = tmp_path / "table.csv"
    table.write_text("e0,e1,e2,e3,e4,e5,accuracy,mflops\n" + "\n".join(rows) + "\n")
    command = [sys.executable, str(SCRIPT), "--table", str(table), "--scores", str(tmp_path / "scores.csv")]
    command += ["--names", "naswot,synflow", "--size", "8", "--width", "4", "--depth", "1"]
    for cells in (3, 4):
        done = subprocess.run(
            [*command, "--cells", str(cells), "--json", str(tmp_path / "found.json")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = json.loads((tmp_path / "found.json").read_text())
        assert found["cells"] == cells
        assert {"naswot", "synflow", "mflops"} <= found["ranks"].keys()
        assert len((tmp_path / "scores.csv").read_text().splitlines()) >= cells
