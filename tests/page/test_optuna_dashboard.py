"""Plain optuna-dashboard in a browser: what a study that was published shows there."""

from __future__ import annotations

import socketserver
import sqlite3
import threading
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
import optuna_dashboard
import pytest
from optuna.artifacts import FileSystemArtifactStore

from optnas.run.publisher import publish_all
from optnas.storages.opening import default_artifacts, open_storage
from optnas.study_about import keep_about
from optnas.trials.progress import front
from tests.page.conftest import Opens, Watched, digits

Shown = tuple[str, optuna.Study]
TITLES = "[...document.querySelectorAll('.gtitle')].map((each) => each.textContent)"


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log no requests."""


def serving(url: str) -> str:
    """Serve optuna-dashboard as its own command does, for the rest of the tests, and return its address."""
    application = optuna_dashboard.wsgi(url, FileSystemArtifactStore(default_artifacts(url)))
    server = make_server("127.0.0.1", 0, application, Server, Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/dashboard/studies/1"


def copied(searched: Shown, folder: Path) -> Shown:
    """Copy a searched study, which others read, and publish it."""
    path = folder / "optnas.db"
    with sqlite3.connect(searched[0].removeprefix("sqlite:///")) as source, sqlite3.connect(path) as target:
        source.backup(target)
    url = f"sqlite:///{path}"
    study = optuna.load_study(study_name="digits", storage=open_storage(url))
    keep_about(digits(), study, "digits.py")
    publish_all(study, url)
    return url, study


@pytest.fixture(scope="module")
def shown(searched: Shown, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The address of a finished study in optuna-dashboard, and the study."""
    url, study = copied(searched, tmp_path_factory.mktemp("plain"))
    return serving(url), study


def has(watched: Watched, *texts: str) -> None:
    for text in texts:
        watched.until(f"document.body.innerText.includes({text!r})")


def best(study: optuna.Study) -> int:
    return front(study, study.get_trials(deepcopy=False))[-1].number


def test_a_trial_has_its_note_and_its_drawing(opens: Opens, shown: Shown) -> None:
    address, study = shown
    number = best(study)
    watched = opens(f"{address}/trials?numbers={number}")
    has(watched, "Complete after", "flops", f"optnas train digits.py --trial {number}")
    watched.until("[...document.images].some((each) => each.naturalWidth > 100)")
    assert watched.page.evaluate("[...document.images].every((each) => each.naturalWidth > 0)")
    lines = watched.page.evaluate("[...document.querySelectorAll('p')].map((each) => each.textContent)")
    assert any(line.startswith("architecture ") for line in lines)
    assert not any(line.startswith(("key ", "worker ")) for line in lines)
    # It breaks no line of an attribute: what scrolls still is the dict of metrics or the architecture's text.
    assert watched.page.evaluate("document.documentElement.scrollWidth") < 1600


def test_the_study_has_its_note_and_each_figure_with_names_on_its_axes(opens: Opens, shown: Shown) -> None:
    address, study = shown
    watched = opens(f"{address}/note")
    has(watched, "maximize accuracy and minimize flops", f"optnas run digits.py --trials {14 + 100}")
    watched.page.get_by_role("link", name=str(best(study)), exact=True).click()
    has(watched, f"Trial {best(study)} (trial_id=")
    watched = opens(address)
    for title in ("learning curves", "trained architectures", "how far the front has come", "what matters"):
        watched.until(
            f"[...document.querySelectorAll('.gtitle')].some((each) => each.textContent.includes({title!r}))"
        )
    axes = "[...document.querySelectorAll('.xtitle, .ytitle')].map((each) => each.textContent)"
    assert {"accuracy", "flops", "epochs"} <= set(watched.page.evaluate(axes))
