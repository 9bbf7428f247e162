"""The README's table of tasks is what trying shows; of what a file computes, predictions are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch

from optnas.answers import Anomalies
from optnas.answers.answer import Answer
from optnas.export import FORMATS
from optnas.export.samples import made_up
from tests.export import study_table
from tests.export.helpers import one_library, traced_of, written
from tests.export.readme_tables import TRIED, kept, outcome

# A generator that runs the file once a step, and two outputs by name.
QUICK = ("cartpole.py", "diffusion.py")
SLOW = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in study_table.STUDIES]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", SLOW)
def test_a_study_is_taken_as_the_table_says(name: str) -> None:
    needed = {"cartpole.py": "gymnasium", "detection.py": "pycocotools"}
    if name in needed:
        pytest.importorskip(needed[name])
    made = study_table.row(name, outcome(study_table.model_of_study(name), TRIED))
    assert made in kept("study_table")


def test_the_table_has_every_study_and_every_kind_of_answer() -> None:
    rows = kept("study_table").splitlines()[2:]
    assert [line.split("|")[1].strip().strip("`") for line in rows] == list(study_table.STUDIES)
    files = {path.name for path in (study_table.REPOSITORY / "studies").glob("*.py")}
    # One needs a table of benchmarks, one pictures from the network: both classify as digits.py does.
    assert {name.split(":")[0] for name in study_table.STUDIES} == files - {
        "nasbench201.py",
        "fashion_mnist.py",
    }
    assert set(Answer._kinds) == {
        "actions", "anomalies", "boxes", "classes", "continuation", "decoded", "forecast", "generated",
        "outputs", "pixels", "symbols", "tags", "values",
    }  # fmt: skip


@pytest.mark.parametrize("name", SLOW)
def test_predictions_are_read_of_what_a_file_computes(name: str, tmp_path: Path) -> None:
    model = study_table.model_of_study(name)
    inputs = made_up(model.schema, 3).inputs
    traced = traced_of(model)
    with one_library():
        form = FORMATS["onnx"]
        file = study_table.OfFile(form.runner(written(form, traced, tmp_path), traced), traced)
    with torch.inference_mode():
        expected = model.answer(model, inputs)
        found = _scores(model.answer, file, model, inputs) or model.answer(file, inputs)
    assert_same(found, expected)


def _scores(answer: Any, file: Any, model: Any, inputs: Any) -> Any:
    """Return anomaly scores as the table says that they are had; ``None`` for other answers."""
    if not isinstance(answer, Anomalies):
        return None
    figures = model.schema.figures
    prepared = (inputs - figures.mean) / figures.deviation
    return [pandas.DataFrame({"score": (file(inputs) - prepared).square().flatten(1).mean(1).numpy()})]


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(found, list) and not isinstance(expected, list):
        (found,) = found
    if isinstance(expected, pandas.DataFrame):
        shared = [column for column in expected if column in found]
        assert shared
        pandas.testing.assert_frame_equal(found[shared], expected[shared], check_dtype=False, atol=1e-4)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            if isinstance(other, pandas.DataFrame):
                assert_same(one, other)
            else:
                assert one == other
    else:
        assert np.allclose(found, expected, atol=1e-4)
