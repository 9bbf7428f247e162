"""A database as a storage: waits while it is locked, and notices that its file is gone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from optnas.errors import StorageError
from optnas.storages.guarded import Guarded, guarded
from optnas.storages.waiting import Guard
from optnas.trials.optuna_batches import create_once, write_study_to_database, write_to_database
from optnas.trials.optuna_cache import CachedStorage
from optnas.trials.optuna_internals import backend_of, storage_of
from optnas.trials.optuna_reading import CheckedDatabase
from optnas.trials.optuna_rows import read_counts, read_trials
from optnas.trials.writes import Writes

__all__ = ["CachedDatabase", "Database", "rescuing"]


@guarded
class Database(Guarded, CheckedDatabase):
    """Optuna's ``RDBStorage``, each operation of which goes through a :class:`Guard`.

    Args:
        url: The database's URL.
        name: The storage, as it is named in messages.
        path: SQLite's file; ``None`` for any other database.
        options: Further arguments of ``RDBStorage``.
    """

    def __init__(self, url: str, name: str, path: Path | None, **options: Any) -> None:
        self.path = path
        Guarded.__init__(self, Guard(name, self._check))
        # Removed when the storage is.
        self.copies: tempfile.TemporaryDirectory[str] | None = None
        self._files: dict[Path, tuple[int, int]] = {}
        # Optuna fills in braces.
        CheckedDatabase.__init__(self, url.replace("{", "{{").replace("}", "}}"), **options)
        if path is not None:
            self._remember(path)

    @property
    def is_gone(self) -> bool:
        """Whether a file of the database was deleted or replaced since it was opened."""
        return any(_identity(file) != before for file, before in self._files.items())

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        return create_once(self, study_id, template_trial)

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        return read_trials(self, study_id, states, included_trial_ids, trial_id_greater_than)

    def write_together(self, trial_id: int, writes: Writes) -> None:
        """See :class:`Guarded`."""
        write_to_database(self, trial_id, writes)

    def write_study_attributes(self, study_id: int, attributes: dict[str, Any]) -> None:
        """See :class:`Guarded`."""
        write_study_to_database(self, study_id, attributes)

    def get_trial_counts(self) -> dict[int, tuple[int, datetime | None]]:
        """See :class:`Guarded`."""
        return read_counts(self)

    def after_operation(self) -> None:
        """See :class:`Guarded`."""
        if self.path is not None:
            # There as long as any process has the database open, as this one has from now on.
            self._remember(Path(f"{self.path}-wal"))

    def _check(self) -> None:
        """Raise ``StorageError`` if a file was deleted or replaced: SQLite would go on in the old one."""
        for file, before in self._files.items():
            now = _identity(file)
            if now != before:
                how = "deleted" if now is None else "replaced by another file"
                raise StorageError(f"{file} was {how} while it was in use")

    def _remember(self, file: Path) -> None:
        if file not in self._files and (found := _identity(file)) is not None:
            self._files = {**self._files, file: found}  # other threads may be looking at it


@guarded
class CachedDatabase(Guarded, CachedStorage):
    """A database behind Optuna's cache.

    Guarded as a whole: a thread that waits for the database does not hold the cache's lock meanwhile.
    """

    def __init__(self, database: Database) -> None:
        Guarded.__init__(self, database.guard)
        CachedStorage.__init__(self, database)
        self.database = database
        self.fences, self.unfenced = database.fences, database.unfenced

    def write_together(self, trial_id: int, writes: Writes) -> None:
        """See :class:`Guarded`."""
        self.database.write_together(trial_id, writes)

    def write_study_attributes(self, study_id: int, attributes: dict[str, Any]) -> None:
        """See :class:`Guarded`."""
        self.database.write_study_attributes(study_id, attributes)

    def forget(self, study_id: int) -> None:
        """See :class:`CachedStorage`."""
        super().forget(study_id)
        self.distributions.pop(study_id, None)

    def get_unfinished(self, study_id: int, system: str, user: str) -> tuple[list[FrozenTrial], int]:
        """See :class:`Guarded`."""
        return self.glance(study_id, system, user)

    def get_trial_counts(self) -> dict[int, tuple[int, datetime | None]]:
        """See :class:`Guarded`."""
        return self.database.get_trial_counts()

    def after_operation(self) -> None:
        """See :class:`Guarded`."""
        self.database.after_operation()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        # Not opened: closing any handle of the file would end SQLite's locks on it.
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def rescuing(study: optuna.Study) -> Iterator[None]:
    """If the file of a study's database goes missing inside the context, write what it held into another.

    Raises:
        StorageError: In place of the error that says that it is missing.
    """
    try:
        yield
    except StorageError as error:
        storage = backend_of(storage_of(study))
        saved = _rescued(storage) if isinstance(storage, Database) and storage.is_gone else None
        if saved is None:
            raise
        raise StorageError(
            f"{error}; all that it held is saved in {saved}: go on with --storage sqlite:///{saved}"
        ) from error


def _rescued(storage: Database) -> Path | None:
    """Write what a deleted SQLite file held into a new file beside it, or here; ``None`` if that fails.

    A file that is deleted exists as long as a process has it open.
    """
    if storage.path is None:
        return None
    path = storage.path.with_name(f"{storage.path.stem}-rescued{storage.path.suffix}")
    if not path.parent.is_dir():
        path = Path(path.name)
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"{storage.path.stem}-rescued-{number}{storage.path.suffix}")
    try:
        with storage.engine.connect() as connection:
            connection.exec_driver_sql("VACUUM INTO ?", (os.fspath(path),))
    except Exception:
        return None
    return path
