"""Optuna's journal as a file that survives crashes and full disks, and notices that it is gone."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileSymlinkLock

from optnas.errors import StorageError
from optnas.shown import notice
from optnas.storages.guarded import Guarded, guarded
from optnas.storages.waiting import Guard
from optnas.trials.optuna_batches import Together

__all__ = ["GuardedJournal", "Journal", "parsed"]

# What every record of Optuna's journal begins with.
_BEGINNING = b'{"op_code":'
_COMPARED_BYTES = 256
_WRITING_SECONDS = 0.2


@guarded
class GuardedJournal(Together, Guarded):
    """Optuna's ``JournalStorage``, each operation of which goes through a :class:`Guard`.

    Args:
        backend: Where its records are.
        guard: The guard.
    """

    def __init__(self, backend: BaseJournalBackend, guard: Guard) -> None:
        Guarded.__init__(self, guard)
        self.backend = backend
        self._together = threading.local()
        guard(JournalStorage.__init__, self, backend)

    def place_of(self, number: int) -> str:
        """See :class:`Together`."""
        backend = self.backend
        return backend.place_of(number) if isinstance(backend, Journal) else super().place_of(number)


class Journal(BaseJournalBackend):
    """Records of Optuna's ``JournalStorage``, one JSON object a line, as ``JournalFileBackend`` writes them.

    A process that dies while it writes, or a full disk, leaves a part of a line. Optuna appends to it, and
    fails at that line from then on. Here a writer removes such an end first and keeps it in a file beside,
    and readers pass over it. Reading takes no lock and writes nothing.

    Args:
        path: The file; it is created if it is missing.
        patience: Seconds to wait while it cannot be used; by default ten minutes.
    """

    def __init__(self, path: Path, patience: float | None = None) -> None:
        self.path = path
        self.guard = Guard(str(path), self._check, patience)
        self._lock = JournalFileSymlinkLock(os.fspath(path))
        self._told: set[int] = set()
        # Where each record begins, and the number of the line that it is in.
        self._places = [(0, 1)]
        self._start = b""
        if not path.exists():
            path.touch()

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yield the records from number ``log_number_from`` on.

        Raises:
            StorageError: If the file is gone, or a line is not a record nor a part of one.
        """
        content = self.guard(self._read, self._places[log_number_from][0])
        place, number = self._places[log_number_from]
        del self._places[log_number_from + 1 :]
        for line in content.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                self._tell_torn_end(place, number, line)
                return
            place, number = place + len(line), number + 1
            record = self._record(line, number - 1)
            if record is None:  # the next one begins behind it
                self._places[-1] = (place, number)
                continue
            self._places.append((place, number))
            yield record

    def place_of(self, number: int) -> str:
        """Return in which line of the file a record is that was read."""
        return f"line {self._places[number][1]}"

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records, as a whole or not at all.

        Raises:
            StorageError: If the file is gone, or cannot be written for ten minutes.
        """
        lines = b"".join(json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs)
        self.guard(self._append, lines)

    def _append(self, lines: bytes) -> None:
        self._lock.acquire()
        try:
            with self.path.open("r+b") as file:
                self._repair_end(file)
                end = file.seek(0, os.SEEK_END)
                try:
                    file.write(lines)
                    file.flush()
                    os.fsync(file.fileno())
                except BaseException:
                    with contextlib.suppress(OSError):
                        os.truncate(self.path, end)
                    raise
        finally:
            self._lock.release()

    def _repair_end(self, file: Any) -> None:
        """Cut off a last line without end, which a writer left that died, and keep it in another file."""
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if file.read(1) in (b"", b"\n"):
            return
        begins, torn = size, b""
        while begins and b"\n" not in torn:
            begins = max(0, begins - 65536)
            file.seek(begins)
            torn = file.read(size - begins)
        torn = torn[torn.rfind(b"\n") + 1 :]
        kept = self.path.with_name(f"{self.path.name}.torn")
        with kept.open("ab") as beside:
            beside.write(torn + b"\n")
        file.truncate(size - len(torn))
        notice(f"the last line of {self.path} was torn, as a crash leaves it; it is in {kept} now")

    def _read(self, start: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(start)
            content = file.read()
            if len(self._start) < _COMPARED_BYTES:
                file.seek(0)
                beginning = file.read(_COMPARED_BYTES)
                self._start = beginning[: beginning.rfind(b"\n") + 1] or self._start
            return content

    def _record(self, line: bytes, number: int) -> dict[str, Any] | None:
        """Return the record in a line; ``None`` if there is only a part of one.

        Raises:
            StorageError: If it is neither.
        """
        record = parsed(line)
        if record is not None:
            return record
        last = line.rfind(_BEGINNING)
        record = parsed(line[last:]) if last > 0 else None
        torn = line[:last] if record is not None else line
        if not torn.strip(b"\0\n").startswith(_BEGINNING[: len(torn.strip(b"\0\n"))]) or torn.endswith(
            b"}\n"
        ):
            raise StorageError(
                f"{self.path}, line {number} is not a record of a journal: put back a copy of the file, or"
                f" delete the line if it does not belong there (sed -i.bak {number}d {self.path})"
            )
        if number not in self._told:
            self._told.add(number)
            mend = "d" if record is None else 's/.*{"op_code":/{"op_code":/'
            what = "it is left out" if record is None else "the record behind the torn one is read"
            notice(
                f"{self.path}, line {number} is torn, as a crash leaves it: {what}. For other programs, mend"
                f" it while nothing runs: sed -i.bak '{number}{mend}' {self.path}"
            )
        return record

    def _tell_torn_end(self, place: int, number: int, line: bytes) -> None:
        """Say that the last line is torn, unless another process is writing it just now."""
        if number in self._told:
            return
        time.sleep(_WRITING_SECONDS)
        lock = Path(f"{self.path}.lock")
        if not lock.is_symlink() and self.guard(self._read, place) == line:
            self._told.add(number)
            notice(
                f"the last line of {self.path}, {number}, is torn, as a crash leaves it: it is left out, and"
                " the next optnas run mends it"
            )

    def _check(self) -> None:
        """Raise ``StorageError`` if the file was deleted, cut or replaced after it was read."""
        # Before the file, to which another thread may append, and read that, just now.
        start, read = self._start, self._places[-1][0]
        try:
            size = os.stat(self.path).st_size
            with self.path.open("rb") as file:
                replaced = file.read(len(start)) != start
        except FileNotFoundError:
            how = "deleted"
        else:
            how = "replaced by another file" if replaced else "cut off"
            if not replaced and size >= read:
                return
        raise StorageError(f"{self.path} was {how} while it was in use")


def parsed(line: bytes | str) -> dict[str, Any] | None:
    """Return the record that a line is; ``None`` if it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and "op_code" in record else None
