"""The files of a trained network's folder."""

from __future__ import annotations

from pathlib import Path

from optnas.errors import UserError

__all__ = [
    "ACTIVATIONS",
    "ARCHITECTURE",
    "CARD",
    "CHECKPOINTS",
    "CURVES",
    "EXPORTS",
    "PICTURE",
    "RECORD",
    "SCHEMA",
    "WEIGHTS",
    "inside",
]

WEIGHTS = "model.safetensors"
ARCHITECTURE = "architecture.txt"
PICTURE = "architecture.svg"
ACTIVATIONS = "activations.svg"
CURVES = "curves.svg"
SCHEMA = "schema.json"
RECORD = "metrics.json"
CARD = "README.md"
CHECKPOINTS = "checkpoints"
EXPORTS = "exported"
MEMBERS = "members"


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file or a folder in ``folder``, which need not exist.

    Raises:
        UserError: If it is a link that leads out of the folder, which may be anything, or a pipe or a device,
            which may never end.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{path} is a link that leads out of the folder: put the file itself there")
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UserError(f"{path} is no file: remove it, or put the file itself there")
    return path


def member(seed: int) -> str:
    """Return the name of the file with an ensemble's weights of one seed."""
    return f"{MEMBERS}/seed-{seed}.safetensors"
