from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)
from optuna.trial import TrialState

from optnas import Study, Training, choose, maximize, minimize, ops, real, repeat
from optnas.pareto import hypervolume
from optnas.samplers import make_sampler
from optnas.samplers.domain import FlatDomain
from optnas.samplers.ehvi import EHVISampler
from optnas.trials.region import Region
from optnas.trials.rungs import report
from tests.files import REPOSITORY

LAYERS: dict[str, BaseDistribution] = {
    **{f"layer{i}.op": CategoricalDistribution(["conv", "sepconv", "identity"]) for i in range(4)},
    "width": CategoricalDistribution([8, 16, 32, 64]),
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
}


class TestEHVI(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: EHVISampler(seed=0)


def flops(params: Any) -> float:
    cost = {"conv": 9, "sepconv": 2, "identity": 0}
    return float(params["width"] * (1 + sum(cost[params[f"layer{i}.op"]] for i in range(4))))


def error(params: Any) -> float:
    return float(1 / np.log(4 + flops(params)) + 0.02 * (np.log10(params["lr"]) + 2) ** 2)


def known(params: Any) -> tuple[float | None, ...]:
    return None, flops(params)


def run(
    study: optuna.Study, trials: int, evaluate: Callable[[Any], Any] = lambda p: (error(p), flops(p))
) -> None:
    for _ in range(trials):
        trial = study.ask(LAYERS)
        study.tell(trial, evaluate(trial.params))


def volume(study: optuna.Study) -> float:
    values = np.array([trial.values for trial in study.trials])
    return hypervolume(np.stack([values[:, 0], np.log10(values[:, 1])], axis=1), (1.0, 4.0))


def two(sampler: BaseSampler) -> optuna.Study:
    return optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)


def test_it_starts_with_the_cheapest_and_the_dearest() -> None:
    study = two(EHVISampler(FlatDomain(LAYERS, known), seed=0))
    run(study, 2)
    costs = [trial.values[1] for trial in study.trials]
    assert costs[0] < 0.02 * costs[1]
    assert costs[1] >= 64 * 20


def test_it_finds_more_than_random_search_of_twice_as_many_trials() -> None:
    study, other = two(EHVISampler(FlatDomain(LAYERS, known), seed=0)), two(make_sampler("random", 0))
    run(study, 30)
    run(other, 60)
    assert volume(study) > volume(other)


def test_what_is_known_is_used_and_not_learned() -> None:
    # A cost that nothing in the choices tells of: one who ignores that it is known can only guess.
    space: dict[str, BaseDistribution] = {f"x{i}": IntDistribution(0, 9) for i in range(4)}

    def cost(params: Any) -> float:
        return float(np.random.default_rng(tuple(params.values())).random())

    def usual_cost(domain: FlatDomain | None) -> float:
        study = two(EHVISampler(domain, seed=1))
        for _ in range(25):
            trial = study.ask(space)
            study.tell(trial, (sum(trial.params.values()) / 36, cost(trial.params)))
        return float(np.median([trial.values[1] for trial in study.trials[10:]]))

    told = usual_cost(FlatDomain(space, lambda params: (None, cost(params))))
    assert told < 0.5 * usual_cost(None)


def test_what_is_known_to_be_no_use_is_never_proposed() -> None:
    domain = FlatDomain(LAYERS, lambda params: None if flops(params) > 500 else known(params))
    study = two(EHVISampler(domain, seed=0))
    run(study, 20)
    assert all(trial.values[1] <= 500 for trial in study.trials)


def test_it_learns_what_breaks_a_constraint_that_only_a_trial_can_tell() -> None:
    study = two(EHVISampler(FlatDomain(LAYERS, known), seed=0))
    broken = []
    for _ in range(40):
        trial = study.ask(LAYERS)
        broken.append(trial.params["layer0.op"] == "conv")
        trial.set_constraint("latency", 1.0 if broken[-1] else -1.0)
        if broken[-1]:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, (error(trial.params), flops(trial.params)))
    assert sum(broken[20:]) <= 3


