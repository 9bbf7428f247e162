"""The way of one trial, and what its record says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import FrozenTrial, TrialState

from optnas import Candidate, Study, Training, choose, data, integer, maximize, minimize, op, ops, real, tasks
from optnas.samplers.history import HistoryReader
from optnas.storages.opening import open_storage
from optnas.train import fit
from optnas.trials.rungs import rungs_of

DIGITS = tasks.classification(data.digits())


def search(study: Study, trials: int = 1, enqueue: list[dict[str, Any]] | None = None) -> list[FrozenTrial]:
    opened = study.open(optuna.storages.InMemoryStorage())
    for params in enqueue or []:
        opened.enqueue_trial(params)
    opened.optimize(study.objective, n_trials=trials, catch=(Exception,))
    return opened.trials


def trained(**changes: Any) -> Study:
    settings: dict[str, Any] = {
        "name": "trained",
        "space": ops.seq(ops.conv(choose(4, 8, name="width")), ops.norm(), ops.relu(), ops.head()),
        "task": DIGITS,
        "objectives": [maximize("accuracy"), minimize("flops")],
        "training": Training(epochs=2, lr=1e-2),
    }
    return Study(**{**settings, **changes})


def evaluated(evaluate: Callable[..., Mapping[str, float]], **changes: Any) -> Study:
    space = ops.seq(ops.conv(integer(1, 8, name="width")))
    return Study(
        **{
            "name": "evaluated",
            "space": space,
            "evaluate": evaluate,
            "objectives": [maximize("score")],
            **changes,
        }
    )


def test_a_trial_s_record_says_what_happened() -> None:
    (trial,) = search(trained())
    attributes = trial.user_attrs
    width = trial.params["width"]
    assert attributes["architecture"] == f"seq(conv({width}), norm, relu, head)"
    assert attributes["costs"]["params"] == 9 * width + 2 * width + 10 * width + 10
    suggested = attributes["run"].pop("suggest_seconds")
    assert 0 < suggested < trial.duration.total_seconds()
    assert attributes["run"] == {"device": "cpu", "threads": 1, "seed": 0}
    assert set(attributes["metrics"]) == {"accuracy", "error", "loss", "seconds"}
    assert trial.values == [attributes["metrics"]["accuracy"], attributes["costs"]["flops"]]
    seen: dict[int, float] = {}
    candidate = trained().candidate(trial.params)
    torch.manual_seed(0)
    module = candidate.architecture.build((1, 8, 8), outputs=10)
    fit(
        module,
        DIGITS,
        candidate.training,
        device=torch.device("cpu"),
        seed=0,
        report=lambda epoch, metrics: seen.update({epoch: metrics["accuracy"]}),
    )
    assert attributes["rung:1"] == [seen[1], trial.values[1]]


def test_the_same_candidate_is_never_trained_twice() -> None:
    first, again, other = search(trained(), 3, [{"width": 4}, {"width": 4}, {"width": 8}])
    assert again.user_attrs["twin"] == 0
    assert again.values == first.values
    assert again.user_attrs["metrics"] == first.user_attrs["metrics"]
    assert "run" not in again.user_attrs
    assert "twin" not in other.user_attrs


def test_training_choices_make_another_candidate() -> None:
    study = trained(training=Training(epochs=1, lr=real(1e-3, 1e-1, log=True)))
    trials = search(study, 2, [{"width": 4, "lr": 0.01}, {"width": 4, "lr": 0.02}])
    assert ["twin" in trial.user_attrs for trial in trials] == [False, False]


def test_a_function_s_broken_constraint_is_told_with_its_figure() -> None:
    def small(candidate: Candidate) -> float:
        return candidate.costs["params"] / 100 - 1

    _, large = search(trained(constraints=[small]), 2, [{"width": 4}, {"width": 8}])
    assert large.user_attrs["reason"] == "breaks 'small' by 0.78"


def test_a_broken_constraint_is_told_and_nothing_is_trained() -> None:
    study = trained(constraints=["params <= 100", lambda candidate: candidate.costs["flops"] < 1e9])
    small, large = search(study, 2, [{"width": 4}, {"width": 8}])
    assert small.state == TrialState.COMPLETE
    assert large.state == TrialState.PRUNED
    assert large.user_attrs["reason"] == "breaks 'params <= 100' with params = 178"
    assert large.constraints["params <= 100"] == pytest.approx(0.78)
    assert "metrics" not in large.user_attrs


def test_a_constraint_on_what_is_measured_keeps_the_values_but_not_the_place_on_the_front() -> None:
    from optnas.trials.progress import front

    study = trained(constraints=["accuracy >= 1.1"])
    opened = study.open(optuna.storages.InMemoryStorage())
    opened.optimize(study.objective, n_trials=1)
    (trial,) = opened.trials
    assert trial.state == TrialState.COMPLETE
    assert trial.constraints["accuracy >= 1.1"] > 0
    assert front(opened) == []


def test_an_impossible_shape_is_infeasible_and_names_the_node() -> None:
    study = trained(space=ops.seq(ops.conv(4), ops.maxpool(choose(2, 9, name="pool")), ops.head()))
    good, bad = search(study, 2, [{"pool": 2}, {"pool": 9}])
    assert good.state == TrialState.COMPLETE
    assert bad.state == TrialState.PRUNED
    assert "maxpool(9) cannot be built on an input of shape (4, 8, 8)" in bad.user_attrs["reason"]
    assert bad.constraints == {"buildable": 1.0}


def test_a_network_without_a_head_is_told_so() -> None:
    (trial,) = search(trained(space=ops.seq(ops.flatten(), ops.linear(choose(7, 8)))))
    assert "the task takes (10,): end the space with head" in trial.user_attrs["reason"]


def test_a_training_that_diverges_is_pruned_with_the_reason() -> None:
    space = ops.seq(ops.flatten(), ops.linear(32), ops.relu(), ops.head())
    (trial,) = search(trained(space=space, training=Training(epochs=2, optimizer="sgd", lr=1e6)))
    assert trial.state == TrialState.PRUNED
    assert "the loss became nan in epoch 2" in trial.user_attrs["reason"]


def test_what_a_training_promised_before_it_diverged_is_not_believed() -> None:
    space = ops.seq(ops.flatten(), ops.linear(choose(32, 33)), ops.relu(), ops.head())
    diverging = trained(space=space, training=Training(epochs=2, optimizer="sgd", lr=1e6))
    opened = diverging.open(optuna.storages.InMemoryStorage())
    opened.optimize(diverging.objective, n_trials=1)
    assert opened.trials[0].constraints == {"finite": 1.0}
    assert len(rungs_of(opened.trials[0])) == 1
    (told,) = HistoryReader().read(opened, diverging.domain, -1).finished
    assert told.reached is None


def test_a_bug_in_a_user_s_op_fails_the_trial_with_its_place() -> None:
    @op
    def broken_activation(x: torch.Tensor) -> torch.Tensor:
        if x.device.type != "meta":
            raise RuntimeError("boom")
        return x

    space = ops.seq(ops.conv(4), broken_activation(), ops.head())
    (trial,) = search(trained(space=space))
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs["reason"].startswith("RuntimeError: boom (test_trial.py:")


def test_the_pruner_ends_a_trial_at_a_rung() -> None:
    def evaluate(candidate: Candidate, report: Callable[..., None]) -> dict[str, float]:
        width = candidate.params["width"]
        report(1, {"score": -width})
        return {"score": -width}

    study = evaluated(evaluate, sampler="random")
    trials = search(study, 8, [{"width": width} for width in range(1, 9)])
    assert [trial.state.name for trial in trials[:3]] == ["COMPLETE"] * 3
    assert trials[7].state == TrialState.PRUNED
    assert trials[7].user_attrs["reason"] == "not among the best at rung 1"
    assert rungs_of(trials[7]) == {1: [-8.0]}


def test_one_s_own_evaluation_gets_the_candidate_with_its_costs_and_seed() -> None:
    seen: list[Candidate] = []

    def evaluate(candidate: Candidate, report: Callable[..., None]) -> dict[str, float]:
        seen.append(candidate)
        return {"score": 1.0}

    study = evaluated(
        evaluate,
        shape=(3, 8, 8),
        objectives=[maximize("score"), minimize("2 * params")],
        seed=100,
        training=Training(lr=choose(0.1, 0.2)),
    )
    (trial,) = search(study, 1, [{"width": 5, "lr": 0.2}])
    (candidate,) = seen
    assert str(candidate.architecture) == "seq(conv(5))"
    assert candidate.costs["params"] == 3 * 5 * 9
    assert (candidate.training.lr, candidate.seed) == (0.2, 100)
    assert trial.values == [1.0, 2 * 3 * 5 * 9]


def test_tensors_and_numpy_s_numbers_are_numbers_in_any_storage(tmp_path: Path) -> None:
    def evaluate(candidate: Candidate, report: Callable[..., None]) -> dict[str, Any]:
        report(1, {"score": torch.tensor(0.25), "n": np.int64(3)})
        return {"score": torch.tensor(0.5, requires_grad=True), "n": np.float32(2), "note": "as it is"}

    study = evaluated(evaluate, objectives=[maximize("score"), minimize("n"), minimize("macs")], costs=macs)
    opened = study.open(open_storage(f"sqlite:///{tmp_path}/a.db"))
    opened.optimize(study.objective, n_trials=1)
    (trial,) = opened.trials
    assert trial.values == [0.5, 2, 7]
    assert rungs_of(trial) == {1: [0.25, 3, 7]}
    assert {**trial.user_attrs["metrics"], "seconds": 0} == {
        "score": 0.5,
        "n": 2,
        "note": "as it is",
        "seconds": 0,
    }


def macs(candidate: Candidate) -> dict[str, Any]:
    return {"macs": torch.tensor(7)}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (0.5, "what is measured is a dict such as {'accuracy': 0.9}, not 0.5"),
        (None, "not None"),
        ({"score": None}, "maximize('score') needs a number, but score is None"),
        ({"score": "good"}, "score is 'good'"),
        ({"score": torch.ones(2)}, "score is not one number, but tensor([1., 1.])"),
    ],
)
def test_an_evaluation_that_returns_no_metrics_is_told_so(answer: Any, said: str) -> None:
    (trial,) = search(evaluated(lambda candidate, report: answer))
    assert trial.state == TrialState.FAIL
    assert said in trial.user_attrs["reason"]


def test_a_value_that_is_no_number_ends_the_trial_with_its_name() -> None:
    (trial,) = search(evaluated(lambda candidate, report: {"score": float("nan")}))
    assert trial.state == TrialState.PRUNED
    assert "score is not a number" in trial.user_attrs["reason"]


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2", "gp", optuna.samplers.QMCSampler(seed=0)])
def test_every_sampler_searches_architectures_and_training_together(sampler: Any) -> None:
    study = Study(
        "samplers",
        ops.seq(ops.conv(choose(4, 8, name="width")), choose(ops.relu(), ops.swish(real(0.5, 2.0)))),
        evaluate=lambda candidate, report: {
            "score": candidate.training.lr,
            "size": candidate.params["width"],
        },
        objectives=[maximize("score"), minimize("size")],
        training=Training(lr=real(1e-3, 1e-1, log=True)),
        sampler=sampler,
    )
    trials = search(study, 14)
    assert all(trial.state == TrialState.COMPLETE for trial in trials)
    assert len({trial.params["lr"] for trial in trials}) > 10


def test_the_objective_is_an_ordinary_one_for_optuna() -> None:
    study = trained()
    plain = optuna.create_study(directions=study.directions)
    plain.optimize(study.objective, n_trials=2)
    assert len(plain.best_trials) >= 1


def test_training_leaves_the_caller_s_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    search(trained())
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(("most", "pieces"), [(64, None), (20, 4), (1, 0)])
def test_a_network_too_large_for_memory_trains_in_pieces_or_is_infeasible(
    most: int, pieces: int | None
) -> None:
    @op(name="hungry")
    def hungry(x: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() and len(x) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80 GiB")
        return x

    small, large = search(
        trained(space=ops.seq(choose(ops.relu(), hungry(), name="op"), ops.head()), pruner=None),
        trials=2,
        enqueue=[{"op": "relu"}, {"op": "hungry"}],
    )
    assert small.state == TrialState.COMPLETE
    if pieces == 0:
        assert large.state == TrialState.PRUNED
        assert large.constraints == {"memory": 1.0}
        assert large.user_attrs["reason"] == "out of memory on cpu, even with batches in 32 pieces"
    else:
        assert large.state == TrialState.COMPLETE
        assert large.user_attrs.get("pieces") == pieces
