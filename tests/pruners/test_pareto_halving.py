from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import BasePruner, MedianPruner
from optuna.trial import TrialState

from optnas import ParetoHalvingPruner, RankPruner, report, should_prune
from optnas.trials.rungs import rungs_of

Values = list[tuple[float, ...]]


def study_with(
    values: Values, *, directions: Sequence[str] = ("minimize", "minimize"), warmup: int = 0
) -> optuna.Study:
    """Return a study in which one trial after the other has reported values at rung 1."""
    study = optuna.create_study(directions=list(directions), pruner=ParetoHalvingPruner(3, warmup=warmup))
    for each in values:
        trial = study.ask()
        report(trial, 1, each)
        study.tell(trial, each)
    return study


def stops(study: optuna.Study, values: tuple[float, ...]) -> bool:
    trial = study.ask()
    report(trial, 1, values)
    return should_prune(trial)


LINE: Values = [(float(i), float(i)) for i in range(9)]
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
    for pruner in (ParetoHalvingPruner(3, warmup=0), optuna.pruners.PercentilePruner(33, n_startup_trials=0)):
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


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_the_first_arrivals_go_on_whatever_their_order(kept: int) -> None:
    study = optuna.create_study(directions=["minimize"] * 2, pruner=ParetoHalvingPruner(3))
    order = [kept, *(i for i in range(3) if i != kept)]
    assert not any(stops(study, LINE[i]) for i in order)
    assert stops(study, LINE[8])


@pytest.mark.parametrize("step", ["one", 1.5, None])
def test_a_step_that_is_no_whole_number_is_refused_before_it_is_kept(step: object) -> None:
    trial = optuna.create_study(directions=["minimize"] * 2).ask()
    with pytest.raises(TypeError, match="the step is a whole number"):
        report(trial, step, (1.0, 2.0))  # type: ignore[arg-type]
    report(trial, 3.0, (1.0, 2.0))  # type: ignore[arg-type]
    assert list(trial.user_attrs) == ["rung:3"]


@pytest.mark.parametrize("step", [-1, 10**18, 2**1001], ids=["negative", "large", "huge"])
@pytest.mark.parametrize("objectives", [1, 2])
def test_a_step_that_is_not_read_back_is_refused_before_it_is_kept(step: int, objectives: int) -> None:
    trial = optuna.create_study(directions=["minimize"] * objectives).ask()
    with pytest.raises(ValueError, match="the step is a whole number from 0"):
        report(trial, step, [1.0] * objectives)
    report(trial, 10**18 - 1, [1.0] * objectives)
    assert list(rungs_of(trial.study.trials[0])) == [10**18 - 1]


def test_reports_between_rungs_decide_nothing() -> None:
    study = optuna.create_study(directions=["minimize"] * 2, pruner=ParetoHalvingPruner(3, warmup=0))
    for i in range(1, 9):
        trial = study.ask()
        for epoch in (1, 2, 3, 4):
            report(trial, epoch, LINE[i])
    last, decided = study.ask(), []
    for epoch in range(1, 5):
        report(last, epoch, (0.5, 0.5) if epoch < 3 else (99.0, 99.0))
        decided.append(should_prune(last))
    assert decided == [False, False, True, False]


def test_a_report_beyond_a_rung_counts_there() -> None:
    study = optuna.create_study(
        directions=["minimize"] * 2, pruner=ParetoHalvingPruner(rungs=[2, 5], warmup=0)
    )
    for step, value in ((2, 0.0), (3, 1.0), (4, 2.0), (1, 9.0)):
        trial = study.ask()
        report(trial, step, (value, value))
        assert should_prune(trial) == (value in (1.0, 2.0)), "nobody is compared before the first rung"


def test_rungs_lie_between_the_resources() -> None:
    pruner = ParetoHalvingPruner(4, min_resource=2, max_resource=32)
    assert [pruner.rung_at(step) for step in (1, 2, 7, 8, 31, 32, 99)] == [None, 2, 2, 8, 8, None, None]


@pytest.mark.parametrize(
    ("settings", "rung", "share"),
    [
        ({}, 9, 1 / 3),
        ({"reduction_factor": 4}, 4, 1 / 4),
        ({"max_resource": 10}, 9, 1 / 3),
        ({"rungs": [12]}, 12, 1 / 3),
        ({"rungs": [12], "max_resource": 200}, 12, 12 / 200),
        ({"rungs": [1, 10, 20], "max_resource": 200}, 1, 1 / 10),
        ({"rungs": [1, 10, 20], "max_resource": 200}, 10, 1 / 3),
    ],
)
def test_fewer_go_on_where_it_is_far_to_the_next_rung(
    settings: dict[str, Any], rung: int, share: float
) -> None:
    assert ParetoHalvingPruner(**settings).share_at(rung) == pytest.approx(share)


