"""The examples about ops and costs run as they are."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout


def test_an_op_an_activation_and_a_space_take_under_ten_lines_each():
    out = run("examples/custom_op.py")
    assert "seq(repeat(seq(GhostConv(choose(8, 16, 32" in out
    assert out.count("FLOPs") == 10
    source = (REPOSITORY / "examples" / "custom_op.py").read_text()
    made = {
        part.name: part.end_lineno - part.lineno + 1 - len((ast.get_docstring(part) or "").splitlines())
        for part in ast.parse(source).body
        if isinstance(part, ast.ClassDef | ast.FunctionDef) and part.name != "main"
    }
    assert sorted(made) == ["GhostConv", "bent", "ghosts"]
    # The decorator and blank lines beside the definition's own lines.
    assert all(lines < 10 for lines in made.values())


@pytest.mark.slow
def test_the_cost_benchmark_writes_its_figures(tmp_path):
    file = tmp_path / "cost.json"
    script = "examples/benchmarks/cost.py"
    out = run(script, "--spaces", "darts", "--architectures", "20", "--seeds", "1", "--json", str(file))
    assert "darts" in out
    figures = json.loads(file.read_text())["microseconds"]["darts"]
    assert 0 < figures["subtrees known"] < figures["cold"]
    assert figures["again"] > 0
    assert "how long it takes" in run(script, "--help").lower() or "Takes about" in run(script, "--help")
