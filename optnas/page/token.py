"""Token authentication for requests from other machines: once in a URL, then in a cookie."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from optnas.page.hosts import Application, refuse

__all__ = ["with_token"]

_FIELD = "token"
_SAID = "Open the address that optnas dashboard printed: it ends in ?token=…"


def with_token(token: str, application: Application) -> Application:
    """Refuse requests that bring the token neither in their URL, nor as a cookie or bearer.

    A request with ``?token=…`` is sent on to its URL without it, so that it stands in no history, and gets
    the cookie.
    """

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # Cookies are shared by all ports of a host.
        cookie = f"optnas-{environ.get('SERVER_PORT', '')}"
        query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        given = [value for name, value in query if name == _FIELD]
        if any(_same(value, token) for value in given):
            rest = urlencode([(name, value) for name, value in query if name != _FIELD])
            where = _path(environ) + (f"?{rest}" if rest else "")
            carried = f"{cookie}={token}; Path=/; HttpOnly; SameSite=Lax"
            headers = [("Location", where), ("Set-Cookie", carried), ("Referrer-Policy", "no-referrer")]
            start_response(
                "303 See Other", [*headers, ("Content-Length", "0"), ("Cache-Control", "no-store")]
            )
            return []
        bearer = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
        if any(_same(value, token) for value in (bearer, *_cookies(environ, cookie))):
            return application(environ, start_response)
        return refuse("401 Unauthorized", _SAID, start_response)

    return guarded


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def _path(environ: dict[str, Any]) -> str:
    """Return the path of a request, as one that leads to this server whatever it holds."""
    path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
    # Two slashes at the beginning would name another host.
    return "/" + quote(path.lstrip("/\\"))


def _cookies(environ: dict[str, Any], name: str) -> list[str]:
    """Return the values of a cookie, whatever those of other programs on this host look like."""
    pairs = (part.partition("=") for part in environ.get("HTTP_COOKIE", "").split(";"))
    return [value.strip() for key, _, value in pairs if key.strip() == name]
