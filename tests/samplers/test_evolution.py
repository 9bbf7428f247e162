from __future__ import annotations

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import Trial, create_trial

from optnas.errors import UserError
from optnas.samplers.domain import FlatDomain
from optnas.samplers.evolution import EvolutionSampler
from optnas.samplers.history import HistoryReader
from tests.samplers.studies import run

LETTERS = {name: CategoricalDistribution(range(5)) for name in "abcdef"}


def ones(trial: Trial) -> float:
    return float(sum(trial.suggest_categorical(name, range(5)) == 1 for name in LETTERS))


def told(directions: list[str], *values: list[float]) -> optuna.Study:
    """Return a study with complete trials of those values; ``a`` is the trial's number modulo 5."""
    study = optuna.create_study(directions=directions)
    for i, found in enumerate(values):
        params = dict.fromkeys(LETTERS, 0) | {"a": i % 5}
        study.add_trial(create_trial(params=params, distributions=LETTERS, values=found))
    return study


def alive(study: optuna.Study, population: int) -> list[int]:
    domain = FlatDomain(LETTERS)
    sampler = EvolutionSampler(domain, population=population, seed=0)
    history = HistoryReader().read(study, domain, number=-1)
    return [observation.number for observation in sampler.population(history)]


def test_the_old_die_however_good_they_were() -> None:
    assert alive(told(["maximize"], [9.0], [8.0], [1.0], [3.0], [2.0]), population=3) == [3, 4, 2]


def test_with_several_objectives_the_front_lives_and_its_crowded_part_dies_first() -> None:
    # 4 is dominated; 2 lies close to 1 and 3.
    study = told(["minimize"] * 2, [0.0, 10.0], [4.0, 5.0], [5.0, 4.5], [6.0, 4.0], [7.0, 7.0], [10.0, 0.0])
    assert set(alive(study, population=5)) == {0, 1, 2, 3, 5}
    assert set(alive(study, population=4)) == {0, 1, 3, 5}


def test_children_differ_from_a_parent_in_one_decision() -> None:
    study = told(["maximize"], *[[float(i)] for i in range(4)])
    study.sampler = EvolutionSampler(FlatDomain(LETTERS), population=4, tournament=4, crossover=0, seed=0)
    best = study.trials[3].params
    child = study.ask(LETTERS).params
    assert sum(child[name] != best[name] for name in LETTERS) == 1


def test_children_of_two_have_each_part_from_one_of_them() -> None:
    parts = {f"{part}.{name}": CategoricalDistribution(range(100)) for part in "ab" for name in "xyz"}
    study = optuna.create_study(
        sampler=EvolutionSampler(FlatDomain(parts), population=2, crossover=1, seed=0)
    )
    for value in (1, 2):
        study.add_trial(create_trial(params=dict.fromkeys(parts, value), distributions=parts, value=value))
    study.sampler._tournament = 1  # type: ignore[attr-defined]
    children = [study.ask(parts).params for _ in range(20)]
    # What comes out as a parent again is mutated, to another of a hundred values.
    kept = [[{child[f"{part}.{name}"] for name in "xyz"} & {1, 2} for part in "ab"] for child in children]
    assert all(len(values) == 1 for parts in kept for values in parts)
    assert any(a != b for a, b in kept)


def test_evolution_finds_what_random_search_does_not() -> None:
    study = run(EvolutionSampler(seed=0), ones, trials=150, directions=["maximize"])
    assert study.best_value == 6
    at_random = run(optuna.samplers.RandomSampler(seed=0), ones, trials=150, directions=["maximize"])
    assert at_random.best_value < 6


@pytest.mark.parametrize("wrong", [{"population": 0}, {"tournament": 0}, {"crossover": 1.5}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="evolution: "):
        EvolutionSampler(**wrong)  # type: ignore[arg-type]
