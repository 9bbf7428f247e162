from __future__ import annotations

import random

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optnas import ParetoHalvingPruner, report, should_prune

Values = list[tuple[float, float]]


def study_with(
    values: Values, *, directions: tuple[str, str] = ("minimize", "minimize"), warmup: int = 0
) -> optuna.Study:
    """Return a study in which one trial after the other has reported values at rung 1."""
    study = optuna.create_study(directions=list(directions), pruner=ParetoHalvingPruner(3, warmup))
    for each in values:
        trial = study.ask()
        report(trial, 1, each)
        study.tell(trial, each)
    return study


def stops(study: optuna.Study, values: tuple[float, float]) -> bool:
    trial = study.ask()
    report(trial, 1, values)
    return should_prune(trial)


LINE = [(float(i), float(i)) for i in range(9)]
"""Nine trials, each dominated by all before it."""


def test_the_best_third_goes_on_and_the_rest_stops() -> None:
    assert [stops(study_with(LINE), (i + 0.5, i + 0.5)) for i in range(9)] == [False] * 3 + [True] * 6


def test_a_trial_on_the_front_goes_on_however_large_the_front_is() -> None:
    front = [(float(i), float(-i)) for i in range(50)]
    assert not stops(study_with(front), (20.4, -20.4))


def test_a_trial_that_dominates_everything_is_never_stopped() -> None:
    assert not stops(study_with([(1.0, 1.0)] * 30), (0.0, 0.0))


def test_equal_costs_do_dominate() -> None:
    better = [(0.1 * i, 5.0) for i in range(9)]
    assert stops(study_with(better), (2.0, 5.0))


def test_equal_values_share_their_fate() -> None:
    assert not stops(study_with([(1.0, 1.0)] * 9), (1.0, 1.0))


def test_the_first_arrivals_go_on() -> None:
    assert not stops(study_with(LINE[:3], warmup=4), (9.0, 9.0))
    assert stops(study_with(LINE[:4], warmup=4), (9.0, 9.0))


def test_what_is_not_a_number_is_worst() -> None:
    assert stops(study_with(LINE), (float("nan"), -1.0)) is False  # its cost is the best of all
    assert stops(study_with(LINE), (float("nan"), 5.0))


def test_a_trial_that_reported_nothing_goes_on() -> None:
    study = study_with(LINE)
    assert not should_prune(study.ask())


def test_rungs_are_compared_apart() -> None:
    study = study_with(LINE)
    trial = study.ask()
    report(trial, 1, (0.0, 0.0))
    report(trial, 3, (99.0, 99.0))
    assert not should_prune(trial), "nobody else has reached rung 3"


def test_one_objective_prunes_as_well_and_optuna_s_own_pruners_work() -> None:
    for pruner in (ParetoHalvingPruner(3, 0), optuna.pruners.PercentilePruner(33, n_startup_trials=0)):
        study = optuna.create_study(direction="minimize", pruner=pruner)
        for i in range(9):
            trial = study.ask()
            report(trial, 1, {"loss": float(i)})
            study.tell(trial, float(i))
        worst, best = study.ask(), study.ask()
        report(worst, 1, {"loss": 10.0})
        assert should_prune(worst)
        report(best, 1, {"loss": -1.0})
        assert not should_prune(best)


numbers = st.integers(-5, 5).map(float)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20),
    st.tuples(numbers, numbers),
    st.randoms(use_true_random=False),
)
def test_decisions_depend_neither_on_order_nor_on_direction(
    values: Values, mine: tuple[float, float], rng: random.Random
) -> None:
    decision = stops(study_with(values), mine)
    shuffled = rng.sample(values, len(values))
    assert stops(study_with(shuffled), mine) == decision
    flipped = study_with([(-a, b) for a, b in values], directions=("maximize", "minimize"))
    assert stops(flipped, (-mine[0], mine[1])) == decision


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="reduction_factor=1"):
        ParetoHalvingPruner(reduction_factor=1)
    with pytest.raises(ValueError, match="warmup=-1"):
        ParetoHalvingPruner(warmup=-1)
