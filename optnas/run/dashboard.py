"""Server of optuna-dashboard for a storage."""

from __future__ import annotations

import contextlib
import socketserver
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optnas.errors import UserError
from optnas.storages.opening import open_storage

__all__ = ["serve"]


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Log no requests."""


def serve(url: str, host: str, port: int, *, announce: Callable[[str], None]) -> None:
    """Serve the dashboard until Ctrl-C.

    Args:
        url: The storage's URL.
        host: The address to listen on.
        port: The port; 0 for any that is free.
        announce: Called with the address once the server listens.

    Raises:
        UserError: If the storage cannot be reached, or the port is taken.
    """
    storage = open_storage(url, reading=True)
    import optuna_dashboard

    try:
        server = make_server(host, port, optuna_dashboard.wsgi(storage), _Server, _Quiet)
    except (OSError, OverflowError) as error:
        raise UserError(f"cannot listen on {host}:{port}: {error}; give another --port") from None
    with server:
        announce(f"http://{host}:{server.server_port}/")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
