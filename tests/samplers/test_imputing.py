"""Optuna's samplers in studies most of whose trials are pruned."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
)
from optuna.trial import TrialState

from optnas import report
from optnas.samplers import make_sampler
from optnas.samplers.imputing import ImputingSampler


class TestConformance(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture(params=[TPESampler, NSGAIISampler])
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        return lambda: ImputingSampler(request.param(seed=0))


def pruned_study(
    sampler: BaseSampler, *, trials: int = 100, complete: int = 4, reports: bool = True
) -> optuna.Study:
    """Return a study whose first trials are bad and complete, and the others pruned.

    The first objective is best at 0.8 and lower after training; the second is always the same.
    """
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    for number in range(trials):
        x = 0.2 if number < complete else (7 * number % trials) / trials
        study.enqueue_trial({"x": x})
        trial = study.ask({"x": FloatDistribution(0, 1)})
        if reports:
            report(trial, 1, (1 + abs(x - 0.8), 5.0))
        if number < complete:
            study.tell(trial, (abs(x - 0.8), 5.0))
        else:
            study.tell(trial, state=TrialState.PRUNED)
    return study


def proposed(study: optuna.Study, count: int) -> list[float]:
    """Return what is proposed next, each as if the others had not been."""
    found = []
    for _ in range(count):
        trial = study.ask({"x": FloatDistribution(0, 1)})
        found.append(trial.params["x"])
        study.tell(trial, state=TrialState.FAIL)
    return found


def test_tpe_goes_where_pruned_trials_were_best() -> None:
    informed = proposed(pruned_study(make_sampler("tpe", seed=0)), 20)
    assert sum(abs(x - 0.8) < 0.15 for x in informed) >= 15


def test_nsga2_has_parents_though_all_but_a_few_trials_are_pruned() -> None:
    def objective(trial: optuna.Trial) -> tuple[float, float]:
        away = [abs(trial.suggest_float(name, 0, 1) - 0.8) for name in "abcd"]
        report(trial, 1, (1 + sum(away), 5.0))
        if trial.number >= 4:
            raise optuna.TrialPruned
        return sum(away), 5.0

    def late(sampler: BaseSampler) -> float:
        study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
        study.optimize(objective, n_trials=150)
        return statistics.mean(trial.user_attrs["rung:1"][0] for trial in study.trials[100:])

    assert late(ImputingSampler(NSGAIISampler(seed=0, population_size=20))) < 1.8
    assert late(NSGAIISampler(seed=0, population_size=20)) > 2, "all of them at random"


def test_the_storage_says_what_happened() -> None:
    study = pruned_study(make_sampler("tpe", seed=0))
    proposed(study, 2)
    assert [trial.state for trial in study.trials[:100]] == [TrialState.COMPLETE] * 4 + [
        TrialState.PRUNED
    ] * 96
    assert all(trial.values is None for trial in study.trials[4:])
    assert len(study.best_trials) == 4


def test_threads_share_a_sampler() -> None:
    def objective(trial: optuna.Trial) -> tuple[float, float]:
        x = trial.suggest_float("x", 0, 1)
        report(trial, 1, (x, 1.0))
        if trial.number % 3:
            raise optuna.TrialPruned
        return x, 1.0

    study = optuna.create_study(directions=["minimize"] * 2, sampler=make_sampler("tpe", seed=0))
    study.optimize(objective, n_trials=60, n_jobs=6)
    assert sum(trial.state == TrialState.PRUNED for trial in study.trials) == 40


@pytest.mark.parametrize(
    "make", [lambda: TPESampler(seed=0, multivariate=True), lambda: NSGAIISampler(seed=0)]
)
def test_optuna_s_own_samplers_are_not_disturbed_by_values_at_rungs(make: Callable[[], BaseSampler]) -> None:
    with_rungs, without = (proposed(pruned_study(make(), reports=reports), 3) for reports in (True, False))
    assert with_rungs == without


@pytest.mark.parametrize("name", ["tpe", "nsga2", "gp"])
def test_trials_that_broke_a_constraint_or_reported_nothing_stay_pruned(name: str) -> None:
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=make_sampler(name, seed=0))
    for number in range(12):
        trial = study.ask({"x": FloatDistribution(0, 1)})
        if number % 3 == 1:
            report(trial, 1, (0.0, 0.0))
            trial.set_constraint("too large", 1.0)
        if number % 3:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, (trial.params["x"], 1.0))
    seen = [
        ("PRUNED", None) if number % 3 else ("COMPLETE", study.trials[number].values) for number in range(12)
    ]
    assert shown(study) == seen


class Looking(optuna.samplers.RandomSampler):
    """Notes what it is shown of the trials."""

    def before_trial(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        others = study.get_trials(deepcopy=False)[: trial.number]
        self.shown = [(other.state.name, other.values) for other in others]


def shown(study: optuna.Study) -> list[tuple[str, Any]]:
    """Return the state and the values of each trial that did not fail, as a sampler sees them."""
    looking = Looking()
    study.sampler = ImputingSampler(looking)
    study.tell(study.ask(), state=TrialState.FAIL)
    return [seen for seen in looking.shown if seen[0] != "FAIL"]


def trial_of(study: optuna.Study, rung: float | None, end: float | None = None, **attributes: Any) -> None:
    trial = study.ask({"x": FloatDistribution(0, 1)})
    for name, value in attributes.items():
        trial.set_user_attr(name, value)
    if rung is not None:
        report(trial, 1, (rung, 5.0))
    study.tell(trial, None if end is None else (end, 5.0), TrialState.PRUNED if end is None else None)


def test_a_paused_trial_has_what_the_one_that_went_on_with_it_found() -> None:
    study = optuna.create_study(directions=["minimize"] * 2)
    trial_of(study, 0.5)
    assert shown(study)[0] == ("COMPLETE", [0.5, 5.0])
    trial_of(study, None, 0.2, promotes=0)
    assert shown(study) == [("COMPLETE", [0.2, 5.0])] * 2
    trial_of(study, 0.7)
    assert shown(study)[-1] == ("COMPLETE", [pytest.approx(0.4), 5.0]), "it gained as much"


def test_a_trial_that_was_not_trained_again_has_what_its_twin_has() -> None:
    study = optuna.create_study(directions=["minimize"] * 2)
    trial_of(study, 0.5)
    trial_of(study, None, twin=0)
    assert shown(study) == [("COMPLETE", [0.5, 5.0])] * 2
