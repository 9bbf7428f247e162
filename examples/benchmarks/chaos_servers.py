"""Servers for chaos.py, stopped in good order or as by a crash, and read by bare Optuna."""

from __future__ import annotations

import contextlib
import getpass
import glob
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalRedisBackend

_READY_SECONDS = 60.0


class Absent(Exception):
    """Error: what a storage needs is not installed here; the message says what."""


class Server:
    """A storage that workers share.

    Args:
        folder: For its data and logs.

    Attributes:
        address: Where workers reach it.
        restarts: Whether there is a server to restart.
        has_disk: Whether it has a disk of its own, which can be filled.
        password: Which no log may show; ``None`` if it has none.
    """

    restarts = True
    has_disk = False
    needs: Sequence[str] = ()  # modules

    def __init__(self, folder: Path) -> None:
        for module in self.needs:
            try:
                __import__(module)
            except ImportError:
                raise Absent(f"the Python package {module} is not installed") from None
        self.folder = folder
        self.address = "127.0.0.1"
        self.password: str | None = secrets.token_hex(8)
        self.port = _free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        """The URL that ``optnas run --storage`` gets."""
        raise NotImplementedError

    def read(self) -> BaseStorage:
        """Return the storage as bare Optuna opens it."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Make an empty storage."""

    def start(self) -> None:
        """Start the server, and return before it answers."""

    def stop(self, immediate: bool) -> None:
        """Stop the server: in good order or, if ``immediate``, as a crash would."""
        for process in self._processes:
            process.send_signal(signal.SIGKILL if immediate else signal.SIGTERM)
        for process in self._processes:
            process.wait(_READY_SECONDS)
        self._processes.clear()

    def fill(self) -> None:
        """Fill its disk to the last byte."""
        raise NotImplementedError

    def empty(self) -> None:
        """Remove what fills the disk."""
        raise NotImplementedError

    def wait_ready(self) -> None:
        """Return once the server answers."""
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                with socket.create_connection((self.address, self.port), timeout=1):
                    return self._ask()
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _ask(self) -> None:
        """Raise any error if the server does not answer in its own language yet."""

    def close(self) -> None:
        """Stop what runs, for good."""
        self.stop(immediate=True)

    def _run(self, name: str, command: Sequence[str | Path], **environment: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    env={**os.environ, **environment},
                    start_new_session=True,  # Ctrl-C is for this program
                )
            )