def test_threads_share_a_pruner() -> None:
    def objective(trial: optuna.Trial) -> tuple[float, float]:
        x = trial.suggest_float("x", 0, 1)
        for epoch in (1, 3):
            report(trial, epoch, (x + 1 / epoch, x))
            if should_prune(trial):
                raise optuna.TrialPruned
        return x, x

    pruner = ParetoHalvingPruner(3)
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(directions=["minimize"] * 2, pruner=pruner, sampler=sampler)
    study.optimize(objective, n_trials=120, n_jobs=8)
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in study.trials)
    anew = ParetoHalvingPruner(3)
    reached = [trial for trial in study.trials if 3 in rungs_of(trial)]
    assert [anew.prune(study, trial) for trial in reached] == [
        pruner.prune(study, trial) for trial in reached
    ]


def test_failed_and_infeasible_trials_stand_nowhere() -> None:
    study = optuna.create_study(directions=["minimize"] * 2, pruner=ParetoHalvingPruner(3, warmup=0))
    for state in (TrialState.FAIL, TrialState.PRUNED):
        trial = study.ask()
        report(trial, 1, (0.0, 0.0))
        if state == TrialState.PRUNED:
            trial.set_constraint("too large", 1.0)
        study.tell(trial, state=state)
    assert not stops(study, (1.0, 1.0))


def test_a_trial_that_broke_a_constraint_is_no_better_than_any_that_did_not() -> None:
    study = optuna.create_study(directions=["minimize"] * 2, pruner=ParetoHalvingPruner(3, warmup=1))
    for others in range(3):
        trial = study.ask()
        trial.set_constraint("too large", 1.0)
        report(trial, 1, (0.0, 0.0))
        assert should_prune(trial) == (others > 1)
        assert not stops(study, (1.0, 1.0))


numbers = st.integers(-5, 5).map(float)
objectives = st.sampled_from([2, 3])
scales = st.sampled_from([-1e6, -2.0, 1e-3, 1.0, 7.0])
shifts = st.sampled_from([-100.0, 0.0, 6.0, 1e5])


def decisions(pruner: BasePruner, trials: list[list[tuple[float, ...]]], directions: list[str]) -> list[bool]:
    """Return what is decided on the last of some trials at each of its rungs, the others being there."""
    study = optuna.create_study(directions=directions, pruner=pruner)
    begun = [study.ask() for _ in trials]
    for trial, reports in zip(begun[:-1], trials[:-1], strict=True):
        for rung, values in zip((1, 3, 9), reports, strict=False):
            report(trial, rung, values)
    found = []
    for rung, values in zip((1, 3, 9), trials[-1], strict=False):
        report(begun[-1], rung, values)
        found.append(should_prune(begun[-1]))
    return found


@pytest.mark.parametrize(
    "make", [lambda: ParetoHalvingPruner(3, warmup=0), lambda: RankPruner(MedianPruner(n_startup_trials=0))]
)
@settings(max_examples=60)
@given(data=st.data(), count=objectives, rng=st.randoms(use_true_random=False))
def test_decisions_depend_on_neither_order_nor_direction_nor_unit_nor_zero(
    make: Callable[[], BasePruner], data: st.DataObject, count: int, rng: random.Random
) -> None:
    reports = st.lists(st.tuples(*[numbers] * count), min_size=1, max_size=3)
    others, mine = data.draw(st.lists(reports, min_size=1, max_size=16)), data.draw(reports)
    units = [(data.draw(scales), data.draw(shifts)) for _ in range(count)]

    def changed(trial: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
        return [tuple(a * x + b for x, (a, b) in zip(point, units, strict=True)) for point in trial]

    down = ["minimize"] * count
    expected = decisions(make(), [*others, mine], down)
    shuffled = rng.sample(others, len(others))
    assert decisions(make(), [*shuffled, mine], down) == expected
    flipped = [[tuple(-x for x in point) for point in trial] for trial in [*others, mine]]
    assert decisions(make(), flipped, ["maximize"] * count) == expected
    directions = ["minimize" if scale > 0 else "maximize" for scale, _ in units]
    assert decisions(make(), [changed(trial) for trial in [*shuffled, mine]], directions) == expected


def test_a_decision_needs_one_write_a_rung() -> None:
    study = study_with(LINE)
    written = []
    write = study._storage.set_trial_user_attr
    study._storage.set_trial_user_attr = lambda *arguments: written.append(write(*arguments))  # type: ignore[method-assign]
    assert stops(study, (9.0, 9.0))
    assert len(written) == 1


def test_a_report_that_does_not_fit_the_objectives_is_refused() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    with pytest.raises(ValueError, match="2 objectives, not 1"):
        report(study.ask(), 1, [1.0])
    study.set_metric_names(["loss", "accuracy"])
    trial = study.ask()
    report(trial, 1, {"accuracy": 0.5, "loss": 2.0})
    assert rungs_of(study.trials[-1]) == {1: [2.0, 0.5]}
    with pytest.raises(ValueError, match="loss"):
        report(trial, 3, {"accuracy": 0.5, "flops": 2.0})


@pytest.mark.parametrize(
    "wrong",
    [
        {"reduction_factor": 1},
        {"warmup": -1},
        {"min_resource": 0},
        {"min_resource": 9, "max_resource": 9},
        {"rungs": [0, 1]},
        {"rungs": [3], "min_resource": 3},
    ],
)
def test_arguments_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ParetoHalvingPruner(**wrong)
