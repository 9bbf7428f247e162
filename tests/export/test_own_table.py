"""The README's table of ops of one's own is what trying shows."""

from __future__ import annotations

import pytest
import torch

from tests.export import own_table
from tests.export.readme_tables import kept

# Those that are refused before a graph is made take no time.
QUICK = [name for name in own_table.OPS if "values" in name or "defined in" in name]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", QUICK)
def test_an_op_is_taken_as_the_table_says(name: str) -> None:
    assert own_table.row(name) in kept("own_table")


@pytest.mark.slow
def test_the_whole_table_is_what_trying_shows() -> None:
    assert own_table.table() == kept("own_table")


def test_every_reason_is_a_line() -> None:
    rows = kept("own_table").splitlines()[2:]
    assert len(rows) == len(own_table.OPS)
    refused = [cell for line in rows for cell in line.split(" | ")[1:] if not cell.startswith("yes")]
    assert len(refused) >= 6
    assert all(cell.startswith("no: ") for cell in refused)
