from __future__ import annotations

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import Trial

from optnas.errors import UserError
from optnas.samplers.domain import FlatDomain
from optnas.samplers.local import LocalSampler
from tests.samplers.studies import params_of, run

DIGITS = {f"d{i}": CategoricalDistribution(range(6)) for i in range(6)}


def near_threes(trial: Trial) -> float:
    return float(sum(abs(trial.suggest_categorical(name, range(6)) - 3) for name in DIGITS))


def differences(one: dict[str, int], other: dict[str, int]) -> int:
    return sum(one[name] != other[name] for name in DIGITS)


def test_each_step_goes_to_a_neighbour_of_the_best_so_far() -> None:
    study = run(LocalSampler(FlatDomain(DIGITS), starts=1, seed=0), near_threes, trials=30)
    for trial in study.trials[1:]:
        best = min(study.trials[: trial.number], key=lambda t: t.value)
        near = [t for t in study.trials[: trial.number] if t.value == best.value]
        assert min(differences(trial.params, t.params) for t in near) == 1


def test_the_optimum_of_a_space_with_a_single_one_is_climbed_to() -> None:
    study = run(LocalSampler(FlatDomain(DIGITS), starts=3, seed=0), near_threes, trials=150)
    assert study.best_value == 0


def test_it_starts_anew_where_no_neighbour_is_better() -> None:
    def two_hills(trial: Trial) -> float:
        params = [trial.suggest_categorical(name, range(6)) for name in DIGITS]
        return -1.0 - params.count(5) ** 2 if params.count(5) > 2 else float(6 - params.count(0))

    study = run(LocalSampler(FlatDomain(DIGITS), starts=1, seed=3), two_hills, trials=400)
    exhausted = next(t for t in study.trials if all(value == 0 for value in t.params.values()))
    around = [p for p in params_of(study) if differences(p, exhausted.params) == 1]
    assert len(around) == 30  # every neighbour of the lower hill's top was tried
    assert study.best_value == -37.0  # and the other one was found all the same


def test_with_several_objectives_the_whole_front_is_climbed() -> None:
    def pair(trial: Trial) -> tuple[float, float]:
        params = [trial.suggest_categorical(name, range(6)) for name in DIGITS]
        return float(sum(params)), float(sum((5 - p) ** 2 for p in params))

    study = run(LocalSampler(FlatDomain(DIGITS), seed=0), pair, trials=200, directions=["minimize"] * 2)
    found = {trial.values[0] for trial in study.best_trials}
    assert min(found) <= 3
    assert max(found) >= 27


def test_candidates_known_to_be_of_no_use_are_not_tried() -> None:
    class Even(FlatDomain):
        def known(self, params):  # type: ignore[no-untyped-def]
            return () if sum(params.values()) % 2 == 0 else None

    study = run(LocalSampler(Even(DIGITS), starts=1, seed=0), near_threes, trials=12)
    assert all(sum(params.values()) % 2 == 0 for params in params_of(study)[1:])


def test_fewer_than_one_start_is_refused() -> None:
    with pytest.raises(UserError, match="local: starts"):
        LocalSampler(starts=0)
