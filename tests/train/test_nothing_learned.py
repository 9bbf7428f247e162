"""Trainings that will come to nothing are given up, and their record says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import FrozenTrial, TrialState

from optnas import Study, Training, choose, data, maximize, minimize, op, ops, tasks
from optnas.train.nothing_learned import Hopeless, check_hope

DIGITS = tasks.classification(data.digits())
CHANCE, GOOD = {"accuracy": 0.05}, {"accuracy": 0.9}


@pytest.mark.parametrize(
    ("losses", "metrics", "reason"),
    [
        ([2.3, 2.3, 2.3], CHANCE, "the loss does not move: 2.3 in epoch 1, 2.3 in epoch 3"),
        ([2.30, 2.29, 2.28], CHANCE, "at chance.* after 3 epochs, and the loss hardly falls"),
        ([2.0, 3.0, 4.0], CHANCE, "at chance"),
        ([2.3, 2.1, 1.9], CHANCE, None),
        ([2.3, 2.29, 2.28], GOOD, None),
        ([2.3, 2.6, 2.3], GOOD, None),
        ([0.0, 0.0, 0.0], GOOD, None),
        ([2.3], GOOD, None),
    ],
)
def test_what_learns_nothing_is_hopeless(
    losses: list[float], metrics: Mapping[str, float], reason: str | None
) -> None:
    if reason is None:
        check_hope(DIGITS, losses, metrics)
    else:
        with pytest.raises(Hopeless, match=reason):
            check_hope(DIGITS, losses, metrics)


def test_every_task_knows_what_chance_is() -> None:
    diabetes = tasks.regression(data.sklearn("diabetes"))
    assert diabetes.at_chance({"rmse": 1e9}) is not None
    assert diabetes.at_chance({"rmse": 1.0}) is None
    assert "accuracy 0.050 is at chance" in str(DIGITS.at_chance(CHANCE))


def test_a_network_may_first_learn_that_most_samples_are_of_one_class() -> None:
    x, y = torch.randn(100, 4).numpy(), torch.zeros(100, dtype=torch.long).numpy()
    for rare, stays in ((10, True), (40, False)):
        y[:rare] = 1
        task = tasks.classification(data.tensors(x, y))
        assert (task.at_chance({"accuracy": (100 - rare) / 100}) is None) == stays


@op
def blind(x: torch.Tensor) -> torch.Tensor:
    """See nothing."""
    return x * 0.0


def searched(**training: Any) -> list[FrozenTrial]:
    """Search a network that learns and one that sees nothing, one after the other."""
    study = Study(
        "hopeless",
        ops.seq(choose(ops.identity(), blind(), name="eyes"), ops.flatten(), ops.head()),
        task=DIGITS,
        objectives=[maximize("accuracy"), minimize("flops")],
        training=Training(epochs=5, rungs=(1, 2, 3), **training),
        pruner=None,
    )
    opened = study.open(optuna.storages.InMemoryStorage())
    for eyes in ("identity", "blind"):
        opened.enqueue_trial({"eyes": eyes})
    opened.optimize(study.objective, n_trials=2)
    return opened.trials


def test_a_network_at_chance_is_given_up_at_the_second_rung() -> None:
    sees, is_blind = searched(lr=0.1)
    assert sees.state == TrialState.COMPLETE
    assert is_blind.state == TrialState.PRUNED
    assert "at chance" in is_blind.user_attrs["reason"]
    assert "after 2 epochs" in is_blind.user_attrs["reason"]
    assert [name for name in is_blind.user_attrs if name.startswith("rung:")] == ["rung:1", "rung:2"]


@pytest.mark.parametrize(("after", "epoch"), [(1, 1), (3, 3), (0, None)])
def test_when_is_the_user_s_to_say(after: int, epoch: int | None) -> None:
    _, is_blind = searched(lr=0.1, hopeless_after=after)
    assert is_blind.state == (TrialState.COMPLETE if epoch is None else TrialState.PRUNED)
    if epoch is not None:
        assert f"after {epoch} epochs" in is_blind.user_attrs["reason"]


def test_a_loss_that_does_not_move_is_told() -> None:
    sees, _ = searched(lr=1e-9, optimizer="sgd")
    assert sees.state == TrialState.PRUNED
    assert "the loss does not move" in sees.user_attrs["reason"]
