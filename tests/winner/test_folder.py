"""A trained network's folder whose record is malformed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from optnas import UserError
from optnas.winner.folder import finished

RECORD: dict[str, Any] = {
    "settings": {"epochs": 1},
    "seeds": [0],
    "validation": {"accuracy": {"mean": 0.5, "deviation": None}},
    "test": {},
}


def test_a_record_that_is_whole_is_read(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps(RECORD))
    assert finished(tmp_path) == RECORD


@pytest.mark.parametrize(
    ("part", "value"),
    [
        *[("settings", value) for value in ("text", 3, None, [1])],
        *[("seeds", value) for value in (3, None)],
        *[
            (part, value)
            for part in ("validation", "test")
            for value in ("text", 3, None, [1], {"accuracy": 1}, {"accuracy": {"mean": "x"}})
        ],
    ],
)
def test_a_malformed_record_is_one_line(part: str, value: object, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({**RECORD, part: value}))
    with pytest.raises(UserError, match="is not of optnas train: give another folder by --out"):
        finished(tmp_path)
