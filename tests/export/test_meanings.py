"""``model.py`` says what inputs and outputs stand for: columns, categories, classes, probabilities."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas
import pytest
import torch

from optnas import data, op, parse
from optnas.answers import Answer, Classes, Continuation, Outputs, PixelClasses, Tags, Values
from optnas.data.schemas import Arrays, Schema, Several, Texts
from optnas.export import FORMATS
from optnas.export.python.weights import imported
from optnas.winner.model import Model
from optnas.winner.outputs import scaling
from tests.export.helpers import difference, model_of, ruff, traced_of, written

PYTHON = FORMATS["python"]
# Names as strangers write them.
TOWNS = [
    "Kiel",
    'a"b',
    "it's",
    """it's "so" """,
    "bob's 'x' \"",
    "back\\slash'\"",
    '"""',
    "\u202eabc",
    "a\nb",
    "#",
]
HEAD = "seq(linear(4), relu, head(outputs={}))"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def code(
    text: str, schema: Schema, answer: Answer, folder: Path, scale: Any = None
) -> tuple[str, ModuleType, Model]:
    """Write a network's code, check what it computes and that it is tidy; return it, imported too."""
    made = model_of(parse(text), schema)
    model = Model(made.network, scaling(scale), schema, answer, made.record)
    path = written(PYTHON, traced_of(model), folder)
    assert difference(PYTHON, traced_of(model)) < 1e-5
    ruff(folder)
    return path.read_text(encoding="utf-8"), imported(path), model


def houses(towns: list[str]) -> Any:
    rng = np.random.default_rng(0)
    size = len(towns) * 12
    return data.frame(
        pandas.DataFrame(
            {
                "size": rng.normal(100, 30, size),
                "sold": pandas.Timestamp("2020-01-01")
                + pandas.to_timedelta(rng.integers(0, 1500, size), "D"),
                "garden": rng.choice(["yes", "no"], size),
                "town": towns * 12,
                "kind": rng.choice(["flat", "house"], size),
            }
        ),
        "kind",
    ).schema


def test_a_classifier_of_rows_has_its_columns_categories_classes_and_temperature(tmp_path: Path) -> None:
    schema, answer = houses(TOWNS), Classes(("flat", "house"), "kind")
    text, made, model = code(HEAD.format(2), schema, answer, tmp_path, {"deviation": 0.5, "mean": 0.0})
    assert made.CLASSES == ("flat", "house")
    assert made.NUMBERS == {
        "size": "number",
        "sold": "seconds since 1970",
        "garden": "1 for 'yes', 0 for 'no'",
    }
    assert {each.name: each.categories for each in schema.categories} == made.CATEGORIES
    assert {each.strip() for each in TOWNS} <= {each.strip() for each in made.CATEGORIES["town"]}
    network = made.load()
    assert network.temperature.item() == 2
    assert "target" not in text
    row = {"size": 88.0, "sold": "2021-03-04", "garden": "yes", "town": "Kiel"}
    numbers = torch.tensor([[88.0, pandas.Timestamp("2021-03-04").timestamp(), 1.0]], dtype=torch.float64)
    codes = torch.tensor([[made.CATEGORIES["town"].index("Kiel")]])
    with torch.inference_mode():
        likely = made.probabilities(network({"numbers": numbers, "codes": codes}))
    assert likely[0, 1].item() == pytest.approx(model.predict(row)["p(house)"][0], abs=1e-6)


def test_a_regression_has_a_mean_and_no_probabilities(tmp_path: Path) -> None:
    scale = {"deviation": [4.0], "mean": [100.0]}
    text, made, _ = code(HEAD.format(1), Arrays((3,)), Values("price"), tmp_path, scale)
    assert "* self.target_deviation + self.target_mean" in text
    assert "temperature" not in text
    assert not hasattr(made, "probabilities")
    assert not hasattr(made, "CLASSES")


def test_outputs_of_an_unknown_meaning_are_left_as_they_are(tmp_path: Path) -> None:
    text, made, _ = code(HEAD.format(2), Arrays((3,)), Outputs(), tmp_path, {"deviation": 0.5, "mean": 0.0})
    assert not hasattr(made, "probabilities")
    assert "temperature" not in text


@pytest.mark.parametrize(
    ("architecture", "schema", "answer", "axis"),
    [
        ("seq(conv(3), relu)", Arrays((3, 8, 8)), PixelClasses(("a", "b", "c")), 1),
        ("seq(gru(4), lm_head(3))", Arrays((5, 2)), Tags(("a", "b", "c")), -1),
        (
            "seq(embedding(4, vocabulary=3), gru(4), lm_head(3))",
            Texts("abc", 6),
            Continuation("abc"),
            -1,
        ),
    ],
    ids=["pixels", "tags", "texts"],
)
def test_probabilities_are_along_the_axis_of_the_classes(
    architecture: str, schema: Schema, answer: Answer, axis: int, tmp_path: Path
) -> None:
    _, made, model = code(architecture, schema, answer, tmp_path)
    outputs = model(traced_of(model).samples)
    assert torch.equal(made.probabilities(outputs), outputs.softmax(axis))
    if isinstance(schema, Texts):
        assert made.ALPHABET == "abc"
    else:
        assert made.CLASSES == ("a", "b", "c")


def test_constants_of_several_tables_are_told_apart(tmp_path: Path) -> None:
    schema = Several({"house": houses(["Ulm", "Kiel"]), "next door": houses(["Bonn", "Kiel"])})
    joined = "concat(input('house'), input('next door'))"
    text, made, _ = code(f"seq({joined}, head(outputs=1))", schema, Values(), tmp_path)
    assert '"" is a missing one' not in text
    assert made.HOUSE_CATEGORIES == {"town": ("Kiel", "Ulm")}
    assert made.NEXT_DOOR_CATEGORIES == {"town": ("Bonn", "Kiel")}


def test_a_missing_category_is_told(tmp_path: Path) -> None:
    text, made, _ = code(HEAD.format(1), houses(["Ulm", "Kiel", ""]), Values(), tmp_path)
    assert '"" is a missing one' in text
    assert made.CATEGORIES == {"town": ("", "Kiel", "Ulm")}


def test_many_classes_take_few_lines(tmp_path: Path) -> None:
    numbers = tuple(map(str, range(1000)))
    text, made, _ = code(HEAD.format(1000), Arrays((3,)), Classes(numbers), tmp_path)
    assert numbers == made.CLASSES
    few = text.count("\n")
    named = tuple(f"class of number {number}" for number in range(1000))
    text, made, _ = code(HEAD.format(1000), Arrays((3,)), Classes(named), tmp_path)
    assert named == made.CLASSES
    assert few < text.count("\n") < few + 300
    text, made, _ = code(HEAD.format(1001), Arrays((3,)), Classes((*named, "one more")), tmp_path)
    assert "1,001 texts, in the header of the .safetensors file, under optnas.schema" in text
    assert not hasattr(made, "CLASSES")
    assert made.probabilities(torch.zeros(1, 1001)).sum().item() == pytest.approx(1)


CLASSES = 3.0


@op
def probabilities(x: torch.Tensor) -> torch.Tensor:
    return x * CLASSES


def test_names_of_ops_of_ones_own_stay_theirs(tmp_path: Path) -> None:
    _, made, model = code(
        "seq(linear(4), probabilities, head(outputs=2))", Arrays((3,)), Classes(("a", "b")), tmp_path
    )
    assert (made.CLASSES, made.CLASSES_2) == (3.0, ("a", "b"))
    outputs = model(traced_of(model).samples)
    assert torch.equal(made.probabilities_2(outputs), outputs.softmax(1))
