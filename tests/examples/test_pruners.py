"""The benchmark of pruners."""

from __future__ import annotations

import importlib
import json
import math
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from tests.files import REPOSITORY

pytestmark = pytest.mark.slow

Run = Callable[..., tuple[str, dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a benchmark as its main program, and return what it printed and wrote."""
    monkeypatch.syspath_prepend(REPOSITORY / "examples" / "benchmarks")
    monkeypatch.chdir(tmp_path)

    def run(script: str, *options: object) -> tuple[str, dict[str, Any]]:
        monkeypatch.setattr(sys, "argv", [script, *map(str, options), "--json", "figures.json"])
        importlib.import_module(script).main()
        return capsys.readouterr().out, json.loads((tmp_path / "figures.json").read_text())

    verbosity = optuna.logging.get_verbosity()
    yield run
    optuna.logging.set_verbosity(verbosity)


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


def test_epochs_are_counted_to_the_rung_where_a_trial_ends(run: Run, tmp_path: Path) -> None:
    curves(tmp_path)
    options = ["--curves", "curves.json", "--loss", "losses", "--minimize", "size", "--seeds", 3]
    pruners = "pareto-halving,pareto-promotion,median"
    output, figures = run("pruners", *options, "--pruners", pruners, "--plot", "a.html")
    assert "pareto-halving" in output
    assert (tmp_path / "a.html").stat().st_size > 1_000
    found = figures["samplers"]["random"]
    assert found["none"]["epochs"] == 28 * 9 + 3 + 4
    assert found["none"]["final"] == [pytest.approx(1)] * 3
    assert found["none"]["trials"] == found["pareto-halving"]["trials"] == 30
    assert found["pareto-halving"]["epochs"] < 28 * 9 / 2
    assert found["pareto-halving"]["to_97%_wins"] <= 3
    _, again = run("pruners", *options, "--parallel", 4)
    assert again["samplers"]["random"]["none"]["epochs"] == found["none"]["epochs"]


def test_columns_of_a_table_are_rungs_and_samplers_search_its_choices(run: Run, tmp_path: Path) -> None:
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
    _, figures = run("pruners", *options, "--samplers", "random", "tpe", "optuna-tpe")
    figures = figures["samplers"]
    assert list(figures) == ["random", "tpe", "optuna-tpe"]
    assert figures["random"]["none"]["epochs"] == 15 * 200
    pruned = figures["random"]["pareto-halving"]
    assert pruned["final"] == [pytest.approx(1)]
    assert (3000 - pruned["epochs"]) % 188 == 0
    assert all(found["none"]["epochs"] <= 15 * 200 for found in figures.values())


def test_a_real_search_is_compared_with_itself_without_its_pruner(run: Run, tmp_path: Path) -> None:
    (tmp_path / "study.py").write_text(
        """
from optnas import Study, integer, maximize, minimize, ops

def evaluate(candidate, report):
    width = candidate.params["width"]
    for epoch in range(1, 10):
        report(epoch, {"score": width % 7 - 1 / epoch, "size": width})
    return {"score": width % 7, "size": width}

study = Study(
    "compared", ops.seq(ops.conv(integer(1, 500, name="width"))), evaluate=evaluate,
    objectives=[maximize("score"), minimize("size")], sampler="random",
)
"""
    )
    output, figures = run("equal_time", "study.py", "--seconds", 1, "--seeds", 1)
    assert "unpruned" in output
    found = figures["searches"]
    assert found["unpruned"]["trained"] == found["unpruned"]["complete"]
    assert 0 < found["pruned"]["complete"][0] <= found["pruned"]["trained"][0] <= found["pruned"]["trials"][0]
    assert all(0 <= share <= 1 + 1e-9 for group in found.values() for share in group["hypervolume"])


def test_decisions_are_timed_in_any_storage(run: Run) -> None:
    options = ["--trials", 60, "--objectives", 2, "--decisions", 3, "--storages", "memory", "sqlite"]
    _, figures = run("decisions", *options, "--pruners", "median")
    assert [figure["storage"] for figure in figures] == ["memory", "sqlite"]
    assert all(0 < figure["median_ms"] <= figure["worst_ms"] for figure in figures)
