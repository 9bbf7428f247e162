"""The benchmark of zero-cost scores, on a table that is made up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "benchmarks" / "zero_cost.py"
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


@pytest.mark.slow
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


@pytest.mark.slow
def test_it_searches_a_table_with_published_scores_in_each_way(tmp_path):
    rows = [(a, b, 10.0 * a + b, 1000 * (1 + a)) for a in range(6) for b in range(6)]
    table, joined = tmp_path / "table.csv", tmp_path / "joined.csv"
    table.write_text("a,b,published\n" + "".join(f"{a},{b},{value}\n" for a, b, value, _ in rows))
    joined.write_text(
        "a,b,accuracy,cost\n" + "".join(f"{a},{b},{value},{cost}\n" for a, b, value, cost in rows)
    )
    done = subprocess.run(
        [
            sys.executable, str(SCRIPT), "--search", "--table", str(table), "--join", str(joined),
            "--choices", "a", "b", "--published", "published", "--maximize", "accuracy",
            "--minimize", "cost", "--seeds", "2", "--evaluations", "12", "--candidates", "24",
            "--json", str(tmp_path / "found.json"),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["rows"] == 36
    assert [*found["searches"]] == ["neither", "warm start", "features", "both"]
    best = {name: figures["hypervolume"] for name, figures in found["searches"].items()}
    assert min(best.values()) > 0.8
    assert "warm start" in done.stdout
