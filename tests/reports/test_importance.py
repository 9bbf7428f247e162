"""Importances find what decides, and take no chance for an effect."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial

from optnas.errors import UserError
from optnas.reports.importance import importances
from optnas.trials.record import COSTS, REGION

OPS = ("none", "skip", "conv1", "conv3", "pool")
EDGE = CategoricalDistribution(OPS)


def study_of(
    candidate: Callable[[random.Random], tuple[dict[str, Any], dict[str, BaseDistribution]]],
    value: Callable[[dict[str, Any], random.Random], float],
    *,
    trials: int = 100,
    seed: int = 0,
) -> optuna.Study:
    """Return a study of random candidates with these values."""
    rng = random.Random(seed)
    study = optuna.create_study(direction="maximize")
    study.set_metric_names(["accuracy"])
    for _ in range(trials):
        params, distributions = candidate(rng)
        study.add_trial(create_trial(params=params, distributions=distributions, value=value(params, rng)))
    return study


def cell(rng: random.Random) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    names = [f"e{i}" for i in range(6)]
    return {name: rng.choice(OPS) for name in names}, dict.fromkeys(names, EDGE)


def branches(rng: random.Random) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """Return a candidate of one to three layers of eight ops, each with a parameter of its own."""
    params: dict[str, Any] = {"layers": rng.randint(1, 3), "lr": 10 ** rng.uniform(-4, -1)}
    distributions: dict[str, BaseDistribution] = {
        "layers": IntDistribution(1, 3),
        "lr": FloatDistribution(1e-4, 1e-1, log=True),
    }
    for layer in range(params["layers"]):
        op = params[f"layer{layer}.op"] = rng.choice("abcdefgh")
        distributions[f"layer{layer}.op"] = CategoricalDistribution(tuple("abcdefgh"))
        params[f"layer{layer}.op.{op}.beta"] = rng.uniform(0.5, 2)
        distributions[f"layer{layer}.op.{op}.beta"] = FloatDistribution(0.5, 2)
    return params, distributions


def planted(params: dict[str, Any], rng: random.Random) -> float:
    """Return an accuracy that e3 decides; e1 and e4 matter, and only together."""
    decides = dict(zip(OPS, (0.0, 0.05, 0.1, 0.2, 0.15), strict=True))[params["e3"]]
    together = 0.06 * ((params["e1"] in OPS[2:]) != (params["e4"] in OPS[2:]))
    return 0.6 + decides + together + rng.gauss(0, 0.02)


@pytest.mark.parametrize("seed", range(20))
def test_what_decides_comes_first_and_then_what_interacts(seed: int) -> None:
    best = importances(study_of(cell, planted, seed=seed), "accuracy")
    assert best[0].name == "e3"
    assert {best[1].name, best[2].name} == {"e1", "e4"}
    assert best[0].mean > 0.5
    assert sum(each.mean for each in best) < 1


@pytest.mark.parametrize("seed", range(5))
def test_where_nothing_matters_no_branch_tops_the_list_by_chance(seed: int) -> None:
    def chance(params: dict[str, Any], rng: random.Random) -> float:
        return rng.gauss(0, 1) / max(abs(rng.gauss(0, 1)), 0.1)  # now and then far off

    found = importances(study_of(branches, chance, seed=seed), "accuracy")
    assert not [each for each in found if each.mean and each.name.endswith("beta")]


def test_that_a_branch_is_there_is_an_effect_of_what_decides_it() -> None:
    def value(params: dict[str, Any], rng: random.Random) -> float:
        return 0.3 * params["layers"] + 1.0 * (params["layer0.op"] == "a") + rng.gauss(0, 0.1)

    found = importances(study_of(branches, value), "accuracy")
    assert {found[0].name, found[1].name} == {"layers", "layer0.op"}
    assert found[0].mean + found[1].mean > 0.8
    assert max(each.mean for each in found[2:]) < 0.05


def test_a_conditional_parameter_counts_by_how_often_it_is_active() -> None:
    def value(params: dict[str, Any], rng: random.Random) -> float:
        return params.get("layer0.op.a.beta", 1.25) + rng.gauss(0, 0.02) + 0.1 * params["layers"]

    found = {each.name: each for each in importances(study_of(branches, value, trials=300), "accuracy")}
    # Uniform over 1.5 in one network of eight, beside 0.1 times one to three.
    beta = 1.5**2 / 12 / 8
    expected = beta / (beta + 0.01 * 2 / 3 + 0.02**2)
    share = found["layer0.op.a.beta"]
    assert share.mean == pytest.approx(expected, abs=0.1)
    assert abs(share.mean - expected) < 4 * share.deviation


def test_exact_costs_of_pruned_and_infeasible_trials_count() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "flops"])
    rng = random.Random(0)
    width = CategoricalDistribution((8, 16, 32, 64))
    for _ in range(40):
        params = {"width": rng.choice(width.choices), "kernel": rng.choice((3, 5, 7))}
        flops = float(params["width"] * params["kernel"] ** 2)
        kept = params["width"] == 8
        study.add_trial(
            create_trial(
                params=params,
                distributions={"width": width, "kernel": CategoricalDistribution((3, 5, 7))},
                values=[rng.random(), flops] if kept else None,
                state=TrialState.COMPLETE if kept else TrialState.PRUNED,
                user_attrs={COSTS.name: {"flops": flops}},
            )
        )
    found = {each.name: each.mean for each in importances(study, "flops")}
    logs = {"width": np.var(np.log([8, 16, 32, 64])), "kernel": np.var(2 * np.log([3, 5, 7]))}
    for name, variance in logs.items():
        assert found[name] == pytest.approx(variance / sum(logs.values()), abs=0.05)


def test_a_choice_that_makes_trainings_diverge_is_not_judged_by_its_survivors() -> None:
    def record(diverges_counts: bool) -> float:
        study = optuna.create_study(direction="maximize")
        study.set_metric_names(["accuracy"])
        if diverges_counts:
            REGION.put(study, {"limits": [None], "chance": [0.1], "ideal": [1.0]})
        rng = random.Random(1)
        for _ in range(80):
            params = {"norm": rng.choice((True, False)), "width": rng.choice((8, 16, 32))}
            diverged = not params["norm"] and rng.random() < 0.7
            trial = create_trial(
                params=params,
                distributions={
                    "norm": CategoricalDistribution((True, False)),
                    "width": CategoricalDistribution((8, 16, 32)),
                },
                value=None if diverged else 0.9 + rng.gauss(0, 0.01),
                state=TrialState.PRUNED if diverged else TrialState.COMPLETE,
                system_attrs={"constraints:finite": 1.0} if diverged else {},
            )
            study.add_trial(trial)
        return {each.name: each.mean for each in importances(study, "accuracy")}["norm"]

    assert record(False) == 0
    assert record(True) > 0.3


def test_few_trials_tell_nothing_and_an_unknown_objective_is_said() -> None:
    assert importances(study_of(cell, planted, trials=9), "accuracy") == []
    with pytest.raises(UserError, match="did you mean 'accuracy'"):
        importances(study_of(cell, planted, trials=3), "acuracy")
