"""JSON data of one trial for the page: its record, curve, layers, and commands to copy."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import FrozenTrial

from optnas.page.columns import kind_of
from optnas.reports.about import About, about
from optnas.reports.commands import quoted, storage_option
from optnas.reports.figures.curves import curve_of
from optnas.reports.front_table import objective_names
from optnas.reports.records import as_record, finite
from optnas.space import Node
from optnas.space.errors import SpaceError
from optnas.space.shapes import plain_shape
from optnas.trials.record import ARCHITECTURE, constraints_of
from optnas.trials.rungs import rungs_of

__all__ = ["details", "study_summary"]

_FILE = "STUDY.py"


def study_summary(study: optuna.Study, number: int, url: str) -> dict[str, Any]:
    """Return what a study is, as data for JSON.

    Args:
        study: The study.
        number: Its id in the storage.
        url: The storage's URL, for the command.
    """
    known = about(study)
    names = objective_names(study)
    return {
        "id": number,
        "name": study.study_name,
        "objectives": [
            {"name": name, "direction": direction.name.lower()}
            for name, direction in zip(names, study.directions, strict=True)
        ],
        "dashboard": f"/dashboard/studies/{number}",
        "run": f"optnas run {quoted(known.file or _FILE)} --trials 100{storage_option(url)}",
        "about": {
            "task": known.task,
            "data": known.data,
            "size": known.size,
            "constraints": list(known.constraints or ()),
            "file": known.file,
        },
    }


def details(study: optuna.Study, number: int, trial: FrozenTrial, url: str) -> dict[str, Any]:
    """Return a trial's record with its curve, its drawing's address, its layers and the lines to copy.

    Args:
        study: The study.
        number: The study's id in the storage.
        trial: One of its trials.
        url: The storage's URL, for the command.
    """
    known, text = about(study), ARCHITECTURE.of(trial)
    train = f"optnas train {quoted(known.file or _FILE)} --trial {trial.number}{storage_option(url)}"
    tree = _read(text)
    duration = trial.duration
    more = {
        "kind": kind_of(trial),
        "constraints": constraints_of(trial),
        "rungs": _curve(trial, known),
        "took": None if duration is None else duration.total_seconds(),
        "begun": None if trial.datetime_start is None else trial.datetime_start.isoformat(" ", "seconds"),
        "drawing": None
        if tree is None
        else f"/optnas/api/studies/{number}/trials/{trial.number}/drawing.svg",
        "layers": _layers(tree, known),
        "copy": {
            "text": text,
            "train": train if known.trainable else None,
            "parse": None if text is None else f"parse({text!r})",
        },
    }
    found: dict[str, Any] = finite(as_record(study, trial) | more)
    return found


def _curve(trial: FrozenTrial, known: About) -> list[list[float]]:
    """Return the learning curve: each step with the objectives' values, a complete trial's end included."""
    curve = curve_of(trial, known.training or {}) or rungs_of(trial)
    return [[step, *values] for step, values in curve.items()]


def _read(text: str | None) -> Node | None:
    """Return the architecture of a text; ``None`` where it is missing or none."""
    if text is None:
        return None
    from optnas.drawing.reading import read

    try:
        return read(text)
    except SpaceError:
        return None


def _layers(tree: Node | None, known: About) -> list[dict[str, Any]] | None:
    """Return a row a layer with its costs; ``None`` where these cannot be known."""
    if tree is None or known.shape is None:
        return None
    try:
        rows: list[dict[str, Any]] = tree.table(known.shape, **(known.context or {})).rows
    except SpaceError:
        return None
    return [row | {"shape": None if row["shape"] is None else plain_shape(row["shape"])} for row in rows]
