"""What explain says of a study: interactions, changes at equal cost, and when nothing can be told."""

from __future__ import annotations

import io
import json
import math
import random
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import create_trial

from optnas import choose, ops
from optnas.reports.effects import effects_at_equal_cost
from optnas.reports.explain_view import explanation_view, sentences
from optnas.reports.explanation import explain
from optnas.reports.observed import observed
from optnas.shown import console
from optnas.trials.record import ABOUT, ARCHITECTURE, COSTS
from tests.files import call
from tests.reports.test_importance import cell, planted, study_of

HOSTILE = "<script>alert('x')</script>\x1b[31m\u202e\n"


def costed_study(*, activation: str = "activation", trials: int = 120) -> optuna.Study:
    """Return a study in which accuracy grows with FLOPs, which follow from the width, and with mish."""
    rng = random.Random(0)
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "flops"])
    distributions: dict[str, BaseDistribution] = {
        "width": CategoricalDistribution((8, 16, 32, 64)),
        "depth": CategoricalDistribution((1, 2, 3, 4)),
        activation: CategoricalDistribution(("relu", "mish", "swish")),
    }
    for _ in range(trials):
        params: dict[str, Any] = {
            name: rng.choice(distribution.choices)  # type: ignore[attr-defined]
            for name, distribution in distributions.items()
        }
        flops = 1000.0 * params["width"] * params["depth"]
        accuracy = 0.5 + 0.1 * math.log10(flops / 1000) + rng.gauss(0, 0.005)
        accuracy += {"relu": 0.0, "mish": 0.03, "swish": 0.0}[params[activation]]
        study.add_trial(
            create_trial(
                params=params,
                distributions=distributions,
                values=[accuracy, flops],
                user_attrs={COSTS.name: {"flops": flops}},
            )
        )
    return study


def shown(view: Any, width: int = 80) -> str:
    file = io.StringIO()
    console(width=width, file=file).print(view)
    return file.getvalue()


@pytest.mark.parametrize("seed", range(5))
def test_the_pair_that_interacts_comes_first(seed: int) -> None:
    found = explain(study_of(cell, planted, seed=seed), "accuracy")
    assert set(found.pairs[0].names) == {"e1", "e4"}
    assert any("e1 and e4 interact" in said or "e4 and e1 interact" in said for said in sentences(found))


def test_at_equal_cost_a_choice_that_acts_by_the_cost_alone_changes_nothing() -> None:
    study = costed_study()
    values = observed(study, "accuracy")
    plainly = {effect.name: effect for effect in effects_at_equal_cost(values, None)}
    equal = {effect.name: effect for effect in effects_at_equal_cost(values, "flops")}
    assert plainly["width"].told
    assert not equal["width"].told
    best = equal["activation"]
    assert best.told
    assert best.choices[0].value == "mish"
    assert best.apart[0] == pytest.approx(0.03, abs=0.005)
    assert best.apart[2] - best.apart[1] < 0.01


def test_exact_costs_leave_nothing_to_chance() -> None:
    found = explain(costed_study(), "flops")
    assert found.exact
    assert [each.name for each in found.told] in (["width", "depth"], ["depth", "width"])
    assert found.unexplained is not None
    assert found.unexplained < 0.01
    assert not found.effects


def test_where_nothing_matters_it_is_said_and_changes_may_be_chance() -> None:
    found = explain(study_of(cell, lambda _, rng: rng.gauss(0.5, 0.1)), "accuracy")
    assert "No parameter" in " ".join(sentences(found))
    assert not any(effect.told for effect in found.effects)
    assert len(found.effects) == 6


def test_the_largest_numbers_are_explained() -> None:
    values = {"a": -1e308, "b": 1e308, "c": 5e-324}
    study, edge = optuna.create_study(), CategoricalDistribution(tuple(values))
    study.set_metric_names(["value"])
    for number in range(30):
        params = {"op": "abc"[number % 3], "other": "abc"[number // 3 % 3]}
        value = values[params["op"]]
        attributes = {COSTS.name: {"flops": value}}
        distributions = {"op": edge, "other": edge}
        study.add_trial(
            create_trial(params=params, distributions=distributions, value=value, user_attrs=attributes)
        )
    found = explain(study, "value")
    assert [each.name for each in found.told] == ["op"]
    json.dumps(found.as_record())


def test_too_few_trials_are_said() -> None:
    assert "too few" in " ".join(sentences(explain(costed_study(trials=5), "accuracy")))


def test_of_very_many_trials_some_are_drawn_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optnas.reports.observed._MOST", 40)
    found = explain(costed_study(trials=60), "accuracy")
    assert (found.trials, found.known) == (40, 60)
    assert "From 40 of 60 trials, drawn at random." in sentences(found)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_names_of_strangers_are_texts_and_lines_fit(width: int) -> None:
    text = shown(explanation_view(explain(costed_study(activation=HOSTILE), "accuracy"), width), width)
    assert "<script>" in text.replace("\n", "")
    assert not {"\x1b", "\u202e"} & set(text)
    assert max(map(len, text.splitlines())) <= width


def test_the_command_explains_every_objective_or_those_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = optuna.create_study(
        storage="sqlite:///optnas.db", study_name="made", directions=["maximize", "minimize"]
    )
    kept.set_metric_names(["accuracy", "flops"])
    kept.add_trials(costed_study().get_trials())
    told = call("explain", "made")
    assert told.exit_code == 0, told.output
    assert "activation = mish instead of" in told.output
    found = json.loads(call("explain", "--objective", "flops", "--json").stdout)
    assert [each["objective"] for each in found] == ["flops"]
    assert {each["name"] for each in found[0]["importances"]} == {"width", "depth", "activation"}
    unknown = call("explain", "--objective", "accurcy")
    assert unknown.exit_code == 2
    assert "did you mean 'accuracy'?" in unknown.output


def test_costs_that_follow_from_the_tree_are_computed_of_the_space_itself() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "flops"])
    space = ops.seq(
        ops.conv(choose(4, 8, 16, 32, name="width"), kernel=choose(3, 5, name="kernel")),
        choose(ops.relu(), ops.mish(), name="activation"),
        ops.head(),
    )
    ABOUT.put(study, {"shape": [1, 8, 8], "context": {"outputs": 10}, "space": str(space)})

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        architecture = space.suggest(trial)
        flops = float(architecture.cost((1, 8, 8), outputs=10).flops)
        trial.set_user_attr(ARCHITECTURE.name, str(architecture))
        trial.set_user_attr(COSTS.name, {"flops": flops * factor})
        return 0.5, flops * factor

    factor = 1.0
    study.optimize(objective, n_trials=3)
    found = explain(study, "flops")
    assert found.drawn
    assert [each.name for each in found.told] == ["width", "kernel"]
    assert found.unexplained is not None
    assert found.unexplained < 0.02
    factor = 2.0  # a cost of one's own by that name
    study.optimize(objective, n_trials=3)
    assert not explain(study, "flops").drawn
