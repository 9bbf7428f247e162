"""Everything of one trial that the page shows, and the lines to copy that go on with it."""

from __future__ import annotations

import shlex
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from optnas.page.columns import kind_of
from optnas.reports.about import About, about
from optnas.reports.front_table import objective_names
from optnas.reports.records import as_record, finite
from optnas.shown import masked_url
from optnas.space import Node
from optnas.space.errors import SpaceError
from optnas.storages.opening import DEFAULT_STORAGE
from optnas.trials.record import ARCHITECTURE, TRAINING, constraints_of
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
        "run": f"optnas run {_quoted(known.file or _FILE)} --trials 100{_storage(url)}",
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
    train = f"optnas train {_quoted(known.file or _FILE)} --trial {trial.number}{_storage(url)}"
    tree = _read(text)
    duration = trial.duration
    more = {
        "kind": kind_of(trial),
        "constraints": constraints_of(trial),
        "rungs": _curve(study, trial),
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


def _curve(study: optuna.Study, trial: FrozenTrial) -> list[list[float]]:
    """Return each step at which values were reported, with these; of a complete trial the last epoch, too."""
    curve = [[step, *values] for step, values in rungs_of(trial).items()]
    epochs = (TRAINING.of(study) or {}).get("epochs", "")
    if trial.state == TrialState.COMPLETE and epochs.isdecimal() and curve and int(epochs) > curve[-1][0]:
        curve.append([int(epochs), *trial.values])
    return curve


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
    return rows


def _storage(url: str) -> str:
    """Return the option that names the storage; none where it is the default, or would tell a password."""
    told = url != DEFAULT_STORAGE and masked_url(url) == url
    return f" --storage {_quoted(url)}" if told else ""


def _quoted(text: str) -> str:
    # A line feed in a terminal would run what stands before it.
    return shlex.quote("".join(letter if letter.isprintable() else "?" for letter in text))
