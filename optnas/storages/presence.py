"""Notices that a study was deleted while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import optuna

from optnas.errors import StorageError
from optnas.trials.optuna_internals import identity

__all__ = ["is_there", "study_is_there"]


@contextmanager
def study_is_there(study: optuna.Study) -> Iterator[None]:
    """Raise ``StorageError`` in place of an error inside the context if the study was deleted meanwhile."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        if is_there(study):
            raise
        raise StorageError(
            f"study {study.study_name!r} was deleted from the storage while it ran; its trials are gone"
        ) from error


def is_there(study: optuna.Study) -> bool:
    """Return whether the study is still in its storage."""
    storage, study_id = identity(study)
    try:
        return storage.get_study_id_from_name(study.study_name) == study_id
    except KeyError:
        return False
