"""Checks of the Host header against DNS rebinding: only names of this machine are answered."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Collection, Iterable
from typing import Any
from urllib.parse import urlsplit

import psutil

__all__ = ["Application", "is_loopback", "is_unspecified", "names_of", "only_for", "refuse"]

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application."""


def names_of(host: str) -> set[str]:
    """Return the names and addresses by which a server that listens on ``host`` may be called.

    On all addresses these are the machine's own names and addresses.
    """
    names = {_normal(host)}
    if is_unspecified(host):
        names |= {_normal(name) for name in (socket.gethostname(), socket.getfqdn())}
        names |= {_normal(each.address) for found in psutil.net_if_addrs().values() for each in found}
    return names


def is_unspecified(host: str) -> bool:
    """Return whether a server on ``host`` listens on all addresses."""
    address = _address(host)
    return not host or (address is not None and address.is_unspecified)


def is_loopback(name: str) -> bool:
    """Return whether ``name`` is a loopback address, or ``localhost``."""
    address = _address(name)
    return _normal(name) == "localhost" or (address is not None and address.is_loopback)


def only_for(names: Collection[str], application: Application) -> Application:
    """Refuse requests whose Host header is neither a loopback name nor one of ``names``.

    A web page elsewhere can have its own name lead to this machine (DNS rebinding), and its script would
    then read and change studies. Its requests name that page's host.
    """

    def checked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        called = _host_of(environ.get("HTTP_HOST", ""))
        if is_loopback(called) or called in names:
            return application(environ, start_response)
        said = "This dashboard answers to localhost, or to what optnas dashboard --host names."
        return refuse("403 Forbidden", said, start_response)

    return checked


def refuse(status: str, said: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request with one line of text."""
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")])
    return [f"{said}\n".encode()]


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
