"""Study file and image for the engines that run workers in containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from optnas.errors import UserError
from optnas.launch.engine import Placement
from optnas.launch.job import Job

__all__ = ["FOLDER", "STOP_SECONDS", "as_yaml", "image_of", "in_container", "study_path"]

FOLDER = "/study"
# A worker hands its trial back within 10 s.
STOP_SECONDS = 30


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Writes texts of several lines as such."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def image_of(placement: Placement, engine: str) -> str:
    """Return the container image.

    Raises:
        UserError: If none is given.
    """
    if not placement.image:
        raise UserError(
            f"--engine {engine}: give --image, with optnas in it (examples/cluster/Dockerfile makes one)"
        )
    return placement.image


def study_path(job: Job) -> Path:
    """Return the path of the study's file here."""
    path = Path(job.file)
    return path if path.exists() else Path(job.file.rpartition(":")[0])


def in_container(job: Job) -> str:
    """Return the study's file as ``optnas run`` takes it in a container that has it in :data:`FOLDER`."""
    variable = job.file[len(str(study_path(job))) :]
    return f"{FOLDER}/{study_path(job).name}{variable}"


def as_yaml(*documents: dict[str, Any]) -> str:
    """Return YAML of one or several documents, in the order in which their keys were written."""
    return str(yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))
