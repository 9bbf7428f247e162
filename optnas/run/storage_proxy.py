"""The command ``optnas storage-proxy``: Optuna's gRPC server in front of a database."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from importlib.util import find_spec

from optnas.errors import UserError
from optnas.storages.opening import open_storage

__all__ = ["serve"]

_GRACE_SECONDS = 5.0


def serve(url: str, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve a storage until SIGTERM or Ctrl-C.

    Args:
        url: The storage's URL.
        host: The address to listen on.
        port: The port.
        announce: Called with the URL for clients once it listens.

    Raises:
        UserError: If gRPC is not installed, the storage is no database, or the port is in use.
    """
    if find_spec("grpc") is None:
        raise UserError("a storage proxy needs gRPC: pip install 'optnas[grpc]'")
    from optnas.storages.proxy_server import storage_server

    server = storage_server(open_storage(url), host, port)
    stopped = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stopped.set())
    server.start()
    announce(f"grpc://{host}:{port}")
    stopped.wait()
    server.stop(_GRACE_SECONDS).wait()
