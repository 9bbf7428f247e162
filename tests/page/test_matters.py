"""What matters and how the search went, on the page: computed once, beside everything else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import TrialState

from optnas.errors import StorageError
from optnas.page.computed import Computed
from optnas.shown import plain
from optnas.storages.opening import open_storage
from optnas.trials.record import REASON
from tests.page.client import asked, listening, page_of
from tests.page.conftest import Opens
from tests.page.test_api import add, study_in
from tests.page.test_page import DRAWN, HOSTILE
from tests.reports.test_explanation import costed_study
from tests.reports.test_hostile_texts import study_of


def stored_in(storage: BaseStorage, **more: Any) -> optuna.Study:
    study = optuna.create_study(storage=storage, study_name="digits", directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "flops"])
    study.add_trials(costed_study(**more).get_trials())
    return study


@pytest.fixture(scope="module")
def storage() -> BaseStorage:
    storage = InMemoryStorage()
    stored_in(storage)
    return storage


def until_ready(ask: Callable[[], Any]) -> Any:
    end = time.monotonic() + 60
    while not (found := ask()).get("ready", "error" in found):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def test_what_matters_is_told_with_shares_changes_and_sentences(storage: BaseStorage) -> None:
    application = page_of(storage)
    path = "/optnas/api/studies/0/matters?of="
    found = until_ready(lambda: asked(application, f"{path}accuracy").data)
    assert found["finished"] == found["trials"] == 120
    assert found["cost"] == "flops"
    assert {each["name"] for each in found["importances"]} == {"width", "depth", "activation"}
    assert all(0 < each["deviation"] < each["mean"] < 1 for each in found["importances"])
    best = found["effects"][0]
    assert (best["name"], best["told"], best["choices"][0]["value"]) == ("activation", True, "mish")
    assert best["choices"][0]["low"] < best["choices"][0]["mean"] < best["choices"][0]["high"]
    assert any("activation = mish" in said for said in found["sentences"])
    assert "by chance" in found["chance"]  # width, at equal FLOPs
    cost = until_ready(lambda: asked(application, f"{path}flops").data)
    assert [each["name"] for each in cost["importances"]] != []
    assert cost["effects"] == []
    wrong = asked(application, f"{path}parms")
    assert "parms" in wrong.data["lacks"]


def test_figures_are_plotly_s_json_or_say_what_is_missing(storage: BaseStorage) -> None:
    application = page_of(storage)
    path = "/optnas/api/studies/0/figures/"
    for name in ("hypervolume", "preferences"):
        found = until_ready(lambda name=name: asked(application, f"{path}{name}").data)
        assert found["data"][0]["type"] == "scatter"
        assert {"layout", "dark"} < found.keys()
    curves = asked(application, f"{path}curves")
    assert "reported" in curves.data["lacks"]
    assert asked(application, f"{path}none").status == 404


class Slow:
    """A computation that goes on until it is released, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.goes_on = threading.Event()

    def __call__(self, _: optuna.Study) -> dict[str, Any]:
        self.begun += 1
        self.goes_on.wait(60)
        return {"answer": self.begun}


def test_it_is_computed_once_for_a_state_and_nobody_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("optnas.page.computed._PATIENCE", 0.05)
    study, computed, slow = costed_study(trials=12), Computed(), Slow()

    def ask() -> dict[str, Any]:
        return computed.of(0, study, "what", slow)

    assert ask() == {"ready": False}
    study.add_trials(costed_study(trials=1).get_trials())  # while it is computed
    assert ask() == {"ready": False}
    slow.goes_on.set()
    # An answer of a moment ago is of use, also to a study that runs.
    assert until_ready(ask) == {"ready": True, "finished": 12, "answer": 1}
    assert ask()["answer"] == slow.begun == 1
    monkeypatch.setattr("optnas.page.computed.time.monotonic", lambda now=time.monotonic: now() + 60)
    assert until_ready(ask) == {"ready": True, "finished": 13, "answer": 2}
    assert ask()["answer"] == slow.begun == 2


def test_answers_that_were_not_asked_for_lately_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optnas.page.computed._PATIENCE", 0.05)
    study, computed, slow = costed_study(trials=12), Computed(most=3), Slow()
    for i in range(6):
        computed.of(0, study, f"{i}", lambda _: {})
    assert len(computed._jobs) == 3
    # What is still computed is not forgotten, and no more is begun beside it.
    assert [computed.of(0, study, f"slow {i}", slow) for i in range(5)] == [{"ready": False}] * 5
    assert len(computed._jobs) == 3
    slow.goes_on.set()


