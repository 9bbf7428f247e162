"""The chart of a study's trials in a terminal: what it marks, its axes, and where there is none."""

from __future__ import annotations

import io
import re
import time
import warnings

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial
from rich.cells import cell_len

from optnas.reports.chart import Axis, charts_of
from optnas.reports.chart_text import TrialChart
from optnas.reports.terminal import FrontView, LiveView
from optnas.shown import console
from optnas.trials.progress import ProgressReader, equal_to, front
from optnas.trials.record import REASON

DIRECTIONS = ("maximize", "minimize", "minimize")
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def study_of(values: list[list[float]], *, directions: tuple[str, ...] | None = None) -> optuna.Study:
    directions = directions or DIRECTIONS[: len(values[0])]
    study = optuna.create_study(directions=directions)
    study.set_metric_names(["accuracy", "flops", "params"][: len(directions)])
    study.add_trials([create_trial(values=each) for each in values])
    return study


def random_study(count: int, trials: int = 60) -> optuna.Study:
    rng = np.random.default_rng(0)
    return study_of([[rng.random(), *(10 ** rng.uniform(2, 6, count - 1))] for _ in range(trials)])


def printed(what: object, width: int, *, height: int = 24, encoding: str = "utf-8") -> list[str]:
    """Return what a terminal without colours shows."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    screen = console(file=file, force_terminal=True, color_system=None, width=width, height=height)
    screen.print(what)
    file.seek(0)
    return file.read().splitlines()


def chart(study: optuna.Study, width: int = 80, *, rows: int = 16, encoding: str = "utf-8") -> list[str]:
    return printed(TrialChart(study, study.trials, front(study), rows), width, encoding=encoding)


def test_trials_of_the_front_are_marked_with_their_numbers_and_others_are_dots() -> None:
    study = study_of([[0.2, 1e3], [0.9, 1e6], [0.3, 1e5], [0.6, 3e4]])
    lines = chart(study)
    text = "\n".join(lines)
    assert len(lines) == 16
    assert text.count("●") == 3 + 1  # and in the legend
    for number in (0, 1, 3):
        assert re.search(rf"(?<!\d){number}(?!\d)", text)
    dots = [each for line in lines[1:] for each in line if "\u2801" <= each <= "\u28ff"]
    assert dots, "trial 2, which is not on the front"
    # From the cheapest trial on, the best accuracy so far.
    assert lines[-3].split("┤")[-1].split("│")[-1].startswith("●─")
    assert "─╯" in "\n".join(lines)


def test_marks_stand_where_the_values_are() -> None:
    study = study_of([[0.0, 100.0], [0.5, 1000.0], [1.0, 10000.0]])
    (found,) = charts_of(study, study.trials, front(study))
    assert found.x.log
    assert not found.y.log
    order = np.argsort(found.best[:, 0])
    np.testing.assert_allclose(found.best[order], [[0, 0], [0.5, 0.5], [1, 1]], atol=1e-9)
    lines = chart(study, 81, rows=3 + 11)
    plot = [line[5:] for line in lines[1:-2]]
    assert [line.index("●") - plot[-1].index("●") for line in plot if "●" in line] == [74, 37, 0]
    assert [i for i, line in enumerate(plot) if "●" in line] == [0, 5, 10]


def test_axes_are_labelled_and_costs_that_span_are_logarithmic() -> None:
    lines = chart(study_of([[0.1, 100.0], [0.5, 1e4], [0.9, 1e6]]))
    assert lines[0].startswith("accuracy ↑")
    assert lines[-1].endswith("flops ↓")
    labels = lines[-1].split()[:-2]
    assert labels[:4] == ["100", "1k", "10k", "100k"]
    starts = [lines[-1].index(label) + len(label) // 2 for label in ("1k", "10k", "100k")]
    assert abs((starts[1] - starts[0]) - (starts[2] - starts[1])) <= 1
    assert "0.6 ┤" in "\n".join(lines)


def test_one_objective_is_drawn_as_the_best_so_far() -> None:
    study = study_of([[3.0], [5.0], [2.0], [4.0], [1.0], [6.0]], directions=("minimize",))
    (found,) = charts_of(study, study.trials, front(study))
    assert list(found.numbers) == [0, 2, 4]
    assert found.steps[-1].tolist() == [1.0, 0.0]
    lines = chart(study)
    assert "best so far" in lines[0]
    assert lines[-1].endswith("trial")


def test_an_infeasible_trial_is_never_the_best_so_far() -> None:
    study = study_of([[3.0], [2.0]], directions=("minimize",))
    broken = create_trial(values=[0.0])
    broken.set_constraint("limit", 1.0)
    study.add_trial(broken)
    (found,) = charts_of(study, study.trials, front(study))
    assert list(found.numbers) == [0, 1]


def test_three_objectives_have_two_charts_beside_each_other_where_there_is_room() -> None:
    study = random_study(3)
    assert chart(study, 120)[-1].count("↓") == 2
    assert "params" in chart(study, 120)[-1]
    assert chart(study, 80)[-1].count("↓") == 1


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("width", [37, 60, 80, 120, 200])
def test_a_chart_is_within_its_width_and_height(count: int, width: int) -> None:
    for rows in (9, 12, 18):
        lines = chart(random_study(count), width, rows=rows)
        assert len(lines) == rows
        assert max(map(len, lines)) < width


def test_there_is_none_where_there_is_no_room_or_nothing_to_compare() -> None:
    study = random_study(2)
    assert chart(study, 36) == []
    assert chart(study, rows=8) == []
    assert chart(study_of([[1.0, 2.0]])) == []
    assert chart(study_of([[np.inf, 2.0], [1.0, -np.inf]])) == []


def test_a_terminal_without_unicode_has_one_of_ascii_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    lines = chart(random_study(2), encoding="ascii")[1:-1]
    assert len(lines) == 14
    assert all(line.isascii() for line in lines)
    assert "o" in "".join(lines)
    monkeypatch.setenv("TERM", "linux")
    assert all(line.isascii() for line in chart(random_study(2))[1:-1])


def test_a_pipe_has_the_table_alone() -> None:
    study = random_study(2)
    best = front(study)
    file = io.StringIO()
    console(file=file, width=80).print(FrontView(study, study.trials, best, equal_to(best, study.trials)))
    assert "●" not in file.getvalue()
    assert "accuracy ↑" in file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("height", [14, 24, 40, 60])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_live_view_fits_the_terminal_and_has_a_chart_where_there_is_room(
    width: int, height: int, count: int
) -> None:
    study = random_study(count)
    failed = create_trial(
        state=TrialState.FAIL, user_attrs={REASON.name: "RuntimeError: " + "no kernel " * 9}
    )
    study.add_trial(failed)
    progress = ProgressReader(study, 100, since=time.monotonic() - 60, finished_before=0).read()
    lines = printed(LiveView(study, progress, "digits", height), width, height=height)
    assert len(lines) < height
    text = "\n".join(lines)
    assert "61/100 trials" in text
    assert "failed, last trial 60: RuntimeError" in text
    assert "optnas show 60" in " ".join(text.split())
    assert ("●" in text) == (height >= 24)


@pytest.mark.parametrize("text", ["<script>\x1b[31m\u202e\n'\"", "x" * 200, "名" * 60])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_hostile_names_are_text_and_cut_to_the_width(text: str, width: int) -> None:
    study = random_study(3)
    study.set_metric_names([f"{text}{i}" for i in range(3)])
    lines = chart(study, width)
    assert not STEERING.search("".join(lines))
    assert len(lines) == 16
    assert max(map(cell_len, lines)) < width


@pytest.mark.parametrize(
    "values",
    [
        [[1e308, 1e-308], [-1e308, 1e308]],
        [[1.0, 1e307], [0.5, 1e308], [0.2, 5e-324]],
        [[0.5, 7.0], [0.5, 7.0]],
        [[0.0, 0.0], [-0.0, -1.0]],
        [[1.0, 1.0 + 1e-15], [2.0, 1.0]],
    ],
)
def test_extreme_and_equal_values_are_drawn_without_a_warning(values: list[list[float]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = optuna.create_study(directions=DIRECTIONS[:2])
        study.add_trials([create_trial(values=each) for each in values])
        assert len(chart(study)) == 16


@pytest.mark.parametrize(("low", "high"), [(1.0, 10.0), (3.0, 40.0), (20.0, 1.5e6), (1e-300, 1e300)])
@pytest.mark.parametrize("most", [2, 3, 5, 9])
@pytest.mark.parametrize("log", [False, True])
def test_ticks_are_few_and_within_the_axis(low: float, high: float, most: int, log: bool) -> None:
    ticks = Axis("x", low, high, log).ticks(most)
    assert 2 <= len(ticks) <= most + 1
    assert all(0 <= place <= 1 for place, _ in ticks)
    assert len({label for _, label in ticks}) == len(ticks)
