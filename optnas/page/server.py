"""Server of a storage's studies: our page, its JSON, and optuna-dashboard."""

from __future__ import annotations

import contextlib
import secrets
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.storages import BaseStorage

from optnas.errors import UserError
from optnas.interrupts.signals import stop_on_signals
from optnas.page.hosts import Application, is_loopback, is_unspecified, names_of, only_for
from optnas.page.link import with_link
from optnas.page.token import with_token
from optnas.storages.opening import default_artifacts, open_storage

__all__ = ["serve"]


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    # A browser asks for all of a page's files at once; a connection beyond these waits a second to try again.
    request_queue_size = 128


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Log no requests."""


def serve(url: str, host: str, port: int, *, announce: Callable[[str], None]) -> None:
    """Serve the page and optuna-dashboard until Ctrl-C, to requests that name this machine as their host.

    On any but a loopback address, requests need a token, which is part of the address that is announced.

    Args:
        url: The storage's URL.
        host: The name or address to listen on.
        port: The port; 0 for any that is free.
        announce: Called with the address once the server listens.

    Raises:
        UserError: If the storage cannot be reached, or the port is taken.
    """
    from optnas.page.routes import Served, pages

    storage = open_storage(url, reading=True)
    served, dashboard = Served(storage, url), _Dashboard(storage, url)
    # In the order in which people look at them; each takes seconds.
    ahead = (served.read_ahead, partial(import_module, "optnas.drawing.reading"), dashboard.load)
    threading.Thread(target=lambda: [each() for each in ahead], daemon=True).start()
    application = _together(pages(served), with_link(dashboard))
    token = None if is_loopback(host) else secrets.token_urlsafe(16)
    if token is not None:
        application = with_token(token, application)
    application = only_for(names_of(host), application)
    server_class = _Server6 if ":" in host else _Server
    try:
        server = make_server(host, port, application, server_class, _Quiet)
    except (OSError, OverflowError, TypeError, UnicodeError) as error:  # the last two of names that are none
        raise UserError(f"cannot listen on {host}:{port}: {error}; give another --host or --port") from None
    with server:
        announce(_address(host, server.server_port, token))
        with contextlib.suppress(KeyboardInterrupt), stop_on_signals():
            server.serve_forever()


class _Dashboard:
    """optuna-dashboard as an application, which is imported by the first who needs it."""

    def __init__(self, storage: BaseStorage, url: str) -> None:
        self._storage = storage
        self._url = url
        self._lock = threading.Lock()
        self._application: Application | None = None

    def load(self) -> Application:
        with self._lock:
            if self._application is None:
                import optuna_dashboard
                from optuna.artifacts import FileSystemArtifactStore

                # Where workers keep the drawings that it shows in its notes.
                kept = default_artifacts(self._url)
                store = FileSystemArtifactStore(kept) if Path(kept).is_dir() else None
                self._application = optuna_dashboard.wsgi(self._storage, store)
        return self._application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self.load()(environ, start_response)


def _together(ours: Application, dashboard: Application) -> Application:
    """Return one application: what is ours by its path, and optuna-dashboard for all else."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        is_ours = path in ("", "/", "/optnas") or path.startswith("/optnas/")
        return (ours if is_ours else dashboard)(environ, start_response)

    return application


def _address(host: str, port: int, token: str | None) -> str:
    # Nobody can open 0.0.0.0 from another machine.
    name = socket.gethostname() if is_unspecified(host) else host
    shown = f"[{name}]" if ":" in name else name
    return f"http://{shown}:{port}/" + ("" if token is None else f"?token={token}")
