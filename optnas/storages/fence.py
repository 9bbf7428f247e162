"""Fence around a trial: who lost it to another worker writes nothing to it any more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from optuna.storages import BaseStorage

from optnas.errors import StorageError
from optnas.storages.guarded import Guarded
from optnas.trials.optuna_internals import backend_of

__all__ = ["LeaseLost", "fenced", "unfenced"]


class LeaseLost(StorageError):
    """Error: the trial is another worker's now."""


@contextlib.contextmanager
def fenced(storage: BaseStorage, trial_id: int, check: Callable[[], None]) -> Iterator[None]:
    """Call ``check`` before every write of this process to a trial, from any thread, inside the context.

    Fenced are its attributes, parameters, intermediate and final values, and its state. A write that waits
    for the storage is checked again before each attempt. ``check`` raises :class:`LeaseLost` if the trial is
    another worker's; what it reads and writes itself is not fenced.

    Args:
        storage: A storage that :func:`~optnas.storages.opening.open_storage` opened; others have no fence.
        trial_id: The trial's id in it.
        check: Called before every write; it is called often, and should be quick.
    """
    backend = backend_of(storage)
    if not isinstance(backend, Guarded):
        yield
        return
    backend.fences[trial_id] = check
    try:
        yield
    finally:
        backend.fences.pop(trial_id, None)


@contextlib.contextmanager
def unfenced(storage: BaseStorage) -> Iterator[None]:
    """Let this thread write to fenced trials inside the context: the renewal of the claim itself."""
    backend = backend_of(storage)
    if not isinstance(backend, Guarded):
        yield
        return
    before, backend.unfenced.here = backend.unfenced.here, True
    try:
        yield
    finally:
        backend.unfenced.here = before
