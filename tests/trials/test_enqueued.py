"""Trials that were enqueued with parameters, right ones and wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from optnas import Candidate, Study, Training, UserError, choose, integer, maximize, ops, real, repeat
from optnas.reports.records import as_record
from optnas.reports.terminal import trial_view
from optnas.run.worker import work
from optnas.storages.opening import open_storage
from optnas.trials.progress import front

evaluated: list[dict[str, Any]] = []


def evaluate(candidate: Candidate, report: Any) -> dict[str, float]:
    evaluated.append(candidate.params)
    return {"score": 1.0}


STUDY = Study(
    "enqueued",
    ops.seq(
        ops.conv(choose(8, 16, name="width")),
        repeat(ops.norm(), 1, 3, name="layer"),
        choose(ops.relu(), ops.swish(real(0.5, 2.0, name="beta")), name="act"),
        ops.linear(integer(8, 64, step=8, name="out"), bias=choose(True, False, name="bias")),
    ),
    evaluate=evaluate,
    objectives=[maximize("score")],
    training=Training(lr=real(1e-3, 1e-1, log=True)),
    sampler="random",
)

WRONG = [
    ({"layers": 7}, "layers = 7 is outside the space: it takes 1 to 3"),
    ({"layers": 0}, "layers = 0 is outside"),
    ({"layers": 1.5}, "layers = 1.5 is outside"),
    ({"layers": "2"}, "layers = '2' is outside"),
    ({"layers": True}, "layers = True is outside"),
    ({"layers": None}, "layers = None is outside"),
    ({"layers": 10**400}, "is outside"),
    ({"widht": 8}, "'widht' is no parameter of the space: did you mean 'width'?"),
    ({"Width": 8}, "did you mean 'width'?"),
    ({"width": 9}, "width = 9 is outside the space: it takes one of 8, 16"),
    ({"width": "8"}, "width = '8' is outside the space: it takes one of 8, 16"),
    ({"width": [8]}, "width = [8] is outside"),
    ({"act": "swsh"}, "act = 'swsh' is outside the space: it takes one of 'relu', 'swish'"),
    ({"act": ops.relu()}, "act = relu is outside"),
    ({"bias": 1}, "bias = 1 is outside the space: it takes one of True, False"),
    ({"out": 12}, "out = 12 is outside the space: it takes 8 to 64 in steps of 8"),
    ({"lr": 1.0}, "lr = 1.0 is outside the space: it takes 0.001 to 0.1"),
    ({"lr": float("nan")}, "lr = nan is outside"),
    ({"lr": 0}, "lr = 0 is outside"),
    ({"widht": 8, "layers": 7}, "did you mean 'width'?; layers = 7 is outside"),
]


def run(params: dict[str, Any]) -> FrozenTrial:
    evaluated.clear()
    opened = STUDY.open(optuna.storages.InMemoryStorage())
    opened.enqueue_trial(params)
    opened.optimize(STUDY.objective, n_trials=1, catch=(UserError,))
    return opened.trials[0]


@pytest.mark.parametrize(("params", "said"), WRONG)
def test_what_is_outside_the_space_is_never_evaluated_and_said_in_one_line(
    params: dict[str, Any], said: str
) -> None:
    trial = run(params)
    assert trial.state == TrialState.FAIL
    assert said in trial.user_attrs["reason"]
    assert "\n" not in trial.user_attrs["reason"]
    assert evaluated == []
    with pytest.raises(UserError) as error:
        STUDY.check_params(params)
    assert str(error.value) == trial.user_attrs["reason"]


@pytest.mark.parametrize(
    ("params", "taken"),
    [
        ({"width": 8}, {"width": 8}),
        ({"width": 16.0, "layers": 2.0}, {"width": 16, "layers": 2}),
        ({"width": np.int64(8), "out": np.float32(16)}, {"width": 8, "out": 16}),
        (
            {"lr": np.float64(0.01), "beta": 1, "act": np.str_("swish")},
            {"lr": 0.01, "beta": 1.0, "act": "swish"},
        ),
        ({"bias": np.bool_(False)}, {"bias": False}),
        ({}, {}),
    ],
)
def test_equal_numbers_are_taken_as_the_space_s_own(params: dict[str, Any], taken: dict[str, Any]) -> None:
    assert repr(STUDY.check_params(params)) == repr(taken)
    trial = run(params)
    assert trial.state == TrialState.COMPLETE
    (used,) = evaluated
    assert {name: repr(used[name]) for name in taken} == {name: repr(value) for name, value in taken.items()}
    assert {name: repr(trial.params[name]) for name in taken} == {n: repr(v) for n, v in taken.items()}


def test_a_parameter_that_is_not_asked_for_is_told_and_recorded() -> None:
    with pytest.warns(UserWarning, match="trial 0 was enqueued with beta = 1.0 and has no use for it"):
        trial = run({"act": "relu", "beta": 1.0})
    assert trial.state == TrialState.COMPLETE
    opened = STUDY.open(optuna.storages.InMemoryStorage())
    console = Console(record=True, width=80)
    console.print(trial_view(opened, trial))
    assert "beta = 1.0, enqueued and not asked for" in console.export_text()
    assert as_record(opened, trial)["ignored"] == {"beta": 1.0}


def test_a_run_goes_on_after_wrong_ones_and_keeps_them_off_the_front(tmp_path: Path) -> None:
    opened = STUDY.open(open_storage(f"sqlite:///{tmp_path}/a.db"))
    for _ in range(4):
        opened.enqueue_trial({"widht": 8})
    work(STUDY, opened, 6)
    assert [trial.state.name for trial in opened.trials] == ["FAIL"] * 4 + ["COMPLETE"] * 2
    assert front(opened)[0].number == 4
