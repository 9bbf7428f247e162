"""Artifact stores in buckets of S3 and Google Cloud Storage, perhaps below a prefix.

An endpoint other than Amazon's is named by boto3's own ``AWS_ENDPOINT_URL``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from optuna.artifacts import Boto3ArtifactStore, GCSArtifactStore

if TYPE_CHECKING:
    from optnas.trials.optuna_internals import ArtifactStore

__all__ = ["EXTRAS", "bucket_store"]

EXTRAS = {"s3": "s3", "gs": "gcs"}
"""The extra of optnas that a scheme needs."""

# With pauses that double, some 15 s: a server that is restarted meanwhile costs no checkpoint.
_ATTEMPTS = 6
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
    store: ArtifactStore = _s3(bucket) if scheme == "s3" else GCSArtifactStore(bucket)
    return _Below(store, prefix.strip("/") + "/") if prefix else store


def _s3(bucket: str) -> Boto3ArtifactStore:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_SECONDS, retries={"mode": "standard", "total_max_attempts": _ATTEMPTS}
    )
    return Boto3ArtifactStore(bucket, boto3.client("s3", config=config))