def test_the_directions_of_the_study_are_kept() -> None:
    domain = FlatDomain(LAYERS, lambda params: (None, -flops(params)))
    study = optuna.create_study(directions=["maximize"] * 2, sampler=EHVISampler(domain, seed=0))
    run(study, 25, lambda params: (-error(params), -flops(params)))
    same = two(EHVISampler(FlatDomain(LAYERS, known), seed=0))
    run(same, 25)
    assert [trial.params for trial in study.trials] == [trial.params for trial in same.trials]


def test_with_one_objective_it_finds_the_best() -> None:
    study = optuna.create_study(direction="minimize", sampler=EHVISampler(FlatDomain(LAYERS), seed=0))
    run(study, 40, error)
    other = optuna.create_study(direction="minimize", sampler=make_sampler("random", 0))
    run(other, 80, error)
    assert study.best_value < other.best_value


def test_three_objectives_two_of_them_trained_are_searched() -> None:
    domain = FlatDomain(LAYERS, lambda params: (None, None, flops(params)))
    study = optuna.create_study(directions=["minimize"] * 3, sampler=EHVISampler(domain, seed=0))
    run(study, 15, lambda params: (error(params), params["lr"], flops(params)))
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 15


def test_trials_that_run_side_by_side_are_not_alike() -> None:
    study = two(EHVISampler(FlatDomain(LAYERS, known), seed=0))
    run(study, 12)
    asked = [study.ask(LAYERS).params for _ in range(6)]
    assert len({tuple((k, v) for k, v in params.items() if k != "lr") for params in asked}) >= 4


def test_a_small_space_is_searched_to_its_end_without_repeats() -> None:
    space = {name: LAYERS[name] for name in ("layer0.op", "width")}
    study = optuna.create_study(sampler=EHVISampler(FlatDomain(space), seed=0))
    for _ in range(13):
        trial = study.ask(space)
        study.tell(trial, trial.params["width"] / 64)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 12


def test_it_finds_the_front_where_most_trials_are_stopped_at_a_value_that_is_not_their_last() -> None:
    """The best error goes on whatever it costs: all that is cheap is stopped."""

    def volume_of(sampler: BaseSampler) -> float:
        study, best = two(sampler), np.inf
        for _ in range(30):
            trial = study.ask(LAYERS)
            found = error(trial.params), flops(trial.params)
            report(trial, 1, (2 + 3 * found[0], found[1]))
            stop = found[0] > best
            study.tell(trial, None if stop else found, TrialState.PRUNED if stop else None)
            best = min(best, found[0])
        assert sum(trial.state == TrialState.PRUNED for trial in study.trials) >= 20
        found = np.array([(error(t.params), np.log10(flops(t.params))) for t in study.trials])
        return hypervolume(found, (1.0, 4.0))

    domain = FlatDomain(LAYERS, known)
    guessed = np.mean([volume_of(make_sampler("random", seed)) for seed in range(3)])
    assert volume_of(EHVISampler(domain, seed=0)) > guessed


STARTED = """
import sys
from tests.samplers.test_ehvi import run, stored
run(stored(sys.argv[1]), 10)
"""


def small_networks() -> Study:
    """Return a study of real trees, which are costed, with an error that is made up."""
    width = choose(4, 8, 16, 32, 64, name="width")
    layer = choose(ops.conv(width), ops.sepconv(width), ops.identity(), name="op")

    def evaluate(candidate: Any, report_: Any) -> dict[str, float]:
        lr = candidate.params["lr"]
        accuracy = 1 - 1 / np.log(10 + candidate.costs["params"]) - 0.05 * abs(np.log10(lr) + 2)
        return {"accuracy": float(accuracy)}

    return Study(
        "small",
        ops.seq(repeat(layer, 1, 4, name="layer"), ops.head()),
        evaluate=evaluate,
        shape=(1, 8, 8),
        context={"outputs": 10},
        training=Training(lr=real(1e-4, 1.0, log=True)),
        objectives=[maximize("accuracy", above=0.6), minimize("flops")],
        sampler="ehvi",
        pruner=None,
    )


def test_a_worker_that_begins_late_proposes_the_same() -> None:
    study = small_networks()
    opened = study.open(optuna.storages.InMemoryStorage())
    opened.optimize(study.objective, n_trials=30)
    late = small_networks().make_sampler()
    next_one = opened.ask()
    shown = opened.trials[-1]
    params = {name: next_one._suggest(name, d) for name, d in study.distributions().items() if name in
              next_one.relative_params}  # fmt: skip
    assert params == {
        name: value
        for name, value in late.sample_relative(opened, shown, study.distributions()).items()
        if name in params
    }
    assert len(params) > 2


