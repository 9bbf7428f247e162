"""Checkpoints of trials in an Optuna artifact store, so that any worker can resume from them."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound

from optnas.checkpoints.buckets import EXTRAS, bucket_store
from optnas.checkpoints.state import State, pack, unpack
from optnas.errors import UserError
from optnas.shown import masked_url

if TYPE_CHECKING:
    from optnas.trials.optuna_internals import ArtifactStore

__all__ = ["Checkpoint", "Checkpoints", "Kept", "StoreError", "artifact_store", "check_store"]


class StoreError(Exception):
    """Error of an artifact store; the message says why, in one line."""


class _Folder(FileSystemArtifactStore):
    """Artifact store in a folder that is created at the first write, so that unused stores leave none."""

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        self._get_filepath(artifact_id).parent.mkdir(parents=True, exist_ok=True)
        super().write(artifact_id, content_body)


def artifact_store(place: str | Path | ArtifactStore | None) -> ArtifactStore | None:
    """Return the artifact store at ``place``, or ``None`` if ``place`` is ``None`` or ``"none"``.

    Args:
        place: A store; or a folder, ``"s3://bucket/prefix"`` or ``"gs://bucket/prefix"``; or ``"none"`` or
            ``None``.

    Raises:
        UserError: If it is none of these, or the package that a bucket needs is not installed.
    """
    if place is None or place == "none":
        return None
    if not isinstance(place, str | Path):
        if not hasattr(place, "open_reader"):
            raise UserError(f"artifacts={place!r}: give an Optuna artifact store, a folder or s3://bucket")
        return place
    scheme, separator, bucket = str(place).partition("://")
    if not separator:
        return _Folder(place)
    name = unquote(bucket).partition("/")[0]
    if "@" in name or (":" in name and not name.startswith("arn:")):
        raise UserError(
            f"artifacts in {masked_url(str(place))!r}: a bucket's URL holds no password; the provider's own"
            " means do, such as AWS_SECRET_ACCESS_KEY"
        )
    if scheme not in EXTRAS or not name:
        raise UserError(
            f"artifacts in {str(place)!r}: give a folder, s3://bucket/prefix, gs://bucket/prefix or none"
        )
    try:
        return bucket_store(scheme, bucket)
    except ImportError:
        raise UserError(
            f"artifacts in {place}: that needs a package: pip install 'optnas[{EXTRAS[scheme]}]'"
        ) from None
    except Exception as error:  # whatever a provider raises without credentials
        raise UserError(f"artifacts in {place}: {_in_words(error)}") from None


def check_store(store: ArtifactStore) -> None:
    """Check that ``store`` works: write a small artifact and remove it.

    Raises:
        UserError: If it cannot be reached, or nothing can be written there.
    """
    probe = f"optnas-probe-{uuid.uuid4().hex}"
    try:
        store.write(probe, io.BytesIO(b"optnas"))
        store.remove(probe)
    except Exception as error:
        with contextlib.suppress(Exception):
            store.remove(probe)
        raise UserError(
            f"artifacts cannot be kept: {_in_words(error)}; mend that, or give --artifacts another place, or"
            " none"
        ) from None


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The state of a trial's training.

    Attributes:
        state: The state.
        seconds: Seconds of training until then.
        late: Reports that could not be written until then: the objectives' values by step.
    """

    state: State
    seconds: float
    late: dict[int, list[float]] = dataclasses.field(default_factory=dict)


