"""The table of an architecture's layers."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from optnas import SpaceError, choose, ops

ARCHITECTURE = ops.seq(ops.conv(16), ops.norm(), ops.relu(), ops.residual(ops.conv(16)), ops.head())


def test_its_costs_add_up_to_those_of_the_architecture():
    table = ARCHITECTURE.table((1, 8, 8), outputs=10)
    cost = ARCHITECTURE.cost((1, 8, 8), outputs=10)
    top = [row for row in table.rows if row["level"] == 0]
    assert sum(row["flops"] for row in top) == cost.flops == table.total["flops"]
    assert sum(row["params"] for row in top) == cost.params == table.total["params"]
    assert sum(row["share"] for row in top) == pytest.approx(1)
    assert [row["layer"] for row in table.rows] == [
        "conv(16)",
        "norm",
        "relu",
        "residual",
        "conv(16)",
        "head",
    ]
    assert table.rows[-1]["shape"] == table.total["shape"] == (10,)


def test_it_prints_in_a_terminal_of_80_columns_and_as_html():
    table = ARCHITECTURE.table((1, 8, 8), outputs=10)
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(table)
    printed = console.export_text()
    assert "16×8×8" in printed
    assert all(len(line.rstrip()) <= 80 for line in printed.splitlines())
    assert table._repr_html_().count("<tr>") == len(table.rows) + 2


def test_a_layer_that_cannot_be_built_has_no_costs():
    table = ops.seq(ops.conv(4), ops.linear(3), ops.conv(4)).table((1, 8, 8))
    assert [row["flops"] is None for row in table.rows] == [False, True, True]
    assert table.total["flops"] is None


def test_a_space_has_none():
    with pytest.raises(SpaceError, match="holes"):
        ops.seq(ops.conv(choose(4, 8))).table((1, 8, 8))
