"""Requests to the page's application without a socket, and to a server with one."""

from __future__ import annotations

import dataclasses
import http.client
import io
import json
import queue
import threading
from typing import Any
from urllib.parse import urlsplit

from optuna.storages import BaseStorage

from optnas.page.hosts import Application
from optnas.page.routes import Served, pages
from optnas.page.server import serve


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def data(self) -> Any:
        return json.loads(self.body)


def asked(application: Application, path: str, **more: str) -> Answer:
    """Answer of a WSGI application to a GET request of a path as it stands in an address."""
    from urllib.parse import unquote_to_bytes

    parts = urlsplit(path)
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        **more,
    }
    answered: list[Any] = []
    body = b"".join(application(environ, lambda *answer: answered.extend(answer)))
    return Answer(int(answered[0].split()[0]), dict(answered[1]), body)


def page_of(storage: BaseStorage, url: str = "sqlite:///optnas.db") -> Application:
    return pages(Served(storage, url))


def listening(storage: str, host: str) -> str:
    """Serve in the background for the rest of the tests, and return the address that is announced."""
    announced: queue.Queue[str] = queue.Queue()
    threading.Thread(
        target=serve, args=(storage, host, 0), kwargs={"announce": announced.put}, daemon=True
    ).start()
    return announced.get(timeout=120)


def requested(port: int, path: str, to: str = "127.0.0.1", **headers: str) -> Answer:
    """Answer of a server, with exactly these headers."""
    connection = http.client.HTTPConnection(to, port, timeout=60)
    connection.putrequest("GET", path, skip_host=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    found = Answer(answer.status, dict(answer.getheaders()), answer.read())
    connection.close()
    return found
