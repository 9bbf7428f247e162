"""A browser, a searched study, and the server of both."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import optuna
import pytest

from optnas import Study, Training, choose, data, maximize, minimize, ops, repeat, tasks
from optnas.storages.opening import open_storage
from tests.page.client import listening


class Watched:
    """A page of the browser that notes whatever should not happen on it."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"console: {message.text}")

    def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            self.wrong.append(f"request: {request.url}")

    def until(self, script: str, seconds: float = 60) -> Any:
        """Wait for a script to be true; Playwright's own waiting is code that the page's policy forbids."""
        end = time.monotonic() + seconds
        while not (found := self.page.evaluate(script)):
            assert time.monotonic() < end, f"never true: {script}; {self.wrong}"
            time.sleep(0.05)
        return found


Opens = Callable[..., Watched]

# Widths and colour schemes of a browser; the widest in light and the narrowest in dark show most.
QUICK_SIZES = [(1400, "light"), (390, "dark")]
SIZES = [
    (width, scheme) if (width, scheme) in QUICK_SIZES else pytest.param(width, scheme, marks=pytest.mark.slow)
    for width in (1400, 768, 390)
    for scheme in ("light", "dark")
]


@pytest.fixture
def opens(browser: Any) -> Iterator[Opens]:
    """Open an address in the browser; at the end nothing may have been wrong on it."""
    opened: list[Watched] = []

    def open_page(address: str, **options: Any) -> Watched:
        watched = Watched(browser, **options)
        opened.append(watched)
        watched.page.goto(address, wait_until="load")
        return watched

    yield open_page
    for watched in opened:
        watched.context.close()
    assert [each.wrong for each in opened if each.wrong] == []


def digits() -> Study:
    """A study of small networks, with trials of every kind, that trains for a moment."""
    width = choose(4, 8, 16, name="width")
    activation = choose(ops.relu(), ops.mish(), name="activation")
    block = ops.seq(choose(ops.conv(width), ops.sepconv(width), name="op"), activation)
    return Study(
        name="digits",
        space=ops.seq(repeat(block, 1, 3, name="layer"), ops.maxpool(2), ops.head()),
        task=tasks.classification(data.digits()),
        objectives=[maximize("accuracy"), minimize("flops")],
        constraints=["params <= 1_000"],
        training=Training(epochs=3, batch_size=256, lr=0.03),
        sampler="random",
        pruner="none",
        seed=3,
    )


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, optuna.Study]:
    """The storage's URL of a searched study, and the study."""
    url = f"sqlite:///{tmp_path_factory.mktemp('page') / 'optnas.db'}"
    declared = digits()
    study = declared.open(open_storage(url))
    study.optimize(declared.objective, n_trials=14)
    return url, study


@pytest.fixture(scope="session")
def address(searched: tuple[str, optuna.Study]) -> str:
    return listening(searched[0], "127.0.0.1")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for screenshots: ``OPTNAS_SCREENSHOTS``, or a temporary one."""
    given = os.environ.get("OPTNAS_SCREENSHOTS")
    folder = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
