"""Hypervolume as the progress of a study: it never falls, and is the same everywhere."""

from __future__ import annotations

import datetime
import io
import warnings
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial
from rich.console import Console

from optnas import Candidate, Study, Training, data, integer, maximize, minimize, ops, real, repeat, tasks
from optnas.reports.terminal import LiveView, StudiesView
from optnas.storages.opening import open_storage
from optnas.trials.progress import ProgressReader
from optnas.trials.record import AXES, COSTS
from optnas.trials.volume import hypervolume, hypervolume_lacks, settle_axes
from tests.files import call

SPACE = ops.seq(repeat(ops.conv(integer(1, 64, log=True, name="width")), 1, 3, name="layer"), ops.head())


def stored(*objectives: Any, **changes: Any) -> optuna.Study:
    task = None if "evaluate" in changes else tasks.classification(data.digits())
    study = Study("volume", SPACE, task=task, objectives=objectives, sampler="random", **changes)
    return study.open(optuna.storages.InMemoryStorage())


def add(study: optuna.Study, *values: float) -> None:
    study.add_trial(create_trial(values=values))


def volume(study: optuna.Study) -> float | None:
    found = hypervolume(study, study.get_trials(deepcopy=False))
    progress = ProgressReader(study, 1, since=0.0, finished_before=0).read()
    assert progress.hypervolume == found
    return found


def evaluate(candidate: Candidate, report: Any) -> dict[str, float]:
    return {"loss": 1.0, "speed": 2.0, "size": 3.0, "error": 0.5}


numbers = st.floats(-1e9, 1e9) | st.floats(1e-3, 1e6) | st.floats(0, 1) | st.integers(0, 3).map(float)
finished = st.tuples(
    st.lists(numbers, min_size=4, max_size=4),
    st.sampled_from([TrialState.COMPLETE] * 4 + [TrialState.PRUNED, TrialState.FAIL]),
    st.sampled_from([0.0, 0.0, 0.0, 1.0]),
)
OBJECTIVES = [minimize("loss"), maximize("speed"), minimize("size", below=2.0), maximize("error", above=0.25)]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.lists(finished, max_size=25), st.integers(0, 25))
def test_hypervolume_never_falls_and_is_a_share(count: int, trials: list[Any], settled_at: int) -> None:
    study = stored(*OBJECTIVES[:count], evaluate=evaluate, costs=lambda candidate: {})
    before: float | None = None
    for number, (values, state, violation) in enumerate(trials):
        complete = state == TrialState.COMPLETE
        trial = create_trial(
            state=state,
            values=values[:count] if complete else None,
        )
        trial.set_constraint("limit", violation)
        study.add_trial(trial)
        known = study.get_trials(deepcopy=False)
        if number >= settled_at:
            settle_axes(study)
        now = volume(study)
        assert (now is None) == (before is None and sum(t.state == TrialState.COMPLETE for t in known) < 10)
        if now is not None:
            assert 0 <= now <= 1 + 1e-12
            assert now >= (before or 0.0) - 1e-12
        before = now


def test_accuracy_counts_from_chance_to_one_and_flops_over_the_space_in_decades() -> None:
    study = stored(maximize("accuracy"), minimize("flops"))
    (worst, best), (most, least) = AXES.of(study)  # type: ignore[misc]
    assert (worst, best) == (pytest.approx(0.1003, abs=1e-3), 1.0)
    cheapest = Study("x", SPACE, task=tasks.classification(data.digits()), objectives=[minimize("flops")])
    assert least == cheapest.costs(cheapest.candidate({"layers": 1, "layer0.width": 1}))["flops"]
    widths = {f"layer{i}.width": 64 for i in range(3)}
    largest = cheapest.costs(cheapest.candidate({"layers": 3, **widths}))["flops"]
    assert largest < most < 2 * largest
    assert volume(study) == 0.0
    middle = (least * most) ** 0.5
    add(study, (1 + worst) / 2, middle)
    assert volume(study) == pytest.approx(0.25)
    add(study, worst, least)
    assert volume(study) == pytest.approx(0.25), "a network that learned nothing adds nothing"
    add(study, 1.0, least)
    assert volume(study) == pytest.approx(1.0)


def test_stated_limits_are_the_reference() -> None:
    study = stored(maximize("accuracy", above=0.8), minimize("params", below=1000))
    add(study, 0.79, 100)
    add(study, 0.9, 1001)
    assert volume(study) == 0.0
    add(study, 0.9, 500)
    least = AXES.of(study)[1][1]  # type: ignore[index]
    assert least is not None
    assert 1000 / least > 10, "so that the axis is in decades"
    assert volume(study) == pytest.approx(0.5 * log10(1000 / 500) / log10(1000 / least))


