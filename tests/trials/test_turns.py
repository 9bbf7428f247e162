"""Trials of one study in several threads of a process."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import FrozenTrial, TrialState

from optnas import Candidate, Study, Training, choose, data, integer, maximize, minimize, ops, tasks
from optnas.trials import turns


def trained(sampler: str = "random", **training: Any) -> Study:
    return Study(
        "threads",
        ops.seq(ops.conv(choose(4, 6, 8, 10, name="width")), ops.relu(), ops.dropout(0.3), ops.head()),
        task=tasks.classification(data.digits()),
        objectives=[maximize("accuracy"), minimize("flops")],
        training=Training(**{"epochs": 3, "lr": 1e-2, **training}),
        pruner=None,
        sampler=sampler,
    )


def search(
    study: Study, jobs: int, params: list[dict[str, Any]], trials: int | None = None
) -> list[FrozenTrial]:
    opened = study.open(optuna.storages.InMemoryStorage())
    for each in params:
        opened.enqueue_trial(each)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        opened.optimize(study.objective, n_trials=trials or len(params), n_jobs=jobs)
    return opened.trials


@pytest.mark.parametrize("training", [{}, {"flip": True, "crop": 1, "mixup": 0.2}])
def test_threads_train_to_the_very_values_of_one(training: dict[str, Any]) -> None:
    study = trained(**training)
    params = [{"width": width} for width in (4, 6, 8, 10)]
    one, two = (search(study, jobs, params) for jobs in (1, 2))
    assert [trial.values for trial in two] == [trial.values for trial in one]
    assert [t.user_attrs["metrics"]["loss"] for t in two] == [t.user_attrs["metrics"]["loss"] for t in one]


def test_equal_parameters_have_equal_values_and_are_trained_once() -> None:
    trials = search(trained(), 2, [{"width": 8}] * 3)
    assert len({tuple(trial.values) for trial in trials}) == 1
    assert sum("twin" in trial.user_attrs for trial in trials) == 2


def test_trainings_that_take_turns_say_so_once_and_leave_the_caller_s_random_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "_told", threading.Event())
    study = trained(epochs=1)
    opened = study.open(optuna.storages.InMemoryStorage())
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with pytest.warns(UserWarning, match="take turns") as told:
        opened.optimize(study.objective, n_trials=6, n_jobs=3)
    assert len([warning for warning in told if "optnas run --workers 2" in str(warning.message)]) == 1
    assert torch.equal(torch.rand(3), expected)


def test_evaluations_of_one_s_own_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=20)

    def evaluate(candidate: Candidate, report: Any) -> dict[str, float]:
        both.wait()
        return {"score": float(candidate.params["width"])}

    study = Study(
        "own", ops.conv(integer(1, 8, name="width")), evaluate=evaluate, objectives=[maximize("score")]
    )
    trials = search(study, 2, [{"width": width} for width in (1, 2, 3, 4)])
    assert all(trial.state == TrialState.COMPLETE for trial in trials)


@pytest.mark.parametrize("sampler", ["ehvi", "tpe", "evolution"])
def test_samplers_propose_in_threads(sampler: str) -> None:
    trials = search(trained(sampler, epochs=1, lr=choose(1e-2, 1e-3, name="lr")), 2, [], trials=6)
    assert all(trial.state == TrialState.COMPLETE for trial in trials)
