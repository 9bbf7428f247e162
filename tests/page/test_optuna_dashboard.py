"""optuna-dashboard in a browser: what a study that was published, or that runs, shows there."""

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
from tests.page.client import listening
from tests.page.conftest import SIZES, Opens, Watched, digits
from tests.reports.test_publishing import study_in, trial_of

Shown = tuple[str, optuna.Study]
PICTURE = "[...document.images].some((each) => each.naturalWidth > 100)"
WIDTH = "document.documentElement.scrollWidth"

# The titles and legends of our figures that reach beyond their figure or overlap with another part of it.
CUT_OR_HIDDEN = """
[...document.querySelectorAll("[id^='user-defined-plot']")].flatMap((figure) => {
  const edge = figure.getBoundingClientRect();
  const parts = [...figure.querySelectorAll(".gtitle, .legend, .xtitle, .ytitle, .xtick text, .ytick text")]
    .map((part) => ({ what: part.textContent, ticks: part.closest(".xtick, .ytick") !== null,
                      box: part.getBoundingClientRect() }));
  const cut = parts.filter(({ box }) => box.left < edge.left || box.right > edge.right
    || box.top < edge.top || box.bottom > edge.bottom).map(({ what }) => `cut: ${what}`);
  const hidden = parts.flatMap((one, i) => parts.slice(i + 1)
    .filter((other) => !(one.ticks && other.ticks)
      && Math.min(one.box.right, other.box.right) > Math.max(one.box.left, other.box.left) + 1
      && Math.min(one.box.bottom, other.box.bottom) > Math.max(one.box.top, other.box.top) + 1)
    .map((other) => `${one.what} over ${other.what}`));
  return [...cut, ...hidden];
})
"""


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
    watched.until(PICTURE)
    assert watched.page.evaluate("[...document.images].every((each) => each.naturalWidth > 0)")
    lines = watched.page.evaluate("[...document.querySelectorAll('p')].map((each) => each.textContent)")
    assert any(line.startswith("architecture ") for line in lines)
    assert not any(line.startswith(("key ", "worker ")) for line in lines)
    # It breaks no line of an attribute: what scrolls still is the dict of metrics or the architecture's text.
    assert watched.page.evaluate(WIDTH) < 1600


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


def test_a_trial_that_ends_is_seen_on_its_open_page(opens: Opens, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'optnas.db'}"
    study = study_in(open_storage(url))
    trial = study.ask()
    publish_all(study, url)
    watched = opens(f"{serving(url)}/trials?numbers={trial.number}")
    has(watched, f"Trial {trial.number} (trial_id=", "Running")
    assert watched.page.evaluate("document.images.length") == 0
    for name, value in trial_of(trial.number, 0.9).user_attrs.items():
        trial.set_user_attr(name, value)
    study.tell(trial, [0.9, 400.0])
    publish_all(study, url)
    # optuna-dashboard asks anew every ten seconds.
    has(watched, "Complete after 1.5 s", f"--trial {trial.number}")
    watched.until(PICTURE)
    watched.page.goto(watched.page.url.replace(f"/trials?numbers={trial.number}", "/note"))
    has(watched, "5 trials: 4 complete, 1 pruned.")


def test_on_our_server_no_attribute_makes_the_page_of_a_trial_scroll_sideways(
    opens: Opens, searched: Shown, tmp_path: Path
) -> None:
    url, study = copied(searched, tmp_path)
    page = f"{listening(url, '127.0.0.1')}dashboard/studies/1/trials?numbers={best(study)}"
    for width in (1400, 768):
        watched = opens(page, viewport={"width": width, "height": 900})
        has(watched, "Complete after", "architecture seq(")
        watched.until(PICTURE)
        assert watched.page.evaluate(WIDTH) == width


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_figures_fit_their_places_at_any_width(
    opens: Opens, shown: Shown, width: int, scheme: str, pictures: Path
) -> None:
    address, study = shown
    pages = {
        "study": ("", "document.querySelectorAll('.gtitle').length >= 5"),
        "note": ("/note", "document.body.innerText.includes('on the front')"),
        "trial": (f"/trials?numbers={best(study)}", PICTURE),
    }
    # Its own light or dark colours are the browser's, until someone presses its button.
    watched = opens(address, viewport={"width": width, "height": 900}, color_scheme=scheme)
    for what, (path, ready) in pages.items():
        watched.page.goto(f"{address}{path}")
        watched.until(ready)
        if what == "study":
            assert watched.page.evaluate(CUT_OR_HIDDEN) == []
        picture = pictures / f"optuna-dashboard-{what}-{width}-{scheme}.png"
        watched.page.screenshot(path=picture, full_page=True)
