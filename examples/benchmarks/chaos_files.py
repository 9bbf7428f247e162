"""Storages of chaos.py that are files, on small disks of their own that can be filled."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from chaos_servers import Server
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

_DISK_MEGABYTES = 48


class _File(Server):
    """A file on a small disk of its own, a ``tmpfs``, where that can be mounted."""

    restarts = False
    name: str

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.password = None
        self._disk = folder / "disk"
        self.path = self._disk / self.name
        self._ballast = self._disk / "ballast"

    def prepare(self) -> None:
        self._disk.mkdir()
        options = f"size={_DISK_MEGABYTES}m"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", self._disk], capture_output=True
        )
        self.has_disk = mounted.returncode == 0

    def fill(self) -> None:
        with self._ballast.open("ab", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while file.write(b"\0" * size) == size:
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def wait_ready(self) -> None:
        pass

    def close(self) -> None:
        if self.has_disk:
            for path in self._disk.iterdir():  # kept with the logs
                if path != self._ballast and path.is_file():
                    shutil.copy(path, self.folder)
            subprocess.run(["umount", "--lazy", self._disk], check=True)


class SQLite(_File):
    name = "optnas.db"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def read(self) -> BaseStorage:
        return RDBStorage(self.url, skip_table_creation=True)


class Journal(_File):
    name = "optnas.log"

    @property
    def url(self) -> str:
        return str(self.path)

    def read(self) -> BaseStorage:
        return JournalStorage(JournalFileBackend(str(self.path)))