class Kept:
    """The last state of something that goes on, in an artifact store.

    There are two artifacts: a new state is written to the free one, and only when it has been read back is
    the other removed. So a worker may die at any moment.

    Args:
        store: The artifact store.
        name: The name of what goes on, unique in the store.
        age: Returns what grows with each state, such as the number of epochs done.

    Attributes:
        damage: What is wrong with a state that :meth:`last` passed over, in words; ``None`` if none was.
    """

    def __init__(self, store: ArtifactStore, name: str, age: Callable[[Any], Any]) -> None:
        self.damage: str | None = None
        self._store, self._name, self._age = store, name, age
        self._ids = [f"optnas-{name}-{i}.safetensors" for i in range(2)]

    def keep(self, content: Mapping[str, Any]) -> None:
        """Write a state, as :func:`~optnas.checkpoints.state.pack` takes it, then remove the one before.

        Raises:
            StoreError: If it cannot be written, as on a full disk; the one before is kept then.
        """
        packed = pack({"name": self._name, **content})
        free, taken = self._ids
        try:
            self._store.write(free, io.BytesIO(packed))
            with self._store.open_reader(free) as reader:
                if reader.read() != packed:
                    raise OSError(errno.EIO, "the store holds something else than was written")
        except Exception as error:
            self._remove(free)
            raise StoreError(_in_words(error)) from error
        self._ids = [taken, free]
        self._remove(taken)

    def last(self, read: Callable[[dict[str, Any]], Any]) -> Any:
        """Return the last undamaged state, as ``read`` makes it of what was written; ``None`` if none is.

        Args:
            read: Raises ``KeyError``, ``TypeError``, ``ValueError`` or ``AttributeError`` if it is damaged.

        Raises:
            StoreError: If the store cannot be read.
        """
        self.damage = None
        found = [(identity, self._read(identity, read)) for identity in self._ids]
        whole = [(identity, state) for identity, state in found if state is not None]
        if not whole:
            return None
        identity, last = max(whole, key=lambda each: self._age(each[1]))
        self._ids.sort(key=lambda each: each == identity)
        return last

    def remove(self) -> None:
        """Remove all states; errors of the store are ignored."""
        for identity in self._ids:
            self._remove(identity)

    def _read(self, identity: str, read: Callable[[dict[str, Any]], Any]) -> Any:
        try:
            with self._store.open_reader(identity) as reader:
                packed = reader.read()
        except ArtifactNotFound:
            return None
        except Exception as error:
            raise StoreError(_in_words(error)) from error
        try:
            content = unpack(packed, identity)
            if content.get("name", self._name) != self._name:
                raise UserError(f"{identity} is of another training")
            return read(content)
        except (UserError, KeyError, TypeError, ValueError, AttributeError) as error:
            # It was being written when its worker died, something damaged it, or another version wrote it.
            self.damage = str(error).removesuffix(": remove it to begin anew")
            return None

    def _remove(self, identity: str) -> None:
        # An artifact that is left behind only costs space.
        with contextlib.suppress(Exception):
            self._store.remove(identity)


class Checkpoints:
    """The checkpoints of one training in an artifact store, which keeps the last one.

    Args:
        store: The artifact store.
        name: The name of this training's checkpoints, unique in the store.
    """

    def __init__(self, store: ArtifactStore, name: str) -> None:
        self._kept = Kept(store, name, lambda checkpoint: (checkpoint.state.epoch, checkpoint.state.batches))

    @property
    def damage(self) -> str | None:
        """The damage of a checkpoint that :meth:`last` passed over, in words; ``None`` if there is none."""
        return self._kept.damage

    def keep(self, state: State, seconds: float, late: Mapping[int, list[float]] | None = None) -> None:
        """Write a checkpoint (:class:`Checkpoint` says of what), then remove the one before.

        Raises:
            StoreError: If it cannot be written, as on a full disk; the one before is kept then.
        """
        self._kept.keep({"state": vars(state), "seconds": seconds, "late": late or {}})

    def last(self) -> Checkpoint | None:
        """Return the last undamaged checkpoint; ``None`` if there is none.

        Raises:
            StoreError: If the store cannot be read.
        """
        found: Checkpoint | None = self._kept.last(_checkpoint)
        return found

    def remove(self) -> None:
        """Remove all checkpoints; errors of the store are ignored."""
        self._kept.remove()


def _checkpoint(content: dict[str, Any]) -> Checkpoint:
    late = {int(step): values for step, values in content.get("late", {}).items()}
    return Checkpoint(State.read(content["state"]), float(content["seconds"]), late)


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    return " ".join(f"{type(error).__name__}: {error}".split())
