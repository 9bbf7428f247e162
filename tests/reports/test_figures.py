"""The drawn front: in each panel, the line is the front of its two objectives."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import create_trial

from optnas.reports.figures import front_figure, write_figure
from optnas.trials.directions import signs_of
from optnas.trials.progress import front

NAMES = ["accuracy", "flops", "params", "seconds"]


def searched(directions: tuple[str, ...], trials: int = 40, seed: int = 0) -> optuna.Study:
    rng = np.random.default_rng(seed)
    study = optuna.create_study(directions=directions)
    study.set_metric_names(NAMES[: len(directions)])
    for i in range(trials):
        values = [rng.random(), *(10 ** rng.uniform(2, 6, len(directions) - 1)).round(-2)]
        trial = create_trial(values=values)
        trial.set_constraint("limit", float(i % 5 == 1))
        study.add_trial(trial)
    study.add_trial(create_trial(values=study.trials[0].values))
    return study


def drawn(figure: Any, column: int) -> list[Any]:
    axis = "x" if column == 1 else f"x{column}"
    return [trace for trace in figure.data if (trace.xaxis or "x") == axis]


def path(line: Any) -> np.ndarray[Any, Any]:
    """The corners of a line of horizontal steps, each followed by a vertical one."""
    assert line.line.shape == "hv"
    points = list(zip(line.x, line.y, strict=True))
    corners = [(after[0], before[1]) for before, after in itertools.pairwise(points)]
    return np.array([*points, *corners])


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("first", ["minimize", "maximize"])
@pytest.mark.parametrize("other", ["minimize", "maximize"])
def test_the_line_of_a_panel_is_attained_and_no_trial_beats_it(count: int, first: str, other: str) -> None:
    study = searched((first, *[other] * (count - 1)))
    figure = front_figure(study)
    signs = signs_of(study)
    feasible = [trial for trial in study.trials if all(v <= 0 for v in trial.constraints.values())]
    for x in range(1, count):
        *_, line = drawn(figure, x)
        sign = signs[[x, 0]]
        corners = path(line) * sign
        points = np.array([[trial.values[x], trial.values[0]] for trial in feasible]) * sign
        better = (points[:, None] < corners).all(axis=2)
        assert not better.any(), "a trial is better in both than a point of the line"
        assert (points[:, None] <= corners).all(axis=2).any(axis=0).all(), "the line shows what none has"
        assert figure.layout[f"xaxis{x if x > 1 else ''}"].title.text == NAMES[x]


def test_the_front_of_three_objectives_is_markers_without_a_line() -> None:
    study = searched(("maximize", "minimize", "minimize"))
    figure = front_figure(study)
    for x in (1, 2):
        every, best, line = drawn(figure, x)
        assert (every.mode, best.mode, line.mode) == ("markers", "markers", "lines")
        assert sorted(best.x) == sorted(trial.values[x] for trial in front(study))
        assert len(line.x) < len(best.x)
    told = [trace.name for trace in figure.data if trace.showlegend]
    assert told == ["all trials", "Pareto front of all 3 objectives", "front of the two alone"]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_one_trial_is_drawn_with_readable_axes(tmp_path: Path, count: int) -> None:
    study = optuna.create_study(directions=["maximize", *["minimize"] * (count - 1)])
    study.add_trial(create_trial(values=[0.9, 1e5, 1e3, 0.0][:count]))
    figure = front_figure(study)
    low, high = figure.layout.xaxis.range
    assert low < 1e5 < high
    assert high - low > 1e4
    assert "1 trained architecture" in figure.layout.title.text
    write_figure(figure, tmp_path / "front.html")
    assert (tmp_path / "front.html").stat().st_size > 1_000_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_front_fills_its_window_in_the_window_s_colours(
    tmp_path: Path, browser: Any, scheme: str
) -> None:
    study = optuna.create_study(study_name="</script><b>", directions=["maximize", "minimize"])
    study.add_trial(create_trial(values=[0.5, 10.0]))
    write_figure(front_figure(study), tmp_path / "front.html")
    size = {"width": 700, "height": 500}
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.goto((tmp_path / "front.html").as_uri())
    page.wait_for_selector(".figure .main-svg")
    drawn = page.evaluate("document.querySelector('.main-svg').getBoundingClientRect().toJSON()")
    paper = page.evaluate("document.querySelector('.main-svg').style.background")
    title = page.title()
    context.close()
    assert (round(drawn["width"]), round(drawn["height"])) == (700, 500)
    assert paper == {"light": "white", "dark": "rgb(20, 25, 31)"}[scheme]
    assert title == "</script><b>: 1 trained architecture"
    assert wrong == []


def test_no_button_of_a_figure_uploads_it(tmp_path: Path, browser: Any) -> None:
    figure = front_figure(searched(("maximize", "minimize")))
    write_figure(figure, tmp_path / "front.html")
    figure.write_html(tmp_path / "plain.html")  # as others show it, with plotly's own options
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    for file in ("front.html", "plain.html"):
        page.goto((tmp_path / file).as_uri())
        page.wait_for_selector(".modebar-btn", state="attached")
        buttons = page.evaluate("[...document.querySelectorAll('.modebar-btn')].map(b => b.outerHTML)")
        assert len(buttons) > 2
        assert not [each for each in buttons if "share" in each.lower() or "cloud" in each.lower()]
    page.close()


def test_values_that_are_not_positive_are_drawn_on_a_linear_axis() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    for values in ([0.0, -5.0], [1.0, 1000.0], [-1.0, 0.0]):
        study.add_trial(create_trial(values=values))
    figure = front_figure(study)
    assert figure.layout.xaxis.type is None
    assert figure.layout.yaxis.type is None


@pytest.mark.parametrize(
    "values", [[(np.inf, -np.inf)] * 3, [(1e308, -1e308), (-1e308, 1e308)], [(1.0, 1e307), (0.5, 1e308)]]
)
def test_infinite_and_the_largest_values_are_drawn_without_a_warning(
    values: list[tuple[float, float]], tmp_path: Path
) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for each in values:
        study.add_trial(create_trial(values=each))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_figure(front_figure(study), tmp_path / "front.html")
