"""Optuna's own pruners on several objectives."""

from __future__ import annotations

import optuna
import pytest
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)

from optnas import ParetoPromotionPruner, RankPruner, report, should_prune
from optnas.pruners import PRUNERS, make_pruner

PRUNED = [
    MedianPruner(n_startup_trials=3),
    PercentilePruner(25.0, n_startup_trials=3),
    SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3),
    ThresholdPruner(upper=4.5),
]


def search(pruner: BasePruner, *, scale: float = 1.0, trials: int = 30) -> list[int]:
    """Return how many steps each trial was let to go: every other is dominated by all of the rest."""
    study = optuna.create_study(directions=["minimize", "maximize"], pruner=pruner)
    steps = []
    for number in range(trials):
        trial = study.ask()
        bad = number % 2 * (1 + number)
        state = optuna.trial.TrialState.COMPLETE
        for step in range(1, 10):
            report(trial, step, (scale * (1 + bad + step), -bad))
            if should_prune(trial):
                state = optuna.trial.TrialState.PRUNED
                break
        study.tell(trial, (bad, -bad) if state == optuna.trial.TrialState.COMPLETE else None, state)
        steps.append(step)
    return steps


@pytest.mark.parametrize("pruner", PRUNED, ids=lambda pruner: type(pruner).__name__)
def test_what_others_dominate_is_stopped_and_the_front_is_not(pruner: BasePruner) -> None:
    steps = search(RankPruner(pruner))
    good, bad = steps[::2], steps[1::2]
    assert set(good[3:]) == {9}
    assert min(bad) < 9
    assert sum(bad) < sum(good)


def test_ranks_do_not_depend_on_the_unit() -> None:
    pruners = [SuccessiveHalvingPruner(min_resource=1, reduction_factor=2) for _ in range(2)]
    assert search(RankPruner(pruners[0])) == search(RankPruner(pruners[1]), scale=1e6)


def test_ranks_of_trials_that_reported_long_ago_are_those_of_now() -> None:
    study = optuna.create_study(directions=["minimize"] * 2, pruner=RankPruner(SuccessiveHalvingPruner(1, 2)))
    for value in (5.0, 4.0, 3.0, 2.0):  # each the best of its time, so each of rank 0 when it came
        trial = study.ask()
        report(trial, 1, (value, value))
        assert not should_prune(trial)
    trial = study.ask()
    report(trial, 1, (3.5, 3.5))
    assert should_prune(trial), "two of four are better now"


def test_with_one_objective_the_value_itself_decides() -> None:
    study = optuna.create_study(pruner=RankPruner(ThresholdPruner(upper=10.0)))
    low, high = study.ask(), study.ask()
    report(low, 1, [9.0])
    report(high, 1, [11.0])
    assert [should_prune(trial) for trial in (low, high)] == [False, True]


@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_with_a_name_works_on_two_objectives(name: str) -> None:
    assert max(search(make_pruner(name))) == 9


def test_what_is_no_pruner_is_refused() -> None:
    with pytest.raises(TypeError, match="RankPruner takes an Optuna pruner"):
        RankPruner("median")  # type: ignore[arg-type]
    for pruner in (ParetoPromotionPruner(), RankPruner(MedianPruner())):
        with pytest.raises(TypeError, match="goes by all objectives as it is"):
            RankPruner(pruner)
