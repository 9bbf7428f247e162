"""The folder of a trained network: weights, architecture, metrics and model card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save

from optnas.drawing.comparison import activations_of, compared
from optnas.errors import UserError
from optnas.files import replace_file
from optnas.winner.card import model_card, over_seeds
from optnas.winner.curves import curves_svg
from optnas.winner.full_training import TrainingHistory
from optnas.winner.json_file import read_json
from optnas.winner.names import (
    ACTIVATIONS,
    ARCHITECTURE,
    CARD,
    CHECKPOINTS,
    CURVES,
    EXPORTS,
    MEMBERS,
    PICTURE,
    RECORD,
    SCHEMA,
    WEIGHTS,
    inside,
    member,
)
from optnas.winner.terms import restate
from optnas.winner.trained import Trained

__all__ = ["check_folder", "checkpoint_of", "finished", "remove_checkpoints", "state", "write"]

_FOLDERS = {CHECKPOINTS, EXPORTS, MEMBERS}


def check_folder(folder: Path) -> None:
    """Create ``folder`` if needed, and raise if it holds files that are not of ``optnas train``.

    Raises:
        UserError: If it does, or it cannot be created.
    """
    ours = {WEIGHTS, ARCHITECTURE, PICTURE, ACTIVATIONS, CURVES, SCHEMA, RECORD, CARD, *_FOLDERS}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be made: {error.strerror}") from None
    names = {name: name.removesuffix(".part") for name in found}
    if not {RECORD, CHECKPOINTS} & set(names.values()):
        ours = set()
    for name in sorted(set(names.values()) - ours):
        raise UserError(f"{folder} holds {name}, which is not of optnas train: give another folder by --out")
    for name in found:  # what is written goes where a link leads, and checkpoints are read
        path = inside(folder, name)
        if path.is_dir() != (name in _FOLDERS):
            raise UserError(f"{path} is not of optnas train: give another folder by --out")


def checkpoint_of(folder: Path, seed: int, *, all_data: bool = False) -> Path:
    """Return the path of a seed's checkpoint, which is kept until all seeds are trained; create its folder.

    Args:
        folder: The folder.
        seed: The seed.
        all_data: Whether it is that of the training on all data.

    Raises:
        UserError: If its folder cannot be created, or it is a link that leads out of it.
    """
    name = f"{CHECKPOINTS}/{'all-' if all_data else ''}seed-{seed}.safetensors"
    _make(folder / CHECKPOINTS)
    return inside(folder, name)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be made: {error.strerror}") from None


def finished(folder: Path) -> dict[str, Any] | None:
    """Return the record of the network in ``folder``; ``None`` if its training is not finished.

    Raises:
        UserError: If ``metrics.json`` is not of ``optnas train``.
    """
    path = folder / RECORD
    if not path.exists():
        return None
    try:
        record = read_json(inside(folder, RECORD))
        dict(**record["settings"]), list(record["seeds"]), over_seeds(record)
    except UserError:
        raise
    except Exception:  # whatever JSON of any kind brings about
        raise UserError(f"{path} is not of optnas train: give another folder by --out") from None
    return record


def write(folder: Path, trained: Trained) -> dict[str, Any]:
    """Write all files of a trained network's folder, and return the record.

    Raises:
        UserError: If a file cannot be written; the checkpoints are kept then.
    """
    record = trained.record
    replace_file(folder / WEIGHTS, _weights(trained.kept[trained.chosen.seed]))
    if trained.ensemble is not None:
        _make(folder / MEMBERS)
        for seed, training in trained.kept.items():
            replace_file(inside(folder, member(seed)), _weights(training))
    replace_file(folder / ARCHITECTURE, f"{record['architecture']}\n".encode())
    replace_file(folder / PICTURE, _picture(trained).encode())
    if trained.activations:
        replace_file(folder / ACTIVATIONS, compared(activations_of(trained.learned)).svg.encode())
    plan = trained.plan
    curves = curves_svg(trained.histories, plan.score, plan.costs, trained.chosen.seed)
    replace_file(folder / CURVES, curves.encode())
    replace_file(folder / SCHEMA, f"{json.dumps(trained.schema, ensure_ascii=False)}\n".encode())
    schema = trained.kept_plan.task.data.schema
    replace_file(folder / CARD, model_card(record, schema, trained.answer, folder).encode())
    # Last, as it says that the other files are complete.
    replace_file(folder / RECORD, f"{json.dumps(record, indent=2)}\n".encode())
    remove_checkpoints(folder)
    return record


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a training that is finished, or what a kill has left of them."""
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def state(folder: Path, record: dict[str, Any], stated: Mapping[str, Any]) -> dict[str, Any]:
    """Write statements of people into the record and the card of a trained network; return the record.

    Args:
        folder: The network's folder.
        record: Its record.
        stated: What is stated by now, by name; what is not in it stays.

    Raises:
        UserError: If a file cannot be read or written.
    """
    before = record.get("card", {})
    if all(before.get(name) == value for name, value in stated.items()):
        return record
    new = {**record, "card": {**before, **stated}}
    model = read_json(inside(folder, SCHEMA))
    restate(folder, new, record, (model["input"]["kind"], model["answer"]["kind"]))
    replace_file(inside(folder, RECORD), f"{json.dumps(new, indent=2)}\n")
    return new


def _weights(training: TrainingHistory) -> bytes:
    return save({name: value.clone().contiguous() for name, value in training.weights.items()})


def _picture(trained: Trained) -> str:
    """Return the drawing of the network, its activations as they were learned."""
    plan = trained.plan
    shape, context = plan.task.data.shape, plan.task.context
    return str(plan.architecture.draw(shape, module=trained.module, **context).svg)
