"""Rank correlation of the search's brief trainings with full ones, over the front."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optnas.files import replace_file
from optnas.reports.numbers import short
from optnas.winner.full_training import Plan
from optnas.winner.jobs import Job

__all__ = ["FRONT", "rank_correlation", "ranking", "ranking_told", "write_ranking"]

FRONT = "front.json"
"""The file in the folder of a front's networks with their ranking."""

# Of fewer the correlation is mostly chance.
_ENOUGH = 5


def rank_correlation(searched: Sequence[float], trained: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation; ``None`` if there is none, as of equal values or fewer than two."""
    if len(searched) < 2 or len(set(searched)) < 2 or len(set(trained)) < 2:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(searched, trained).statistic)


def ranking(trained: Sequence[tuple[Job, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return how the search's values of the score compare to those after full training, as JSON has it.

    ``spearman`` has the rank correlation of what the search measured on validation with what full training
    has there and on test (mean over seeds); ``None`` where there is none.

    Args:
        trained: Each network of the front, and its record.
    """
    rows = []
    for job, record in trained:
        plan = job.plan
        row: dict[str, Any] = {"trial": job.trial, "search": _value(plan, job.searched)}
        for part in ("validation", "test"):
            means = {name: each["mean"] for name, each in record[part].items()}
            row[part] = _value(plan, means)
        rows.append(row)
    found = {}
    for part in ("validation", "test"):
        pairs = [(r["search"], r[part]) for r in rows if r["search"] is not None and r[part] is not None]
        found[part] = rank_correlation([a for a, _ in pairs], [b for _, b in pairs])
    return {"score": trained[0][0].plan.score.name, "count": len(rows), "spearman": found, "trials": rows}


def _value(plan: Plan, metrics: Mapping[str, float]) -> float | None:
    known = {**plan.costs, **metrics}
    if not plan.score.metric.names <= known.keys():
        return None
    try:
        value = plan.score.metric(known)
    except ArithmeticError:
        return None
    return value if math.isfinite(value) else None


def ranking_told(found: Mapping[str, Any]) -> str:
    """Return in a sentence how well the search ranked the front."""
    figures = [f"{short(value)} on {part}" for part, value in found["spearman"].items() if value is not None]
    of = f"{found['score']} of {found['count']} trials of the front"
    if not figures:
        return f"How well the search ranked {of} cannot be said: it takes two that differ."
    few = "" if found["count"] >= _ENOUGH else f"; of fewer than {_ENOUGH} that is mostly chance"
    return (
        f"Rank correlation (Spearman) of the search's own {of} with that after full training:"
        f" {', '.join(figures)}{few}."
    )


def write_ranking(folder: Path, found: Mapping[str, Any]) -> None:
    """Write the ranking into the folder of the front's networks.

    Raises:
        UserError: If it cannot be written.
    """
    replace_file(folder / FRONT, f"{json.dumps(found, indent=2)}\n")
