"""Writing a study file's declaration to the study's record, for those who have only the database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import optuna

from optnas.declaration import Declaration
from optnas.space.shapes import plain_shape
from optnas.space.size import combinations
from optnas.space.values import text_of
from optnas.train.task import task_name
from optnas.trials.accepted import listed, scalar
from optnas.trials.record import ABOUT

__all__ = ["keep_about"]

# Of a text in a column of MySQL. A longer space is left out.
_MOST_BYTES = 60_000


def keep_about(declared: Declaration, study: optuna.Study, file: str | None = None) -> None:
    """Write what ``declared`` says to the study's record, unless that is there already.

    Args:
        declared: The study as its file declares it.
        study: The same study in its storage.
        file: The file that declares it, as ``optnas run`` takes it; ``None`` keeps what is recorded.
    """
    before = ABOUT.of(study) or {}
    about = _about(declared)
    about["file"] = before.get("file") if file is None else _from_here(file)
    if before.get("file") is not None and before == {**about, "file": before["file"]}:
        return  # another machine may have the same file elsewhere
    if about != before:
        ABOUT.put(study, about)


def _about(declared: Declaration) -> dict[str, Any]:
    task, shape, space = declared.task, declared.shape, str(declared.space)
    parts = None if task is None else task.data.splits
    plainly = [scalar, listed(scalar)]
    context = {
        name: list(value) if isinstance(value, tuple) else value for name, value in declared.context.items()
    }
    return {
        "shape": None if shape is None else plain_shape(shape),
        "context": {n: v for n, v in context.items() if any(kind(v) for kind in plainly)},
        "space": space if len(space.encode(errors="replace")) <= _MOST_BYTES else None,
        "size": combinations(declared.space),
        "task": None if task is None else task_name(task),
        "data": None if task is None else task.data.name,
        "samples": {}
        if parts is None
        else {part: len(getattr(parts, part)) for part in ("train", "validation", "test")},
        "training": {name: text_of(value) for name, value in declared.training.tree.args},
        "constraints": [limit.name for limit in declared.constraints],
    }


def _from_here(file: str) -> str:
    """Return a path as it is given in the current folder, as it will be typed again."""
    try:
        return str(Path(file).relative_to(os.getcwd()))
    except ValueError:
        return file
