"""The benchmark of pruners."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from tests.files import REPOSITORY
from tests.test_examples import python

SCRIPT = REPOSITORY / "examples" / "benchmarks" / "pruners.py"


def run(folder: Path, *options: object) -> tuple[str, dict[str, Any]]:
    output = python(SCRIPT, *options, "--json", "figures.json", folder=folder)
    return output, json.loads((folder / "figures.json").read_text())["samplers"]


def curves(folder: Path) -> None:
    """Write thirty trainings of 9 epochs: one in three is good, one diverges, one stops early."""
    rng = random.Random(0)
    records = []
    for number in range(30):
        bad = number % 3 * (1 + rng.random())
        losses = [bad + (1 + rng.random()) / epoch for epoch in range(1, 10)]
        records.append({"size": 10 + number, "losses": losses})
    records[1]["losses"][2:] = [None]
    records[2]["losses"][4:] = []
    (folder / "curves.json").write_text(json.dumps(records))


def test_epochs_are_counted_to_the_rung_where_a_trial_ends(tmp_path: Path) -> None:
    curves(tmp_path)
    options = ["--curves", "curves.json", "--loss", "losses", "--minimize", "size", "--seeds", 3]
    output, figures = run(tmp_path, *options, "--pruners", "pareto-halving,median", "--plot", "a.html")
    assert "pareto-halving" in output
    assert (tmp_path / "a.html").stat().st_size > 1_000
    found = figures["random"]
    assert found["none"]["epochs"] == 28 * 9 + 3 + 4
    assert found["none"]["final"] == [pytest.approx(1)] * 3
    assert found["none"]["trials"] == found["pareto-halving"]["trials"] == 30
    assert found["pareto-halving"]["epochs"] < 28 * 9 / 2
    assert found["pareto-halving"]["to_97%_wins"] <= 3
    _, again = run(tmp_path, *options, "--parallel", 4)
    assert again["random"]["none"]["epochs"] == found["none"]["epochs"]


def test_columns_of_a_table_are_rungs_and_samplers_search_its_choices(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(
        "op,width,early,late,macs\n"
        + "".join(
            f"{op},{width},{50 + bonus + math.log2(width)},{90 + bonus + math.log2(width)},{width}\n"
            for op, bonus in (("conv", 2), ("pool", 0), ("none", -9))
            for width in (1, 2, 4, 8, 16)
        )
    )
    options = ["--table", "table.csv", "--choices", "op,width", "--maximize", "12=early,200=late"]
    options += ["--minimize", "macs", "--seeds", 1, "--evaluations", 15]
    _, figures = run(tmp_path, *options, "--samplers", "random", "tpe", "optuna-tpe")
    assert list(figures) == ["random", "tpe", "optuna-tpe"]
    assert figures["random"]["none"]["epochs"] == 15 * 200
    pruned = figures["random"]["pareto-halving"]
    assert pruned["final"] == [pytest.approx(1)]
    assert (3000 - pruned["epochs"]) % 188 == 0
    assert all(found["none"]["epochs"] <= 15 * 200 for found in figures.values())
