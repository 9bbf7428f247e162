from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from optnas.errors import UserError
from optnas.samplers.domain import FlatDomain
from optnas.samplers.history import HistoryReader
from optnas.samplers.reinforce import ReinforceSampler
from tests.samplers.studies import params_of, run

OPTIONS = {name: CategoricalDistribution(["bad", "good", "worse", "worst"]) for name in "abcdefgh"}
RANK = {"good": 0, "bad": 1, "worse": 2, "worst": 3}


def goodness(trial: Trial) -> float:
    return float(sum(RANK[trial.suggest_categorical(name, OPTIONS["a"].choices)] for name in OPTIONS))


def probability(study: optuna.Study, name: str) -> np.ndarray:
    sampler, domain = study.sampler, FlatDomain(OPTIONS)
    assert isinstance(sampler, ReinforceSampler)
    return sampler.policy(domain, HistoryReader().read(study, domain, number=-1)).probabilities(name)


def test_the_policy_starts_even_and_comes_to_prefer_what_is_rewarded() -> None:
    study = run(ReinforceSampler(FlatDomain(OPTIONS), seed=0), goodness, trials=0)
    np.testing.assert_allclose(probability(study, "a"), [0.25] * 4)
    study.optimize(goodness, n_trials=150)
    assert np.mean([probability(study, name)[1] for name in OPTIONS]) > 0.7
    early, late = study.trials[:50], study.trials[-50:]
    assert np.mean([t.value for t in late]) < 0.6 * np.mean([t.value for t in early])


def test_entropy_keeps_the_policy_open() -> None:
    def surest(entropy: float) -> float:
        sampler = ReinforceSampler(FlatDomain(OPTIONS), entropy=entropy, seed=0)
        study = run(sampler, goodness, trials=80)
        return float(np.mean([probability(study, name).max() for name in OPTIONS]))

    assert surest(0.5) < surest(0.0)


def test_the_part_of_a_numbers_range_that_is_rewarded_is_drawn_from() -> None:
    domain = FlatDomain(
        {
            "lr": FloatDistribution(1e-6, 1.0, log=True),
            "width": IntDistribution(8, 256, step=8),
            "depth": IntDistribution(1, 8, log=True),
        }
    )

    def objective(trial: Trial) -> float:
        lr = trial.suggest_float("lr", 1e-6, 1.0, log=True)
        width = trial.suggest_int("width", 8, 256, step=8)
        trial.suggest_int("depth", 1, 8, log=True)
        return abs(np.log10(lr) + 3) + abs(width - 128) / 128

    late = params_of(run(ReinforceSampler(domain, seed=0), objective, trials=200))[-60:]
    assert np.mean([1e-4 < params["lr"] < 1e-2 for params in late]) > 0.6
    assert np.mean([64 <= params["width"] <= 192 for params in late]) > 0.6


def test_failed_trials_are_a_warning() -> None:
    def objective(trial: Trial) -> float:
        if trial.suggest_categorical("a", OPTIONS["a"].choices) == "worst":
            raise MemoryError
        return float(trial.suggest_categorical("b", OPTIONS["a"].choices) == "bad")

    domain = FlatDomain({name: OPTIONS[name] for name in "ab"} | {"x": FloatDistribution(0, 1)})
    study = run(ReinforceSampler(domain, seed=0), lambda t: 0.0, trials=0)
    study.optimize(lambda t: objective(t) + 0 * t.suggest_float("x", 0, 1), n_trials=100, catch=MemoryError)
    assert sum(t.params["a"] == "worst" for t in study.trials[50:]) < 8


@pytest.mark.parametrize("wrong", [{"learning_rate": 0}, {"entropy": -1}, {"memory": 1}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="reinforce: "):
        ReinforceSampler(**wrong)
