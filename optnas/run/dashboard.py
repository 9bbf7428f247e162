"""Server of optuna-dashboard for a storage."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import socketserver
from collections.abc import Callable, Collection, Iterable
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import psutil

from optnas.errors import UserError
from optnas.interrupts.signals import stop_on_signals
from optnas.storages.opening import open_storage

__all__ = ["serve"]


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Log no requests."""


def serve(url: str, host: str, port: int, *, announce: Callable[[str], None]) -> None:
    """Serve the dashboard until Ctrl-C, to requests that name this machine as their host.

    Args:
        url: The storage's URL.
        host: The name or address to listen on.
        port: The port; 0 for any that is free.
        announce: Called with the address once the server listens.

    Raises:
        UserError: If the storage cannot be reached, or the port is taken.
    """
    storage = open_storage(url, reading=True)
    import optuna_dashboard

    application = _only_for(_names_of(host), optuna_dashboard.wsgi(storage))
    server_class = _Server6 if ":" in host else _Server
    try:
        server = make_server(host, port, application, server_class, _Quiet)
    except (OSError, OverflowError) as error:
        raise UserError(f"cannot listen on {host}:{port}: {error}; give another --port") from None
    with server:
        shown = f"[{host}]" if ":" in host else host
        announce(f"http://{shown}:{server.server_port}/")
        with contextlib.suppress(KeyboardInterrupt), stop_on_signals():
            server.serve_forever()


def _names_of(host: str) -> set[str]:
    """Return the names and addresses by which a server that listens on ``host`` may be called.

    On all addresses these are the machine's own names and addresses.
    """
    names = {_normal(host)}
    address = _address(host)
    if not host or (address is not None and address.is_unspecified):
        names |= {_normal(name) for name in (socket.gethostname(), socket.getfqdn())}
        names |= {_normal(each.address) for found in psutil.net_if_addrs().values() for each in found}
    return names


def _only_for(names: Collection[str], application: Callable[..., Iterable[bytes]]) -> Callable[..., Any]:
    """Refuse requests whose Host header is neither a loopback name nor one of ``names``.

    A web page elsewhere can have its own name lead to this machine (DNS rebinding), and its script would
    then read and change studies. Its requests name that page's host.
    """

    def checked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        called = _host_of(environ.get("HTTP_HOST", ""))
        address = _address(called)
        if called == "localhost" or called in names or (address is not None and address.is_loopback):
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"This dashboard answers to localhost, or to what optnas dashboard --host names.\n"]

    return checked


def _host_of(header: str) -> str:
    """Return the host of a Host header, without the port; nothing if it is malformed."""
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port  # raises where it is no number
    except ValueError:
        return ""
    return "" if parts.netloc != header or parts.username is not None else _normal(parts.hostname or "")


def _normal(name: str) -> str:
    address = _address(name)
    return name.lower().rstrip(".") if address is None else str(address)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None