def test_few_trials_go_where_nothing_is_of_use() -> None:
    study = small_networks()
    opened = study.open(optuna.storages.InMemoryStorage())
    opened.optimize(study.objective, n_trials=60)
    accuracies = [trial.values[0] for trial in opened.trials[20:]]
    assert sum(accuracy < 0.6 for accuracy in accuracies) <= 8
    assert max(accuracies) > 0.85


def stored(storage: str) -> optuna.Study:
    return optuna.create_study(
        study_name="study",
        storage=storage,
        directions=["minimize", "minimize"],
        sampler=EHVISampler(FlatDomain(LAYERS, known), seed=3),
        load_if_exists=True,
    )


@pytest.mark.slow
def test_a_search_in_a_new_process_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    stopped, whole = (f"sqlite:///{tmp_path / name}.db" for name in ("stopped", "whole"))
    subprocess.run([sys.executable, "-c", STARTED, stopped], check=True, cwd=REPOSITORY)
    run(stored(stopped), 4)
    run(stored(whole), 14)
    assert [t.params for t in stored(stopped).trials] == [t.params for t in stored(whole).trials]


def test_a_smooth_function_is_not_searched_at_its_ends_only() -> None:
    # Each objective comes near to zero at an end of the front: of no more use than the middle.
    def pair(trial: optuna.Trial) -> tuple[float, float]:
        x = np.array([trial.suggest_float(f"x{i}", 0, 1) for i in range(4)])
        return float(np.square(x).sum()), float(np.square(x - 1).sum())

    def volume(sampler: optuna.samplers.BaseSampler) -> float:
        study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
        study.optimize(pair, 40)
        return hypervolume(np.array([trial.values for trial in study.trials]), [2.0, 2.0])

    found = [volume(EHVISampler(seed=seed)) for seed in range(3)]
    usual = [volume(optuna.samplers.RandomSampler(seed=seed)) for seed in range(3)]
    assert min(found) > max(usual)


class CheapCorner(FlatDomain):
    """Networks of two layers; one in nine has none and answers at random, at next to no cost."""

    region = Region(chance=(0.1, None), ideal=(1.0, None))
    training = frozenset({"lr"})
    costly = True

    def __init__(self) -> None:
        ops = CategoricalDistribution(["none", "conv", "wide"])
        width = IntDistribution(1, 64, log=True)
        lr = FloatDistribution(1e-4, 1e-1, log=True)
        super().__init__({"first": ops, "second": ops, "width": width, "lr": lr})

    def known(self, params: Mapping[str, Any]) -> Sequence[float | None]:
        kinds = [params["first"], params["second"]]
        layers = 3 * kinds.count("wide") + kinds.count("conv")
        return None, 20.0 + 1_000.0 * layers * params["width"]

    def features(self, params: Mapping[str, Any]) -> Sequence[float]:
        return (float(np.log10(self.known(params)[1])),)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
def test_what_is_cheap_and_learns_nothing_is_left_alone(seed: int) -> None:
    domain, rng = CheapCorner(), np.random.default_rng(seed)

    def trained(trial: optuna.Trial) -> tuple[float, float]:
        params = {name: trial._suggest(name, how) for name, how in domain.distributions.items()}
        cost = domain.known(params)[1]
        learned = 0.85 * (1 - (1_000 / (cost + 1_000)) ** 0.7) - 0.05 * abs(np.log10(params["lr"]) + 2.5)
        accuracy = 0.1 + max(0.0, learned if cost > 20 else 0.0) + rng.normal(0, 0.01)
        return accuracy, cost

    study = optuna.create_study(directions=["maximize", "minimize"], sampler=EHVISampler(domain, seed=seed))
    study.optimize(trained, 60)
    corner = [trial.values[1] == 20 for trial in study.trials]
    assert sum(corner[20:]) <= 4
    # Nor is it because nothing is tried there, or all is at the other end.
    assert any(corner)
    assert min(trial.values[1] for trial in study.trials[20:] if trial.values[0] > 0.7) < 10_000