class PostgreSQL(Server):
    """A PostgreSQL server, run as the user ``postgres`` if this program is root."""

    needs = ("psycopg",)
    user = "optnas"

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{self.user}:{self.password}@{self.address}:{self.port}/postgres"

    def read(self) -> BaseStorage:
        return RDBStorage(self.url, skip_table_creation=True)

    def prepare(self) -> None:
        self._bin = _program("initdb", "postgresql", "/usr/lib/postgresql/*/bin").parent
        self.data = self.folder / "data"
        self.data.mkdir()
        secret = self.data.with_name("secret")
        secret.write_text(f"{self.password}\n")
        if getpass.getuser() == "root":
            for path in (self.data, secret):
                shutil.chown(path, "postgres")
        self._as_owner(
            "initdb", "-D", self.data, "-U", self.user, "--auth=scram-sha-256", f"--pwfile={secret}"
        )
        secret.unlink()
        with (self.data / "pg_hba.conf").open("a") as file:
            file.write("host all all 10.0.0.0/8 scram-sha-256\n")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=* -c unix_socket_directories={self.data}"
        self._as_owner(
            "pg_ctl", "-D", self.data, "-W", "-l", self.data / "server.log", "-o", options, "start"
        )

    def stop(self, immediate: bool) -> None:
        mode = "immediate" if immediate else "fast"
        self._as_owner("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def close(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop(immediate=True)

    def _ask(self) -> None:
        import psycopg

        psycopg.connect(self.url.replace("+psycopg", ""), connect_timeout=2).close()

    def _as_owner(self, program: str, *arguments: str | Path) -> None:
        owner = ["runuser", "-u", "postgres", "--"] if getpass.getuser() == "root" else []
        command = [*owner, self._bin / program, *arguments]
        # Not a pipe: the server would hold it open.
        with (self.folder / f"{program}.log").open("ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd="/", start_new_session=True)


class MariaDB(Server):
    """A MariaDB server."""

    needs = ("pymysql",)

    @property
    def url(self) -> str:
        return f"mysql+pymysql://optnas:{self.password}@{self.address}:{self.port}/optnas"

    def read(self) -> BaseStorage:
        return RDBStorage(self.url, skip_table_creation=True)

    def prepare(self) -> None:
        install = _program("mariadb-install-db", "mariadb-server")
        self._server = _program("mariadbd", "mariadb-server", "/usr/sbin", "/usr/libexec")
        self.data = self.folder / "data"
        self.data.mkdir()
        self._owner = f"--user={getpass.getuser()}"
        with (self.folder / "install.log").open("wb") as log:
            subprocess.run(
                [install, "--no-defaults", f"--datadir={self.data}", self._owner, "--skip-test-db"],
                check=True, stdout=log, stderr=log,
            )  # fmt: skip
        (self.folder / "users.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS optnas;\n"
            f"CREATE USER IF NOT EXISTS optnas@'%' IDENTIFIED BY '{self.password}';\n"
            "GRANT ALL ON optnas.* TO optnas@'%';\n"
        )

    def start(self) -> None:
        self._run(
            "server",
            [self._server, "--no-defaults", f"--datadir={self.data}", self._owner, f"--port={self.port}",
             "--bind-address=0.0.0.0", f"--socket={self.data}/socket", f"--pid-file={self.data}/pid",
             "--skip-name-resolve", f"--init-file={self.folder}/users.sql"],
        )  # fmt: skip

    def _ask(self) -> None:
        import pymysql

        pymysql.connect(
            host=self.address, port=self.port, user="optnas", password=self.password, database="optnas"
        ).close()


class Redis(Server):
    """A Redis server that keeps every write before it answers."""

    needs = ("redis",)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{self.address}:{self.port}/0"

    def read(self) -> BaseStorage:
        return JournalStorage(JournalRedisBackend(self.url))

    def prepare(self) -> None:
        self._server = _program("redis-server", "redis-server")

    def start(self) -> None:
        self._run(
            "server",
            [self._server, "--port", str(self.port), "--bind", "0.0.0.0", "--requirepass", str(self.password),
             "--appendonly", "yes", "--appendfsync", "always", "--dir", self.folder],
        )  # fmt: skip

    def _ask(self) -> None:
        import redis

        redis.Redis(self.address, self.port, password=self.password).ping()


class Grpc(Server):
    """``optnas storage-proxy`` in front of a PostgreSQL server; both are restarted."""

    needs = ("psycopg", "grpc")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._database = PostgreSQL(folder)
        self.password = self._database.password

    @property
    def url(self) -> str:
        return f"grpc://{self.address}:{self.port}"

    def read(self) -> BaseStorage:
        return self._database.read()

    def prepare(self) -> None:
        self._database.prepare()

    def start(self) -> None:
        self._database.start()
        self._database.wait_ready()
        proxy = ["-m", "optnas.cli", "storage-proxy", "--host", "0.0.0.0", "--port", str(self.port)]
        # The URL is no argument, which everyone on the machine may read.
        self._run("proxy", [sys.executable, *proxy], OPTNAS_STORAGE=self._database.url)

    def stop(self, immediate: bool) -> None:
        super().stop(immediate)
        self._database.stop(immediate)

    def close(self) -> None:
        super().stop(immediate=True)
        self._database.close()


def _program(name: str, package: str, *folders: str) -> Path:
    """Return the path of a program, looked for in ``folders`` as well.

    Raises:
        Absent: If it is not installed.
    """
    search = os.pathsep.join([*(path for each in folders for path in sorted(glob.glob(each))), os.defpath])
    found = shutil.which(name, path=search) or shutil.which(name)
    if found is None:
        raise Absent(f"{name} is not installed (apt-get install {package})")
    return Path(found)


def _free_port() -> int:
    # None that the system lends to connections: one would take it while the server is away.
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("", port))
            return port


optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
