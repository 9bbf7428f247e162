"""Database servers of our own that tests start, stop, freeze and kill."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

__all__ = ["KINDS", "Server", "free_port", "serving"]

_READY_SECONDS = 120


def free_port() -> int:
    """Return a port that stays free while its server is away: none that the system lends to connections."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


class Server:
    """A server's process.

    Attributes:
        url: The storage in it.
        port: Where it listens.
    """

    #: Signal that shuts it down in good order, but at once.
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path, url: str, command: list[object], port: int) -> None:
        self.folder, self.url, self.port = folder, url, port
        self._command = [str(part) for part in command]
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start the process, without waiting until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd="/", env=os.environ)

    def start(self) -> None:
        self.launch()
        assert self._process is not None
        deadline = time.monotonic() + _READY_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def stop(self) -> None:
        """Shut it down in good order."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        assert self._process is not None
        server = psutil.Process(self._process.pid)
        return [server, *server.children(recursive=True)]

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            children = self._processes()[1:]
            self._process.send_signal(how)
            self._process.wait(30)
            psutil.wait_procs(children, 10)
        self._process = None


class Postgres(Server):
    stop_signal = signal.SIGINT

    def kill(self) -> None:
        # SIGKILL leaves shared memory behind; SIGQUIT also goes on from the log.
        self._end(signal.SIGQUIT)

    def answers(self) -> bool:
        import psycopg

        with contextlib.suppress(psycopg.Error), psycopg.connect(self.url.replace("+psycopg", "")):
            return True
        return False


class MariaDB(Server):
    def answers(self) -> bool:
        import pymysql

        # Signals that come before it answers are lost.
        with (
            contextlib.suppress(pymysql.Error),
            pymysql.connect(host="127.0.0.1", port=self.port, user="root"),
        ):
            return True
        return False


class Redis(Server):
    def answers(self) -> bool:
        import redis

        with contextlib.suppress(redis.RedisError):
            return bool(redis.Redis(port=self.port).ping())
        return False


def _postgres(folder: Path) -> Server:
    pytest.importorskip("psycopg")
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(binaries[-1]) if binaries else shutil.which("initdb")
    if found is None:
        pytest.skip("PostgreSQL's initdb is not installed")
    home, data, port = Path(found).parent, folder / "data", free_port()
    user: list[object] = []
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
    made = [*user, home / "initdb", "-D", data, "-A", "trust", "-U", "optnas", "-N"]
    subprocess.run(list(map(str, made)), check=True, stdout=subprocess.DEVNULL, cwd="/")
    command: list[object] = [*user, home / "postgres", "-D", data, "-p", port, "-h", "127.0.0.1"]
    command += ["-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
    return Postgres(folder, f"postgresql+psycopg://optnas@127.0.0.1:{port}/postgres", command, port)


def _mariadb(folder: Path) -> Server:
    pytest.importorskip("pymysql")
    install, server = shutil.which("mariadb-install-db"), shutil.which("mariadbd")
    if install is None or server is None:
        pytest.skip("MariaDB's server is not installed")
    data, port = folder / "data", free_port()
    user = [f"--tmpdir={folder}", *(["--user=root"] if os.getuid() == 0 else [])]
    made = [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", *user]
    subprocess.run([*made, "--skip-test-db"], check=True, stdout=subprocess.DEVNULL, cwd="/")
    command: list[object] = [server, "--no-defaults", f"--datadir={data}", f"--port={port}", *user]
    command += ["--bind-address=127.0.0.1", f"--socket={folder}/s", f"--pid-file={folder}/pid"]
    command += ["--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=32M"]
    (folder / "init.sql").write_text("CREATE DATABASE IF NOT EXISTS optnas;\n")
    command += [f"--init-file={folder}/init.sql"]
    return MariaDB(folder, f"mysql+pymysql://root@127.0.0.1:{port}/optnas", command, port)


def _redis(folder: Path) -> Server:
    pytest.importorskip("redis")
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not installed")
    port = free_port()
    command: list[object] = [server, "--port", port, "--dir", folder, "--bind", "127.0.0.1"]
    command += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    return Redis(folder, f"redis://127.0.0.1:{port}/0", command, port)


def _grpc(folder: Path) -> Server:
    pytest.importorskip("grpc")
    port = free_port()
    command: list[object] = [sys.executable, "-m", "optnas.cli", "storage-proxy"]
    command += ["--storage", f"sqlite:///{folder}/behind.db", "--port", port]
    return Server(folder, f"grpc://127.0.0.1:{port}", command, port)


KINDS = {"postgresql": _postgres, "mysql": _mariadb, "redis": _redis, "grpc": _grpc}


@contextlib.contextmanager
def serving(kind: str) -> Iterator[Server]:
    """Start a server, end it at last; skip the test if its parts are not installed."""
    # Not pytest's folder, which others may not enter: servers refuse to run as root.
    folder = Path(tempfile.mkdtemp(prefix=f"optnas-{kind}-"))
    os.chmod(folder, 0o755)
    server = KINDS[kind](folder)
    try:
        server.start()
        yield server
    finally:
        with contextlib.suppress(Exception):
            server.thaw()
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
