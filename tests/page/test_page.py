"""The page in a browser, on a study that was searched: what a person does with it."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from optnas.shown import plain
from optnas.storages.opening import open_storage
from tests.page.client import listening
from tests.page.conftest import SIZES, Opens, Watched, digits
from tests.page.seen import DRAWN, Searched, count, drawn, numbers_in_table, picked, place_of
from tests.reports.test_hostile_texts import study_of


def test_hovering_a_point_shows_its_drawing_and_figures(opens: Opens, address: str) -> None:
    watched = drawn(opens, address)
    front = numbers_in_table(watched)
    x, y = place_of(watched, front[-1])
    watched.page.evaluate(f"optnas.look(optnas.trials.rows.get({front[0]}))")
    watched.page.mouse.move(x - 150, y - 60)
    watched.page.mouse.move(x, y, steps=4)
    watched.until(f"document.querySelector('#details h2').textContent.startsWith('Trial {front[-1]} ')")
    watched.until("document.querySelector('#details img.drawing')?.naturalWidth > 50")
    watched.until("document.querySelectorAll('#details .curves .point').length >= 2")
    told = watched.page.locator("#details").inner_text()
    assert "flops" in told
    assert "on the front" in told


def test_pruned_and_infeasible_trials_are_shown_as_what_they_are(
    opens: Opens, address: str, searched: Searched
) -> None:
    watched = drawn(opens, address)
    infeasible = [t.number for t in searched[1].trials if t.state == optuna.trial.TrialState.PRUNED]
    assert infeasible
    assert f"{len(infeasible)} infeasible" in watched.page.locator("#kinds").inner_text()
    assert not set(infeasible) & set(numbers_in_table(watched))
    place_of(watched, infeasible[0])
    watched.until("document.querySelector('#details .reason')")
    assert "params <= 1_000" in watched.page.locator("#details").inner_text()
    watched.page.get_by_label("infeasible").uncheck()
    watched.until(f"!optnas.shown.includes(optnas.trials.rows.get({infeasible[0]}))")


def test_two_trials_are_compared_with_what_differs_marked(opens: Opens, address: str) -> None:
    watched = drawn(opens, address)
    front = numbers_in_table(watched)
    picked(watched, front[0], front[-1])
    assert watched.page.evaluate("document.querySelectorAll('#compare rect.differs').length") > 0
    assert (
        watched.page.evaluate("document.querySelectorAll('#compare figure .line[stroke-dasharray]').length")
        >= 2
    )
    told = watched.page.locator("#compare").inner_text()
    assert "Only here: " in told
    assert " %" in told
    watched.page.get_by_label(f"Compare without trial {front[0]}").click()
    watched.until("document.getElementById('compare').hidden")


def test_a_trial_compared_with_its_twin_has_no_mark(opens: Opens, address: str) -> None:
    watched = drawn(opens, address)
    number = numbers_in_table(watched)[0]
    script = """async (number) => {
        const { Compare } = await import("/optnas/static/compare.js");
        const node = document.createElement("section");
        await new Compare(node, optnas.study, { unpick() {} }).show(optnas.trials, [number, number]);
        return ["svg.optnas-drawing", "rect.differs"].map((each) => node.querySelectorAll(each).length);
    }"""
    assert watched.page.evaluate(script, number) == [2, 0]


@pytest.mark.slow
def test_the_command_the_text_and_a_line_of_python_are_copied(
    opens: Opens, address: str, searched: Searched
) -> None:
    watched = drawn(opens, address, permissions=["clipboard-read", "clipboard-write"])
    number = numbers_in_table(watched)[0]
    place_of(watched, number)
    text = searched[1].trials[number].user_attrs["architecture"]
    for button, copied in {
        "Copy train command": f"optnas train STUDY.py --trial {number} --storage {searched[0]}",
        "Copy text": text,
        "Copy parse()": f"parse({text!r})",
    }.items():
        watched.page.locator("#details").get_by_role("button", name=button).click()
        watched.until("document.querySelector('#details').innerText.includes('Copied')")
        assert watched.page.evaluate("navigator.clipboard.readText()") == copied
        watched.until("!document.querySelector('#details').innerText.includes('Copied')")


def test_the_keyboard_walks_along_the_front_and_picks(opens: Opens, address: str) -> None:
    watched = drawn(opens, address)
    watched.page.locator("#front").focus()
    watched.page.keyboard.press("Home")
    first = watched.until("document.getElementById('said').textContent")
    watched.page.keyboard.press("ArrowRight")
    second = watched.page.locator("#said").inner_text()
    assert first != second
    assert "on the front" in second
    watched.page.keyboard.press("Enter")
    assert "1 picked" in watched.page.locator("#said").inner_text()
    assert watched.page.evaluate("optnas.picked.length") == 1


def test_a_study_that_runs_is_followed(opens: Opens, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'running.db'}"
    declared = digits()
    study = declared.open(open_storage(url))
    watched = opens(f"{listening(url, '127.0.0.1')}optnas/digits")
    watched.until("document.getElementById('empty').innerText.includes('No trial has begun')")
    assert not watched.page.locator("#front").is_visible()
    study.optimize(declared.objective, n_trials=2)
    watched.page.evaluate("optnas.look_again(0)")
    watched.until("document.getElementById('count').textContent.startsWith('2 trials')")
    watched.until(
        "document.querySelector('#front .main-svg').clientWidth ==="
        " document.getElementById('front').clientWidth"
    )
    trial = study.ask()
    watched.page.evaluate("optnas.look_again(0)")
    watched.until("document.getElementById('state').textContent === '1 open, updating'")
    study.tell(trial, [0.5, 1000.0])
    # By itself, as one is open.
    watched.until("document.getElementById('state').textContent === ''")
    assert count(watched).startswith("3 trials")


def test_every_tick_of_a_logarithmic_axis_is_a_whole_number(opens: Opens, address: str) -> None:
    watched = drawn(opens, address)
    ticks = watched.page.locator("#front .xtick text").all_text_contents()
    units = {"k": 1e3, "M": 1e6, "G": 1e9}
    values = [float(text.rstrip("kMG")) * units.get(text[-1], 1) for text in ticks]
    assert len(values) > 1
    # Each is said in full: 1k, 2k, 5k and not 1000, 2, 5.
    assert values == sorted(values)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_no_serious_accessibility_fault(opens: Opens, address: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    watched = drawn(opens, address, color_scheme=scheme, bypass_csp=True)
    front = numbers_in_table(watched)
    picked(watched, front[0], front[1])
    watched.page.locator("#details summary").first.click()
    watched.page.locator("#filter").fill("parms < 3")
    watched.until("document.getElementById('filter-wrong').textContent")
    found = axe.run(watched.page).response["violations"]
    assert [each for each in found if each["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_nothing_sticks_out_at_any_width(
    opens: Opens, address: str, width: int, scheme: str, pictures: Path
) -> None:
    watched = drawn(opens, address, viewport={"width": width, "height": 900}, color_scheme=scheme)
    front = numbers_in_table(watched)
    picked(watched, front[0], front[-1])
    watched.until("document.querySelector('#details img.drawing')?.naturalWidth > 50")
    watched.page.screenshot(path=pictures / f"page-{width}-{scheme}.png", full_page=True)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "\x1b[31mred\x07",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in (
            "<script>alert(1)</script>",
            "\"quoted\" 'and' `so`",
            "two\nlines",
            "\u202eright to left\u2066",
            "&lt;b&gt;<b>bold</b>",
            "__proto__",
        )
    ),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(opens: Opens, tmp_path: Path, name: str) -> None:
    url = f"sqlite:///{tmp_path / 'hostile.db'}"
    study_of(name, open_storage(url), name)
    watched = opens(listening(url, "127.0.0.1"))
    watched.until(DRAWN)
    told = watched.page.evaluate("document.body.innerText")
    assert not set(told) & set("\x1b\x07\u202e\u2066")
    assert watched.page.locator("h1#name").text_content() == plain(name)
    assert (
        watched.page.evaluate("document.querySelectorAll('main script, main img[src=x], #study b').length")
        == 0
    )
    titles = watched.page.locator("#front .ytitle").text_content()
    assert titles.startswith(plain(name))


@pytest.mark.slow
def test_optuna_dashboard_leads_to_the_page_and_back(opens: Opens, address: str, pictures: Path) -> None:
    watched = opens(f"{address}dashboard/studies/1")
    watched.until("document.body.innerText.includes('digits')")
    time.sleep(0.5)
    watched.page.screenshot(path=pictures / "optuna-dashboard.png")
    watched.page.get_by_role("link", name="optnas: the front").click()
    watched.until(DRAWN)
    assert watched.page.url.startswith(f"{address}optnas/digits")
    watched.page.get_by_role("link", name="optuna-dashboard", exact=True).click()
    watched.until("document.body.innerText.includes('digits')")
    assert watched.page.url == f"{address}dashboard/studies/1"


def test_several_studies_are_listed(opens: Opens, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'several.db'}"
    storage = open_storage(url)
    for name in ("first", "second/one", "<b>"):
        optuna.create_study(storage=storage, study_name=name, directions=["minimize", "minimize"])
    watched = opens(listening(url, "127.0.0.1"))
    watched.until("document.querySelectorAll('#studies a').length === 3")
    watched.page.get_by_role("link", name="second/one").click()
    watched.until("document.querySelector('h1#name').textContent === 'second/one'")
    watched.page.get_by_role("link", name="All studies").click()
    watched.until("document.querySelectorAll('#studies a').length === 3")


def test_a_finger_shows_a_trial_and_scrolls_past_the_plot(opens: Opens, address: str) -> None:
    watched = opens(
        f"{address}optnas/digits", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    watched.until(DRAWN)
    number = numbers_in_table(watched)[-1]
    x, y = place_of(watched, number)
    watched.page.evaluate(f"optnas.look(optnas.trials.rows.get({numbers_in_table(watched)[0]}))")
    watched.page.touchscreen.tap(x, y)
    watched.until(f"document.querySelector('#details h2').textContent.startsWith('Trial {number} ')")
    assert watched.page.evaluate("optnas.picked.length") == 0, "a finger that scrolls picks nothing"
    watched.page.get_by_role("button", name="Compare", exact=True).tap()
    watched.until("optnas.picked.length === 1")


@pytest.mark.slow
def test_a_page_whose_storage_is_away_says_so_and_goes_on_by_itself(tmp_path: Path, browser: Any) -> None:
    file = tmp_path / "optnas.db"
    optuna.create_study(study_name="later", storage=f"sqlite:///{file}")
    address = listening(f"sqlite:///{file}", "127.0.0.1")
    watched = Watched(browser)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        watched.page.goto(f"{address}optnas/", wait_until="load")
        watched.until("document.getElementById('away').textContent.includes('locked')")
    watched.until("document.querySelector('#studies a')")
    assert watched.page.locator("#away").is_hidden()
    watched.context.close()
