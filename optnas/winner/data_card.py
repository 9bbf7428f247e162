"""The section of a model card on the data: its parts, classes, targets and columns."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from optnas.reports.markdown import as_code, as_table, as_text
from optnas.reports.numbers import short

__all__ = ["data_told"]

_MOST_ROWS = 50
_PARTS = ("train", "validation", "test")


def data_told(record: Mapping[str, Any]) -> str:
    """Return what ``metrics.json`` says of the data, in Markdown."""
    return "\n\n".join(_told(record, record.get("data", {})))


def _told(record: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[str]:
    counts = ", ".join(f"{count:,} samples for {part}" for part, count in record["samples"].items())
    split = f", split {as_text(facts['split'])}" if facts.get("split") else ""
    yield f"{counts}{split}."
    if "sha256" in facts:
        yield f"The file {as_code(facts['file'])} has the SHA-256 digest {as_code(facts['sha256'])}."
    if "classes" in facts:
        classes = facts["classes"]
        parts = [part for part in _PARTS if part in classes[0]]
        fewest = sorted(classes, key=lambda each: int(each["train"]))
        shown = classes if len(classes) <= _MOST_ROWS else fewest[:_MOST_ROWS]
        rows = [(as_text(each["name"]), *(f"{each[part]:,}" for part in parts)) for each in shown]
        rest = f"\n\nThese are the rarest of {len(classes):,} classes." if len(shown) < len(classes) else ""
        yield as_table(("class", *parts), rows) + rest
    if "target" in facts:
        names = ("least", "mean", "most")
        ranges = facts["target"]
        rows = [(part, *(short(ranges[part][name]) for name in names)) for part in ranges]
        yield as_table(("target", *names), rows)
    if table := columns_table(facts):
        yield table


def columns_table(facts: Mapping[str, Any]) -> str:
    """Return the table of what the columns of the training part held; empty for other data than tables."""
    columns = facts.get("inputs", {}).get("columns", ())
    if not columns:
        return ""
    rows = []
    for each in columns[:_MOST_ROWS]:
        if each["kind"] == "category":
            holds = f"{each['categories']:,} categories"
        elif each["kind"] == "yes or no":
            holds = "–"
        elif each["least"] is None:
            holds = "nothing"
        else:
            holds = f"{_cell(each['kind'], each['least'])} to {_cell(each['kind'], each['most'])}"
        rows.append((as_text(each["name"]), as_text(each["kind"]), holds, f"{each['missing']:,}"))
    more = f"\n\nand {len(columns) - _MOST_ROWS:,} more" if len(columns) > _MOST_ROWS else ""
    return as_table(("column", "kind", "training part", "missing"), rows) + more


def _cell(kind: str, value: float) -> str:
    if kind != "date":
        return f"{value:.6g}"
    # To the minute, as features are in float32.
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(minutes=round(value / 60))
    return f"{moment:%Y-%m-%d}" if moment.time() == datetime.time() else f"{moment:%Y-%m-%d %H:%M}"
