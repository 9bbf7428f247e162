"""``optnas show`` draws a trial's architecture and lists its layers, from the database alone."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest

from optnas.storages.opening import open_storage
from optnas.trials.record import ABOUT, ARCHITECTURE
from tests.files import assert_refused, call

ABOUT_IT = {"shape": [1, 8, 8], "context": {"outputs": 10}}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> optuna.Study:
    """A study without its file; the only trial has an op of its own, which is unknown here."""
    monkeypatch.chdir(tmp_path)
    storage = open_storage("sqlite:///optnas.db")
    made = optuna.create_study(storage=storage, study_name="digits", directions=["maximize", "minimize"])
    trial = made.ask()
    ARCHITECTURE.put(trial, "seq(conv_norm(16), head, my_layer(3))")
    made.tell(trial, (0.9, 1e4))
    return made


def drawn(*options: str) -> str:
    result = call("show", 0, "--svg", "a.svg", *options)
    assert result.exit_code == 0, result.output
    assert result.output == "Wrote a.svg\n"
    return Path("a.svg").read_text(encoding="utf-8")


def test_the_architecture_is_drawn_with_its_costs(study: optuna.Study) -> None:
    ABOUT.put(study, ABOUT_IT)
    svg = drawn()
    assert "16×8×8" in svg
    assert "my layer" in svg
    assert svg.count('class="box') == 3
    assert drawn("--expand").count('class="box') == 5


def test_an_older_study_s_is_drawn_without_costs(study: optuna.Study) -> None:
    assert "FLOPs" not in drawn()
    assert_refused(call("show", 0, "--layers"), "does not say the shape")


def test_the_layers_are_listed_with_their_costs(study: optuna.Study) -> None:
    ABOUT.put(study, ABOUT_IT)
    result = call("show", 0, "--layers")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines] == ["layer", "conv_norm(16)", "head", "my_layer(3)", "total"]
    assert "16×8×8" in lines[1]
    assert "18,432" in lines[1]


def test_a_drawing_may_be_written_beside_the_layers_or_the_record(study: optuna.Study) -> None:
    ABOUT.put(study, ABOUT_IT)
    listed = call("show", 0, "--layers", "--svg", "a.svg")
    assert "Wrote a.svg" in listed.output
    assert "18,432" in listed.output
    assert json.loads(call("show", 0, "--json", "--svg", "a.svg").stdout)["architecture"]


@pytest.mark.parametrize("damage", [{"shape": "x"}, {"shape": [1, -8]}, [], 3])
def test_a_damaged_record_of_the_shape_is_one_line(study: optuna.Study, damage: object) -> None:
    study.set_user_attr(ABOUT.name, damage)
    assert_refused(call("show", 0, "--layers"), "'about' is damaged")


def test_what_has_no_architecture_cannot_be_drawn(study: optuna.Study) -> None:
    study.tell(study.ask(), (0.5, 1e3))
    assert_refused(call("show", 1, "--svg", "a.svg"), "no architecture")
    assert_refused(call("show", 1, "--layers"), "no architecture")
    assert_refused(call("show", 0, "--svg", "a.png"), "ends in .svg")
