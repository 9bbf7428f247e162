"""What was stored by an earlier optnas is gone on with by this one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.stored.study import STUDIES
from tests.stored.write import HERE, outputs, proposals, resumed, unpacked

EXPECTED = json.loads((HERE / "expected.json").read_text())


@pytest.mark.parametrize("name", STUDIES)
def test_a_search_goes_on_with_the_same_proposals_and_promotions(name: str, tmp_path: Path) -> None:
    assert proposals(unpacked(tmp_path), name) == EXPECTED["proposals"][name]


def test_a_trial_that_was_killed_is_resumed_from_its_checkpoint(tmp_path: Path) -> None:
    assert resumed(unpacked(tmp_path)) == EXPECTED["resumed"]


def test_a_trained_network_is_loaded(tmp_path: Path) -> None:
    for found, expected in zip(outputs(unpacked(tmp_path)), EXPECTED["outputs"], strict=True):
        assert found == pytest.approx(expected, rel=1e-4)
