"""What can go wrong around a training: a store that fails, a full disk, the end of everything."""

from __future__ import annotations

import contextlib
import io
import resource
from collections.abc import Iterator
from typing import BinaryIO

from optuna.artifacts.exceptions import ArtifactNotFound

__all__ = ["Bucket", "Killed", "full_disk"]


class Bucket:
    """An artifact store of someone's own: what it holds is bytes by name, and it may fail."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.fails: BaseException | None = None

    def open_reader(self, artifact_id: str) -> BinaryIO:
        if self.fails is not None:
            raise self.fails
        if artifact_id not in self.held:
            raise ArtifactNotFound(artifact_id)
        return io.BytesIO(self.held[artifact_id])

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        content = content_body.read()
        if self.fails is not None:  # half of it has come through by then
            self.held[artifact_id] = content[: len(content) // 2]
            raise self.fails
        self.held[artifact_id] = content

    def remove(self, artifact_id: str) -> None:
        if self.held.pop(artifact_id, None) is None:
            raise ArtifactNotFound(artifact_id)


class Killed(BaseException):
    """Ends everything at once."""


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size`` bytes: what a process sees of that is what a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
