"""Whether the workers of an engine can share a storage and a place for checkpoints."""

from __future__ import annotations

import ipaddress
import urllib.parse
from pathlib import Path

from optnas.errors import UserError
from optnas.launch.engine import Reach

__all__ = ["check_shared", "is_loopback", "shared_artifacts"]

_USE = "give --storage postgresql+psycopg://user@host/database"


def check_shared(storage: str, reach: Reach, engine: str) -> None:
    """Raise if workers that are at ``reach`` cannot share the storage.

    Raises:
        UserError: If it is a file of one machine or container, or on each machine's own loopback address.
    """
    if reach is Reach.HERE:
        return
    if storage.startswith("sqlite"):
        raise UserError(
            f"--engine {engine}: SQLite is a file for one machine, and workers are {reach.value}: {_USE}"
        )
    if reach is not Reach.CONTAINERS:
        return
    if "://" not in storage:
        raise UserError(f"--engine {engine}: containers do not see the file {storage}: {_USE}")
    if is_loopback(urllib.parse.urlsplit(storage).hostname):
        raise UserError(
            f"--engine {engine}: the storage is on a loopback address, which in a container is the container"
            " itself: name the machine as containers reach it"
        )


def is_loopback(host: str | None) -> bool:
    """Return whether a host name or address is that of each machine itself."""
    try:
        return host is None or host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shared_artifacts(given: str | None, storage_default: str, reach: Reach, engine: str) -> str:
    """Return where workers keep checkpoints, given ``--artifacts`` or ``None`` for the default folder.

    Raises:
        UserError: If it is a folder, which containers do not share.
    """
    place = given or storage_default
    if "://" in place or place == "none":
        return place
    if reach is Reach.CONTAINERS:
        raise UserError(
            f"--engine {engine}: containers share no folder {place}: give --artifacts s3://bucket/prefix,"
            " gs://bucket/prefix or none"
        )
    return str(Path(place).absolute())
