"""Artifact stores in buckets of S3 and Google Cloud Storage, perhaps below a prefix.

An endpoint other than Amazon's is named by boto3's own ``AWS_ENDPOINT_URL``.
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from optuna.artifacts import Boto3ArtifactStore, GCSArtifactStore
from optuna.exceptions import ExperimentalWarning

if TYPE_CHECKING:
    from optnas.trials.optuna_internals import ArtifactStore

__all__ = ["EXTRAS", "bucket_store"]

EXTRAS = {"s3": "s3", "gs": "gcs"}
"""The extra of optnas that a scheme needs."""

_Result = TypeVar("_Result")

# A server that is restarted meanwhile costs no checkpoint: boto3 itself gives up within a second.
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds
_CONNECT_SECONDS = 5


class _Below:
    """Part of an artifact store: the artifacts whose names begin with a prefix."""

    def __init__(self, store: ArtifactStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    def open_reader(self, artifact_id: str) -> BinaryIO:
        return self._store.open_reader(self._prefix + artifact_id)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        self._store.write(self._prefix + artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        self._store.remove(self._prefix + artifact_id)


def bucket_store(scheme: str, path: str) -> ArtifactStore:
    """Return the artifact store in a bucket; ``path`` is ``bucket`` or ``bucket/prefix``.

    Raises:
        ImportError: If the provider's package is not installed.
        Exception: Whatever the provider raises without credentials.
    """
    bucket, _, prefix = path.strip("/").partition("/")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # what Optuna may change is ours to follow
        store: ArtifactStore = _s3(bucket) if scheme == "s3" else GCSArtifactStore(bucket)
    return _Below(store, prefix.strip("/") + "/") if prefix else store


def _s3(bucket: str) -> Boto3ArtifactStore:
    import boto3
    from botocore.config import Config

    return _S3(bucket, boto3.client("s3", config=Config(connect_timeout=_CONNECT_SECONDS)))


class _S3(Boto3ArtifactStore):
    """A bucket of S3, which is read and written again while the server is away for a moment."""

    def open_reader(self, artifact_id: str) -> BinaryIO:
        return _patiently(lambda: super(_S3, self).open_reader(artifact_id))

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        content = content_body.read()
        _patiently(lambda: super(_S3, self).write(artifact_id, io.BytesIO(content)))


def _patiently(operation: Callable[[], _Result]) -> _Result:
    for pause in _PAUSES:
        try:
            return operation()
        except Exception as error:
            if not _is_passing(error):
                raise
        time.sleep(pause)
    return operation()


def _is_passing(error: Exception) -> bool:
    """Return whether an error is one of the connection, or of the server itself."""
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004

    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
    return isinstance(error, ConnectionError | HTTPClientError)