def test_one_objective_has_its_place_between_chance_and_the_ideal() -> None:
    study = stored(maximize("accuracy"))
    chance = AXES.of(study)[0][0]  # type: ignore[index]
    add(study, 0.7)
    assert volume(study) == pytest.approx((0.7 - chance) / (1 - chance))  # type: ignore[operator]


def test_what_nothing_tells_of_is_fixed_by_the_first_ten_trials_for_ever() -> None:
    study = stored(minimize("loss"), minimize("size"), evaluate=evaluate)
    for i in range(9):
        add(study, 1.0 + i, 10.0 + i)
        assert volume(study) is None
    add(study, 10.0, 19.0)
    settle_axes(study)
    assert AXES.of(study) == [[10.0, 0.0], [19.0, 1.0]]
    add(study, 1e6, 1e6)
    late = create_trial(values=[1e-9, 1e-9])
    late.datetime_complete = datetime.datetime(2000, 1, 1)  # by another machine's clock
    before = volume(study)
    study.add_trial(late)
    assert AXES.of(study) == [[10.0, 0.0], [19.0, 1.0]]
    assert before is not None
    assert volume(study) == pytest.approx(1.0)


def test_the_axes_stay_when_a_study_goes_on_and_status_agrees_with_the_live_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/optnas.db"
    study = Study(
        "volume",
        ops.seq(ops.linear(integer(2, 64, name="width")), ops.head()),
        task=tasks.classification(data.sklearn("wine")),
        objectives=[maximize("accuracy"), minimize("loss"), minimize("params")],
        training=Training(epochs=1, lr=real(1e-3, 1e-1, log=True)),
        sampler="random",
    )
    seen = []
    for _ in range(3):
        opened = study.open(open_storage(url))
        opened.optimize(study.objective, n_trials=2)
        seen.append((AXES.of(opened), volume(opened)))
    assert seen[0][0] == seen[1][0] == seen[2][0]
    assert seen[0][1] <= seen[1][1] <= seen[2][1]  # type: ignore[operator]
    monkeypatch.chdir(tmp_path)
    told = call("status").output
    console = Console(record=True, width=100)
    progress = ProgressReader(opened, 6, since=0.0, finished_before=0).read()
    console.print(LiveView(opened, progress, ""))
    said = f"hypervolume {seen[2][1]:.3f}"
    assert said in told
    assert said in console.export_text()


def test_before_anything_is_known_a_dash_stands_for_it() -> None:
    study = stored(minimize("loss"), evaluate=evaluate)
    console = Console(record=True, width=100)
    progress = ProgressReader(study, 6, since=0.0, finished_before=0).read()
    console.print(LiveView(study, progress, ""))
    assert "hypervolume –" in console.export_text()


def test_where_it_is_not_known_it_is_said_why() -> None:
    def learned(candidate: Candidate) -> dict[str, float]:
        return {"loss": float(candidate.costs["flops"])}

    study = stored(minimize("loss"), minimize("flops"), evaluate=learned)
    study.add_trials([create_trial(values=[1.0, 100.0], user_attrs={COSTS.name: {"flops": 100.0}})] * 8)
    trials = study.get_trials(deepcopy=False)
    told = hypervolume_lacks(study, trials)
    assert told == (
        "after 2 more complete trials, as the task states no chance or ideal of loss and the range of flops"
        " is not known before"
    )
    progress = ProgressReader(study, 20, since=0.0, finished_before=0).read()
    for view in (LiveView(study, progress, ""), StudiesView([study])):
        console = Console(record=True, width=140, file=io.StringIO())
        console.print(view)
        assert f"hypervolume: {told}" in console.export_text()
    study.add_trials([create_trial(values=[2.0, 100.0])] * 2)
    assert ProgressReader(study, 20, since=0.0, finished_before=0).read().hypervolume_lacks is None


def test_costs_of_one_s_own_that_fail_are_left_to_the_trial() -> None:
    def costs(candidate: Candidate) -> dict[str, float]:
        raise RuntimeError("boom")

    study = stored(minimize("loss"), minimize("macs"), evaluate=evaluate, costs=costs)
    assert AXES.of(study) == [[None, None], [None, None]]


@pytest.mark.parametrize("others", [1e308, float(np.finfo(float).max), 0.9, -0.9, float("inf")])
def test_the_largest_numbers_have_a_hypervolume_without_a_warning(others: float) -> None:
    study = optuna.create_study(study_name="huge", directions=["minimize"])
    for value in (-1e308, *[others] * 9):
        add(study, value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = volume(study)
        add(study, 0.0)
        assert volume(study) == before  # of one objective it is the best trial's
    assert before is not None
    # The only finite value is the reference itself.
    assert before == 0.0 if others == float("inf") else 0 < before <= 1
