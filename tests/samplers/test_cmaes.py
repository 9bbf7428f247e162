from __future__ import annotations

import math
import random

import optuna
import pytest
from optuna.samplers import NSGAIISampler, RandomSampler
from optuna.trial import Trial, TrialState, create_trial

from optnas import Study, minimize, ops
from optnas.errors import UserError
from optnas.pareto import hypervolume
from optnas.samplers.cmaes import CmaEsSampler
from tests.samplers.studies import mixed, run, values_of

PAIR = ["minimize", "minimize"]


def spheres(trial: Trial) -> tuple[float, float]:
    """Two spheres of continuous, integer and categorical parameters, with their centres apart."""
    x = [trial.suggest_float(f"x{i}", -5, 15) / 10 for i in range(2)]
    z = [trial.suggest_int(f"z{i}", -5, 15) / 10 for i in range(2)]
    c = [trial.suggest_categorical(f"c{i}", list("abcde")) for i in range(2)]
    one = sum(value**2 for value in x + z) / 2 + (2 - c.count("a")) / 2
    two = sum((value - 1) ** 2 for value in x + z) / 2 + (2 - c.count("e")) / 2
    return one, two


def test_one_objective_converges_on_numbers_and_categories_together() -> None:
    study = run(CmaEsSampler(seed=0), mixed, trials=250)
    assert study.best_value < 1e-3
    assert study.best_params["c"] == "good"
    late = study.trials[-50:]
    assert sum(abs(t.params["x"] - 1) < 0.3 for t in late) > 25


def test_two_objectives_reach_a_front_that_nsga2_does_not() -> None:
    def volume(sampler: optuna.samplers.BaseSampler) -> float:
        study = run(sampler, spheres, trials=250, directions=PAIR)
        return hypervolume(values_of(study.trials), [3, 3])  # type: ignore[arg-type]

    assert volume(CmaEsSampler(seed=0)) > volume(NSGAIISampler(population_size=20, seed=0))


@pytest.mark.parametrize("workers", [1, 16])
def test_lost_failed_and_pruned_trials_hold_nobody_up(workers: int) -> None:
    rng = random.Random(0)
    study = run(CmaEsSampler(seed=0), spheres, trials=1, directions=PAIR)
    running = []
    finished = 0
    while finished < 200:
        running.append(study.ask())
        values = spheres(running[-1])
        if rng.random() < 0.02:
            running.pop()  # its worker dies: the trial stays as it is
        if len(running) < workers:
            continue
        trial = running.pop(rng.randrange(len(running)))
        values = spheres(trial)
        fate = rng.random()
        state = TrialState.FAIL if fate < 0.15 else TrialState.PRUNED if fate < 0.3 else None
        study.tell(trial, None if state else values, state=state)
        finished += 1
    at_random = run(RandomSampler(seed=0), spheres, trials=140, directions=PAIR)
    found = hypervolume(values_of(study.trials), [3, 3])  # type: ignore[arg-type]
    assert found > hypervolume(values_of(at_random.trials), [3, 3])  # type: ignore[arg-type]


def test_a_trial_that_never_ends_is_given_up_where_nothing_stands_in_for_it() -> None:
    sampler = CmaEsSampler(starts=5, seed=0)
    study = run(sampler, mixed, trials=6)
    mixed(study.ask())
    search = sampler._search
    assert search is not None
    batch = search._batch
    others = run(RandomSampler(seed=0), mixed, trials=4 * len(batch)).trials
    batches = []
    for trial in others:  # of another sampler, that stand in for nothing
        study.add_trial(trial)
        mixed(study.ask())
        batches.append(search._batch)
    assert batches[len(batch)] is batch
    assert batches[-1] is not batch


def test_every_worker_beyond_the_batch_has_something_of_its_own_to_try() -> None:
    study = run(CmaEsSampler(starts=5, seed=0), spheres, trials=6, directions=PAIR)
    trials = [study.ask() for _ in range(40)]
    for trial in trials:
        spheres(trial)
    assert len({tuple(trial.params.values()) for trial in trials}) == 40


def test_a_search_starts_from_the_best_of_what_other_samplers_found() -> None:
    study = run(RandomSampler(seed=0), mixed, trials=30)
    best = study.best_trial
    study.sampler = CmaEsSampler(seed=0)
    study.optimize(mixed, n_trials=10)
    distance = [abs(t.params["x"] - best.params["x"]) for t in study.trials]
    assert sum(distance[30:]) / 10 < sum(distance[:30]) / 30


def test_infinite_values_and_values_all_the_same_are_borne() -> None:
    def flat(trial: Trial) -> tuple[float, float]:
        z = trial.suggest_int("z", 0, 99)
        trial.suggest_float("x", 0, 1)
        return (math.inf if z % 2 else 1.0), 1.0

    assert len(run(CmaEsSampler(starts=5, seed=0), flat, trials=120, directions=PAIR).trials) == 120


def test_a_space_smaller_than_a_batch_is_searched_to_its_end() -> None:
    study = run(CmaEsSampler(starts=2, seed=0), lambda t: t.suggest_int("z", 0, 11), trials=12)
    assert {trial.params["z"] for trial in study.trials} == set(range(12))


def test_three_objectives_are_refused() -> None:
    study = optuna.create_study(directions=["minimize"] * 3, sampler=CmaEsSampler(seed=0))
    x = optuna.distributions.FloatDistribution(0, 1)
    study.add_trial(create_trial(params={"x": 0.5}, distributions={"x": x}, values=[1, 2, 3]))
    with pytest.raises(UserError, match="one or two objectives"):
        study.ask({"x": x})
    with pytest.raises(UserError, match="one or two objectives"):
        Study("s", ops.head(), evaluate=dict, objectives=list(map(minimize, "abc")), sampler="cmaes")


@pytest.mark.parametrize("wrong", [{"starts": 0}, {"kernels": 1}])
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match="cmaes: "):
        CmaEsSampler(**wrong)  # type: ignore[arg-type]
