"""What a notebook shows, executed in a kernel: progress, study, front, architecture, space, candidate."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import optuna
import pytest

from optnas.reports.chart import charts_of
from optnas.reports.chart_svg import chart_svg
from optnas.reports.front_frame import front_frame
from optnas.reports.notebook import front_html
from optnas.shown import console
from optnas.trials.progress import equal_to, front
from tests.files import quick_study
from tests.reports.test_chart import random_study
from tests.reports.test_hostile_texts import study_of

CELLS = [
    "from optnas.run.files import load_study\nstudy = load_study('quick.py')",
    "study.run(trials=4)\nNone",
    "study",
    "study.front()",
    "optnas_space = study.space; optnas_space",
    "study.space.sample(0)",
    "study.candidate({'width': 7})",
    "study.front().head(1)",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    nbformat = pytest.importorskip("nbformat")
    folder = tmp_path_factory.mktemp("notebook")
    quick_study(folder)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [cell.outputs for cell in notebook.cells]


def shown(outputs: list[dict[str, Any]], kind: str = "text/html") -> str:
    """Return the one output of a cell that is no stream."""
    rich = [output for output in outputs if output["output_type"] in ("display_data", "execute_result")]
    assert len(rich) == 1, outputs
    return str(rich[0]["data"][kind])


def test_a_run_updates_one_output_with_its_progress(outputs: list[list[dict[str, Any]]]) -> None:
    page = shown(outputs[1])
    assert "<b>4</b>/4 trials" in page
    assert "quick · sqlite:///optnas.db" in page
    assert "<svg" in page
    assert not [each for each in outputs[1] if each["output_type"] == "stream"]


def test_a_study_shows_what_it_searches_and_its_front(outputs: list[list[dict[str, Any]]]) -> None:
    page = shown(outputs[2])
    assert "Study quick" in page
    assert "64 architectures" in page
    assert "maximal score, minimal size" in page
    assert "4 trials, 4 complete" in page
    assert page.count("<svg") >= 3  # its space, the chart, drawings


def test_a_front_shows_a_chart_and_drawings_and_what_is_made_of_it_a_table(
    outputs: list[list[dict[str, Any]]],
) -> None:
    assert "trial" in shown(outputs[3])
    assert "<svg" in shown(outputs[3])
    assert "<svg" not in shown(outputs[7])
    assert "dataframe" in shown(outputs[7])


def test_architectures_spaces_and_candidates_show_their_drawing(
    outputs: list[list[dict[str, Any]]],
) -> None:
    assert "conv" in shown(outputs[4], "image/svg+xml")
    assert "conv" in shown(outputs[5], "image/svg+xml")
    assert "width = 7" in shown(outputs[6])
    assert "<svg" in shown(outputs[6])


def test_there_is_no_notebook_output_in_a_script() -> None:
    assert not console().is_jupyter


def test_texts_of_strangers_are_shown_as_text() -> None:
    text = "<script>alert(1)</script>\"'\x1b[31m\n\u202eabc"
    study = study_of(text, optuna.storages.InMemoryStorage(), text)
    best = front(study)
    page = front_html(study, study.trials, best, {})
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e]", page)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_charts_are_valid_svg_within_their_box(count: int) -> None:
    study = random_study(count)
    charts = charts_of(study, study.trials, front(study))
    assert len(charts) == max(1, count - 1)
    for each in charts:
        drawing = ElementTree.fromstring(chart_svg(each))
        _, _, width, height = map(float, drawing.attrib["viewBox"].split())
        circles = drawing.findall("{http://www.w3.org/2000/svg}circle")
        assert len(circles) >= len(each.best)
        assert all(
            0 <= float(c.attrib["cx"]) <= width and 0 <= float(c.attrib["cy"]) <= height for c in circles
        )


def test_a_front_that_was_changed_is_shown_as_the_table_that_it_is() -> None:
    study = random_study(2)
    best = front(study)
    frame = front_frame(study, study.trials, best, equal_to(best, study.trials))
    assert "<svg" in frame._repr_html_()
    frame.loc[len(frame)] = frame.loc[0]
    assert "<svg" not in frame._repr_html_()
    assert type(frame.head(1)) is not type(frame)
