"""Batches with one number per channel for a batch norm are infeasible, and refused where it is always so."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from optnas import Node, Study, Training, UserError, choose, data, maximize, ops, tasks
from optnas.trials.record import BUILDABLE, REASON

WIDTH = choose(4, 8, name="width")
VECTORS = ops.seq(ops.flatten(), ops.linear(WIDTH), ops.norm(), ops.head())
ONE_PIXEL = ops.seq(ops.maxpool(8), ops.conv(WIDTH), ops.norm(), ops.head())
IMAGES = ops.seq(ops.conv(WIDTH), ops.norm(), ops.head())
WITHOUT = ops.seq(ops.flatten(), ops.linear(WIDTH), ops.layernorm(), ops.head())
EITHER = ops.seq(
    ops.flatten(), ops.linear(WIDTH), choose(ops.norm(), ops.layernorm(), name="norm"), ops.head()
)


def declared(space: Node, batch_size: Any) -> Study:
    rng = np.random.default_rng(0)
    task = tasks.classification(data.tensors(rng.normal(size=(60, 1, 8, 8)), np.arange(60) % 2))
    training = Training(epochs=1, batch_size=batch_size)
    return Study("single", space, task=task, objectives=[maximize("accuracy")], training=training)


def trials(study: Study, *enqueued: dict[str, Any]) -> list[optuna.trial.FrozenTrial]:
    opened = optuna.create_study(direction="maximize")
    for params in enqueued:
        opened.enqueue_trial(params)
    opened.optimize(study.objective, n_trials=len(enqueued))
    return opened.trials


@pytest.mark.parametrize("space", [VECTORS, ONE_PIXEL])
def test_a_batch_norm_that_never_has_two_numbers_is_refused_before_the_first_trial(space: Node) -> None:
    with pytest.raises(UserError, match=r"batch_size=1.*give a batch_size of at least 2, or use layernorm"):
        declared(space, 1).shape  # noqa: B018
    assert declared(space, 2).shape == (1, 8, 8)


@pytest.mark.parametrize("space", [IMAGES, WITHOUT])
def test_batches_of_one_train_where_there_are_numbers_enough(space: Node) -> None:
    (trial,) = trials(declared(space, 1), {"width": 4})
    assert trial.state == TrialState.COMPLETE


@pytest.mark.parametrize(
    ("space", "batch_size", "bad", "good"),
    [
        (EITHER, 1, {"norm": "norm"}, {"norm": "layernorm"}),
        (VECTORS, choose(1, 4), {"batch_size": 1}, {"batch_size": 4}),
    ],
)
def test_what_only_some_trials_cannot_train_is_infeasible_for_the_sampler(
    space: Node, batch_size: Any, bad: dict[str, Any], good: dict[str, Any]
) -> None:
    pruned, complete = trials(declared(space, batch_size), bad, good)
    assert pruned.state == TrialState.PRUNED
    assert pruned.constraints[BUILDABLE] > 0
    assert "batch norm has one number per channel" in REASON.get(pruned, "")
    assert complete.state == TrialState.COMPLETE


@pytest.mark.parametrize("batch_size", [5, 7, 47])
def test_a_left_over_sample_is_no_batch_of_its_own(batch_size: int) -> None:
    (trial,) = trials(declared(VECTORS, batch_size), {"width": 4})
    assert trial.state == TrialState.COMPLETE
