"""The dashboard answers to the names it was given, over real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from optnas import UserError
from optnas.page.server import serve
from optnas.run.files import load_study
from optnas.storages.opening import open_storage
from tests.files import quick_study
from tests.page.client import listening, requested


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("dashboard")
    url = f"sqlite:///{folder / 'optnas.db'}"
    load_study(str(quick_study(folder))).open(open_storage(url))
    return url


def port_of(address: str) -> int:
    return urlsplit(address).port or 80


@pytest.fixture(scope="module")
def port(storage: str) -> Iterator[int]:
    return port_of(listening(storage, "127.0.0.1"))


def asked(port: int, host: str | None, to: str = "127.0.0.1", token: str = "") -> tuple[int, str]:
    headers = {} if host is None else {"Host": host}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    answer = requested(port, "/api/studies", to, **headers)
    return answer.status, answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.8.9.1", "[::1]"])
def test_a_loopback_name_is_answered_with_any_port(port: int, host: str) -> None:
    for header in (host, f"{host}:{port}", f"{host}:9000"):
        status, text = asked(port, header)
        assert status == 200
        assert "quick" in text


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "localhost.attacker.example",
        "127.0.0.1.nip.io",
        "notlocalhost",
        "me@localhost",
        "localhost/x",
        "localhost:x",
        "localhost?",
        "10.0.0.1",
        "[::2]",
        "[::1",
        "2130706433",
        "",
        None,
    ],
)
def test_any_other_name_is_refused_in_one_line(port: int, host: str | None) -> None:
    status, text = asked(port, host)
    assert status == 403
    assert text.count("\n") == 1
    assert "--host" in text
    assert "quick" not in text


def test_the_name_that_was_given_is_answered(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **named: resolve("127.0.0.1", *more, **named)
    )
    bind = socket.socket.bind
    monkeypatch.setattr(socket.socket, "bind", lambda self, address: bind(self, ("127.0.0.1", *address[1:])))
    address, _, token = listening(storage, "studies.lan").partition("?token=")
    port = port_of(address)
    assert asked(port, f"studies.lan:{port}", token=token)[0] == 200
    assert asked(port, "localhost", token=token)[0] == 200
    assert asked(port, socket.gethostname(), token=token)[0] == 403


def test_on_all_addresses_the_machine_s_own_names_are_answered(storage: str) -> None:
    address, _, token = listening(storage, "0.0.0.0").partition("?token=")
    port = port_of(address)
    assert asked(port, f"{socket.gethostname()}:{port}", token=token)[0] == 200
    assert asked(port, f"127.0.0.1:{port}", token=token)[0] == 200
    assert asked(port, "attacker.example", token=token)[0] == 403
    assert asked(port, "203.0.113.9", token=token)[0] == 403


def test_it_listens_on_an_address_of_version_6(storage: str) -> None:
    if not socket.has_ipv6:
        pytest.skip("Python has no IPv6")
    try:
        with socket.socket(socket.AF_INET6) as free:
            free.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback address")
    port = port_of(listening(storage, "::1"))
    assert asked(port, f"[::1]:{port}", to="::1")[0] == 200


def test_a_port_that_is_taken_is_one_line(storage: str, port: int) -> None:
    with pytest.raises(UserError, match="give another --host or --port"):
        serve(storage, "127.0.0.1", port, announce=print)