def test_an_error_is_told_and_an_absent_storage_asked_again() -> None:
    study, computed = costed_study(trials=12), Computed()
    begun = []

    def fails(_: optuna.Study) -> dict[str, Any]:
        begun.append(1)
        raise StorageError("away") if len(begun) == 1 else ValueError("wrong")

    with pytest.raises(StorageError):
        computed.of(0, study, "what", fails)
    for _ in range(2):
        with pytest.raises(ValueError, match="wrong"):
            computed.of(0, study, "what", fails)
    assert len(begun) == 2


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('matters') / 'optnas.db'}"
    stored_in(open_storage(url))
    return listening(url, "127.0.0.1")


def unfolded(opens: Opens, address: str, **options: Any) -> Any:
    watched = opens(f"{address}optnas/digits", **options)
    watched.until(DRAWN)
    for section in ("matters", "course"):
        watched.page.locator(f"#{section} > summary").focus()
        watched.page.keyboard.press("Enter")
    watched.until("document.querySelectorAll('#matters table').length === 2")
    watched.until("document.querySelectorAll('#course .main-svg').length")
    return watched


@pytest.mark.parametrize(
    ("width", "scheme"), [pytest.param(1400, "light", marks=pytest.mark.slow), (390, "dark")]
)
def test_unfolded_sections_are_readable_by_all_and_fit(
    opens: Opens, address: str, pictures: Path, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    size = {"width": width, "height": 900}
    watched = unfolded(opens, address, viewport=size, color_scheme=scheme, bypass_csp=True)
    watched.page.screenshot(path=pictures / f"matters-{width}-{scheme}.png", full_page=True)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    told = watched.page.locator("#matters").inner_text()
    assert "may be chance: each interval" in told
    assert "no trial that reported" in watched.page.locator("#course").inner_text()
    found = axe.run(watched.page).response["violations"]
    assert [each for each in found if each["impact"] in ("serious", "critical")] == []


def test_a_cost_is_chosen_and_what_is_old_is_computed_again(opens: Opens, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'optnas.db'}"
    study = stored_in(open_storage(url), trials=40)
    watched = unfolded(opens, listening(url, "127.0.0.1"))
    watched.page.locator("#matters .of").select_option("flops")
    watched.until("document.querySelector('#matters .told').innerText.includes('Known before training')")
    study.add_trials(costed_study(trials=3).get_trials())
    watched.page.evaluate("optnas.look_again(0)")
    watched.until("document.querySelector('#matters .age')?.textContent.startsWith('3 trials')")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(opens: Opens, tmp_path: Path, name: str) -> None:
    url = f"sqlite:///{tmp_path / 'hostile.db'}"
    study = study_of(name, open_storage(url), name)
    study.add_trials([trial for _ in range(20) for trial in study.get_trials(deepcopy=False)[:2]])
    watched = opens(listening(url, "127.0.0.1"))
    watched.until(DRAWN)
    watched.page.locator("#matters > summary").click()
    watched.until("document.querySelector('#matters .sentences, #matters .wrong')")
    assert watched.page.locator("#matters .of option").first.text_content() == plain(name)
    assert not set(watched.page.locator("#matters").inner_text()) & set("\x1b\x07\u202e\u2066")
    assert (
        watched.page.evaluate("document.querySelectorAll('#matters script, #matters img, #matters b').length")
        == 0
    )


def test_a_study_of_which_all_failed_says_why_and_what_to_do(opens: Opens, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'failed.db'}"
    study = study_in(open_storage(url))
    add(study, TrialState.FAIL, attributes={REASON.name: "ValueError: <b>no</b>"})
    watched = opens(listening(url, "127.0.0.1"))
    watched.until(
        "document.getElementById('empty').innerText.includes('ValueError: <b>no</b> (1, the last is 0)')"
    )
    assert "optnas show 0 --study digits" in watched.page.locator("#empty").inner_text()
    watched.until("document.querySelector('#details .reason')")
    add(study, TrialState.COMPLETE, [0.5, 1.0])
    watched.page.evaluate("optnas.look_again(0)")
    watched.until("document.getElementById('empty').hidden")
