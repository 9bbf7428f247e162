"""WSGI middleware that adds a link to our page to optuna-dashboard's pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from optnas.page.hosts import Application

__all__ = ["with_link"]

# Its script makes it lead to the study that is open.
_LINK = (
    b'<a id="optnas-link" href="/optnas/">optnas: the front</a>'
    b'<link rel="stylesheet" href="/optnas/static/link.css">'
    b'<script type="module" src="/optnas/static/link.js"></script>'
)
_END = b"</body>"
# The file is not what is sent.
_CONDITIONS = ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_RANGE")
_OF_FILE = ("content-length", "last-modified", "etag", "accept-ranges")


def with_link(dashboard: Application) -> Application:
    """Return optuna-dashboard with the link on its pages, which are one file."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if environ.get("REQUEST_METHOD") != "GET" or not f"{path}/".startswith("/dashboard/"):
            return dashboard(environ, start_response)
        whole = {name: value for name, value in environ.items() if name not in _CONDITIONS}
        answered: list[Any] = []
        parts = dashboard(whole, lambda *answer: answered.extend(answer))
        try:
            page = b"".join(parts)
        finally:
            getattr(parts, "close", lambda: None)()
        status, headers, *_ = answered
        page = page.replace(_END, _LINK + _END)
        kept = [(name, value) for name, value in headers if name.lower() not in _OF_FILE]
        start_response(status, [*kept, ("Content-Length", str(len(page))), ("Cache-Control", "no-cache")])
        return [page]

    return application
