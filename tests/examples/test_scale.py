"""The benchmark of many workers on one study."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.files import REPOSITORY

pytestmark = pytest.mark.slow

SCRIPT = REPOSITORY / "examples" / "benchmarks" / "scale.py"


@pytest.mark.parametrize(
    ("storage", "sizes", "workers"), [("sqlite", [60, 70], [1, 2]), ("postgresql", [60], [2])]
)
def test_optnas_and_bare_optuna_are_measured_at_each_size_and_number_of_workers(
    storage: str, sizes: list[int], workers: list[int], tmp_path: Path
) -> None:
    if storage == "postgresql":
        pytest.importorskip("psycopg")
        if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
            pytest.skip("PostgreSQL's initdb is not installed")
    options = ["--storage", storage, "--workers", *workers, "--trials", *sizes, "--windows", 1, "--window", 1]
    command = [sys.executable, SCRIPT, *options, "--objective", 1, "--json", "figures.json"]
    ran = subprocess.run(list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert "Milliseconds of a trial outside of its objective" in ran.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    measured = [(each["trials"], each["workers"]) for each in figures]
    assert measured == [(size, count) for size in sizes for count in workers]
    assert all(each["optnas_ms"] > 0 and each["bare_ms"] > 0 for each in figures)
    assert all(each["storage"] == storage for each in figures)
