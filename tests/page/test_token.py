"""Who comes from another machine needs the token, for optuna-dashboard's routes as well."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from optnas.page.hosts import Application
from optnas.page.token import with_token
from optnas.run.files import load_study
from optnas.storages.opening import open_storage
from tests.files import assert_refused, call, quick_study
from tests.page.client import Answer, asked, listening, requested


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("token")
    url = f"sqlite:///{folder / 'optnas.db'}"
    load_study(str(quick_study(folder))).open(open_storage(url))
    return listening(url, "0.0.0.0")


@pytest.mark.parametrize(
    "path", ["/api/studies", "/dashboard", "/optnas/api/studies", "/optnas/", "/static/bundle.js"]
)
def test_nothing_is_told_without_the_token_and_all_with_its_cookie(address: str, path: str) -> None:
    parts = urlsplit(address)
    port = parts.port or 80
    refused = requested(port, path, Host="localhost")
    assert refused.status == 401
    assert refused.text.count("\n") == 1
    wrong = requested(port, path, Host="localhost", Cookie=f"optnas-{port}=guess")
    assert wrong.status == 401

    sent_on = requested(port, f"{path}?{parts.query}", Host="localhost")
    assert sent_on.status == 303
    assert sent_on.headers["Location"] == path
    cookie = sent_on.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite" in cookie
    found = requested(port, path, Host="localhost", Cookie=cookie.partition(";")[0])
    assert found.status in (200, 302)


def guarded(path: str, **headers: str) -> Answer:
    def open_to_all(_: object, start_response: object) -> list[bytes]:
        start_response("200 OK", [])  # type: ignore[operator]
        return [b"in"]

    application: Application = with_token("s3cret", open_to_all)  # type: ignore[arg-type]
    return asked(application, path, **headers)


def test_other_fields_of_the_address_stay(address: str) -> None:
    assert guarded("/optnas/?study=a%26b&token=s3cret").headers["Location"] == "/optnas/?study=a%26b"


@pytest.mark.parametrize("path", ["//attacker.example/x", "/\\attacker.example", "///attacker.example"])
def test_the_token_is_not_carried_to_another_host(path: str) -> None:
    where = guarded("/optnas?token=s3cret", PATH_INFO=path).headers["Location"]
    assert where.startswith("/")
    assert not where.startswith(("//", "/\\"))
    assert "\n" not in where


def test_a_program_brings_the_token_as_bearer() -> None:
    assert guarded("/x", HTTP_AUTHORIZATION="Bearer s3cret").body == b"in"
    for wrong in ("Bearer s3cre", "s3cret2", "Basic s3cret", ""):
        assert guarded("/x", HTTP_AUTHORIZATION=wrong).status == 401
    assert guarded("/x", HTTP_COOKIE='optnas-8080="; \x00').status == 401


@pytest.mark.parametrize("other", ['{"x":1}=1', "a b=1", "\xff=\xe9", "optnas-8080=old", "=;;", '"'])
def test_cookies_of_other_programs_on_the_host_lock_nobody_out(other: str) -> None:
    for cookies in (f"{other}; optnas-8080=s3cret", f"optnas-8080=s3cret; {other}"):
        assert guarded("/x", HTTP_COOKIE=cookies).body == b"in"
    assert guarded("/x", HTTP_COOKIE=f"{other}; optnas-8081=s3cret").status == 401


@pytest.mark.parametrize("host", ["\u202e", "x" * 300, "nosuchhost.invalid"])
def test_a_host_that_is_none_is_one_line(tmp_path: Path, host: str) -> None:
    url = f"sqlite:///{tmp_path / 'optnas.db'}"
    load_study(str(quick_study(tmp_path))).open(open_storage(url))
    assert_refused(call("dashboard", "--storage", url, "--port", 0, "--host", host), "cannot listen on")
