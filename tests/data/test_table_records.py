"""Records of tables in JSON, which strangers may have made: nothing of them is believed."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from optnas.data.schemas import schema_of
from tests.data.test_table_schemas import features


def changed(record: Any, path: str, value: Any) -> Any:
    """Return a record with another value at ``path``, such as ``columns/0/unit``."""
    found = copy.deepcopy(record)
    *before, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    at = found
    for step in before:
        at = at[step]
    at[last] = value
    return found


BASE = {"missing": [], "exponent": 0, "figures": [{"fill": 0, "mean": 0, "deviation": 1}], "gap": None}
NUMBER = {
    "name": "n",
    "kind": "number",
    "decimal": ".",
    "unit": "",
    "others_missing": False,
    "seconds": False,
}
DATE = {"name": "d", "kind": "date", "format": "%Y", "clock": False, "zoned": False, "places": []}
RECORD = {
    "kind": "table",
    "columns": [
        {**NUMBER, **BASE},
        {**DATE, **BASE},
        {"name": "y", "kind": "yes or no", "yes": "on", "no": "off", **BASE},
        {"name": "c", "kind": "category", "missing": [""], "categories": ["a", "b"]},
        {"name": "l", "kind": "left out"},
    ],
    "file": {"separator": ",", "encoding": None, "names": None, "target": "t"},
}


def test_a_record_by_hand_is_read() -> None:
    schema = schema_of(RECORD)
    assert schema.shape == (5,)
    assert features(schema, {"n": 1, "d": "1970", "y": "on", "c": "b"}).tolist() == [[1, 0, 1, 0, 1]]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *[("columns", value) for value in (None, 5, {}, [], [5], [{"kind": "left out", "name": "l"}])],
        *[("columns/0/kind", value) for value in (None, "text", ["number"])],
        *[("columns/0/name", value) for value in (None, 5, "d")],
        *[("columns/0/decimal", value) for value in (None, ";", 5)],
        *[("columns/0/unit", value) for value in (None, 5)],
        *[("columns/0/seconds", value) for value in (None, 1)],
        *[("columns/0/missing", value) for value in (None, "x", [5], ["x", "x"], ["x"] * 1_000_001)],
        *[("columns/0/exponent", value) for value in (None, 0.5, True, 10**9)],
        *[("columns/0/figures", value) for value in (None, [], {}, [{}], BASE["figures"] * 2)],
        *[("columns/0/figures/0/mean", value) for value in (None, "1", float("nan"), float("inf"))],
        *[("columns/0/figures/0/deviation", value) for value in (0, -1, True)],
        *[("columns/0/gap", value) for value in (5, {}, {"mean": 0, "deviation": 0})],
        *[("columns/1/format", value) for value in (None, "%")],
        *[("columns/1/clock", value) for value in (None, True)],
        *[("columns/1/places", value) for value in (None, ["year"], ["century"])],
        *[("columns/1/zoned", value) for value in (5, "Z")],
        *[("columns/2/yes", value) for value in (None, 5)],
        *[("columns/3/categories", value) for value in (None, [], "ab", [1], ["a", "a"])],
        ("columns/3/categories", [str(i) for i in range(1_000_001)]),
        *[("file", value) for value in (None, 5, {})],
        *[("file/separator", value) for value in (5, "", "ab", "\n", '"')],
        *[("file/encoding", value) for value in (5, "nonsense", "hex")],
        *[("file/names", value) for value in (5, [5], [None])],
        *[("file/target", value) for value in (5, None)],
    ],
)
def test_a_record_of_strangers_is_believed_nothing(path: str, value: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        schema_of(changed(RECORD, path, value))
