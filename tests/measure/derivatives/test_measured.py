"""Metrics of derivatives as objectives and constraints of studies."""

import math

import optuna
import pytest
import torch

import optnas
from optnas import Study, Training, data, maximize, minimize, ops, tasks
from optnas.errors import UserError
from optnas.measure.derivatives.measured import DERIVATIVES
from optnas.trials.record import METRICS, REASON, UNBOUNDED, constraints_of

_SPACE = ops.seq(
    optnas.choose(ops.conv(2), ops.conv(4), name="op"), ops.norm(), ops.swish(beta=1.3), ops.head()
)
_ATTENTION = ops.seq(ops.patches(4, size=4), ops.self_attention(heads=1), ops.head())


def run(space, objectives, constraints=(), device="cpu"):
    study = Study(
        name="derived",
        space=space,
        task=tasks.classification(data.digits()),
        objectives=objectives,
        constraints=constraints,
        training=Training(epochs=1, device=device, lr=0.01),
    )
    optuna_study = optuna.create_study(directions=study.directions)
    optuna_study.optimize(study.objective, n_trials=1)
    return optuna_study.trials[0]


def test_all_are_measured_of_the_trained_network():
    trial = run(
        _SPACE,
        [maximize("accuracy"), minimize("log10(lipschitz)")],
        ["sharpness <= 1e-6", "lipschitz_lower <= 1e6", "margin_bound <= 1e30"],
    )
    found = METRICS.get(trial, {})
    assert set(DERIVATIVES) <= set(found)
    assert 0 < found["lipschitz_lower"] <= found["lipschitz"] < math.inf
    assert trial.values == pytest.approx([found["accuracy"], math.log10(found["lipschitz"])])
    broken = constraints_of(trial)
    assert broken["sharpness <= 1e-6"] > 0 > broken["lipschitz_lower <= 1e6"]
    assert found["sharpness"] > 0
    assert found["margin_bound"] > 0


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_all_are_measured_on_cuda():
    asked = ["lipschitz <= 1e9", "lipschitz_lower <= 1e6", "sharpness <= 1e9", "margin_bound <= 1e30"]
    found = METRICS.get(run(_SPACE, [maximize("accuracy")], asked, device="cuda"), {})
    assert set(DERIVATIVES) <= set(found)
    assert 0 < found["lipschitz_lower"] <= found["lipschitz"] < math.inf


def test_none_is_measured_unless_it_is_asked_for():
    trial = run(_SPACE, [maximize("accuracy"), minimize("flops")])
    assert not set(DERIVATIVES) & set(METRICS.get(trial, {}))


def test_a_network_without_a_bound_says_why_and_is_infeasible_or_pruned():
    trial = run(_ATTENTION, [maximize("accuracy")], ["lipschitz <= 10"])
    assert trial.state == optuna.trial.TrialState.COMPLETE
    assert 1 < constraints_of(trial)["lipschitz <= 10"] < math.inf
    assert "attention" in UNBOUNDED.of(trial)
    trial = run(_ATTENTION, [maximize("accuracy"), minimize("lipschitz")])
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert REASON.of(trial).startswith("lipschitz is inf: attention")


def test_what_cannot_be_measured_is_refused_before_any_training():
    texts = tasks.language(data.text(context=8))
    space = ops.seq(ops.embedding(4), ops.lm_head())
    ids = Study(name="ids", space=space, task=texts, objectives=[minimize("lipschitz")])
    with pytest.raises(UserError, match="lipschitz is of networks whose input is one tensor of numbers"):
        ids.shape  # noqa: B018
    numbers = tasks.regression(data.sklearn("diabetes"))
    unmeasured = Study(name="margins", space=ops.head(), task=numbers, objectives=[minimize("margin_bound")])
    with pytest.raises(UserError, match="margin_bound is of classification"):
        unmeasured.shape  # noqa: B018


def test_nothing_is_pruned_by_what_is_measured_after_training():
    task = tasks.classification(data.digits())
    objectives = [maximize("accuracy"), minimize("flops"), minimize("sharpness")]
    assert Study(name="auto", space=_SPACE, task=task, objectives=objectives).pruner == "none"
    with pytest.raises(UserError, match="sharpness: measured after training alone"):
        Study(name="pruned", space=_SPACE, task=task, objectives=objectives, pruner="median")
    constrained = Study(
        name="limited",
        space=_SPACE,
        task=task,
        objectives=objectives[:2],
        constraints=["sharpness <= 9"],
        pruner="median",
    )
    assert constrained.pruner == "median"
