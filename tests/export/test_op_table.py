"""The README's table of what each format takes is what trying it shows."""

from __future__ import annotations

import re

import pytest
import torch

from optnas import ops
from tests.export import op_table
from tests.export.readme_tables import kept

TRIED_QUICKLY = ("adaptive_avgpool", "gru", "mish")


def rows():
    found = {}
    for line in kept("op_table").splitlines()[2:]:
        names, *outcomes = (cell.strip() for cell in line.strip("|").split(" | "))
        found |= dict.fromkeys(re.findall(r"`(\w+)`", names), outcomes)
    return found


def test_the_table_has_every_op():
    assert set(rows()) >= set(ops.__all__) - op_table.NO_LAYERS
    assert set(rows()) == set(op_table.cases())


@pytest.mark.parametrize("op", TRIED_QUICKLY)
def test_an_op_is_taken_as_the_table_says(op):
    torch.set_num_threads(1)
    made = op_table.table({op: op_table.cases()[op]})
    assert [cell.strip() for cell in made.splitlines()[2].strip("|").split(" | ")][1:] == rows()[op]


@pytest.mark.slow
def test_the_whole_table_is_what_trying_shows():
    torch.set_num_threads(1)
    assert op_table.table() == kept("op_table")
