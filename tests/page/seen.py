"""What tests read from a page in a browser: its trials, where they are, which are picked."""

from __future__ import annotations

from typing import Any

import optuna

from tests.page.conftest import Opens, Watched

DRAWN = "document.documentElement.dataset.drawn"
Searched = tuple[str, optuna.Study]


def drawn(opens: Opens, address: str, **options: Any) -> Watched:
    watched = opens(f"{address}optnas/digits", **options)
    watched.until(DRAWN)
    return watched


def count(watched: Watched) -> str:
    return str(watched.page.locator("#count").inner_text())


def numbers_in_table(watched: Watched) -> list[int]:
    return [int(text) for text in watched.page.locator("#table button.number").all_inner_texts()]


def place_of(watched: Watched, number: int) -> tuple[float, float]:
    """Where a trial is on the screen: its ring, once it is looked at, says so."""
    watched.page.evaluate(f"optnas.look(optnas.trials.rows.get({number}))")
    box = watched.page.locator("#front .ring:not(.picked)").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def picked(watched: Watched, *numbers: int) -> None:
    for number in numbers:
        watched.page.get_by_label(f"Compare trial {number}", exact=True).check()
    watched.until(f"document.querySelectorAll('#compare .picked-trial').length === {len(numbers)}")
