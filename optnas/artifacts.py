"""Checkpoints of trials in an Optuna artifact store, so that any worker can go on with them."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import uuid
from collections.abc import Iterable
from pathlib import Path

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts._protocol import ArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound

from optnas.errors import UserError
from optnas.train.checkpoint import State, pack, unpack

__all__ = ["Checkpoint", "Checkpoints", "artifact_store"]


def artifact_store(place: str | Path | ArtifactStore) -> ArtifactStore:
    """Return the store that ``place`` is, or the one in the folder of that name.

    Raises:
        UserError: If the folder cannot be made.
    """
    if not isinstance(place, str | Path):
        return place
    try:
        Path(place).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder {place} for artifacts cannot be made: {error.strerror}") from None
    return FileSystemArtifactStore(place)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """Where a trial's training was after an epoch, and how many seconds it had taken by then."""

    state: State
    seconds: float


class Checkpoints:
    """The checkpoints of one trial; the last one is kept.

    Args:
        store: Where they are.
        name: What theirs is called in there; by default a new name, unlike any other.
    """

    def __init__(self, store: ArtifactStore, name: str | None = None) -> None:
        self._store = store
        self.name = name or uuid.uuid4().hex
        self._last: int | None = None

    def keep(self, state: State, seconds: float) -> None:
        """Keep what a training can go on from.

        The former one is there until this one is whole, so a worker may die at any moment.

        Raises:
            UserError: If it cannot be written, as on a full disk.
        """
        content = pack({"state": vars(state), "seconds": seconds})
        try:
            self._store.write(self._id(state.epoch), io.BytesIO(content))
        except OSError as error:
            raise UserError(f"a checkpoint cannot be written: {error.strerror or error}") from None
        before, self._last = self._last, state.epoch
        if before is not None and before != state.epoch:
            self._remove(before)

    def last(self, epochs: Iterable[int]) -> Checkpoint | None:
        """Return the last whole one of those after ``epochs``; none where there is none."""
        for epoch in sorted(epochs, reverse=True):
            try:
                with self._store.open_reader(self._id(epoch)) as reader:
                    content = unpack(reader.read(), self._id(epoch))
            except (ArtifactNotFound, UserError):  # a damaged one was being written when its worker died
                continue
            self._last = epoch
            return Checkpoint(State(**content["state"]), content["seconds"])
        return None

    def remove(self) -> None:
        """Remove what is kept."""
        if self._last is not None:
            self._remove(self._last)
            self._last = None

    def _remove(self, epoch: int) -> None:
        with contextlib.suppress(ArtifactNotFound, OSError):
            self._store.remove(self._id(epoch))

    def _id(self, epoch: int) -> str:
        return f"optnas-{self.name}-{epoch}.safetensors"
