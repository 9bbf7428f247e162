from __future__ import annotations

from typing import Any

import pytest
import torch

from optnas import Training, data, tasks
from optnas.train import fit
from optnas.train.schedule import SCHEDULES, learning_rate


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_warm_up_rises_from_a_tenth_and_the_schedule_takes_the_rest(schedule: str) -> None:
    assert learning_rate(schedule, 0.5, 0.0) == pytest.approx(0.1)
    assert learning_rate(schedule, 0.5, 0.25) == pytest.approx(0.55)
    assert learning_rate(schedule, 0.5, 0.5) == pytest.approx(1.0)
    assert learning_rate(schedule, 0.0, 0.0) == 1.0


def test_each_schedule_has_its_own_warm_up() -> None:
    assert learning_rate("one-cycle", None, 0.0) == pytest.approx(0.1)
    assert learning_rate("one-cycle", None, 0.25) == 1.0
    assert learning_rate("cosine", None, 0.0) == 1.0
    assert learning_rate("cosine", None, 0.5) == pytest.approx(0.5)
    assert learning_rate("cosine", None, 0.999999) == pytest.approx(0.0, abs=1e-6)
    assert learning_rate("constant", None, 0.7) == 1.0


def test_steps_are_taken_at_the_milestones() -> None:
    rates = [learning_rate("step", None, p, 0.5, (0.25, 0.75)) for p in (0.0, 0.24, 0.25, 0.7, 0.75, 0.99)]
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


def test_an_exponential_falls_by_equal_factors_to_its_end() -> None:
    rates = [learning_rate("exponential", None, progress, 0.01) for progress in (0.0, 0.25, 0.5, 1.0)]
    assert rates == pytest.approx([1.0, 0.01**0.25, 0.1, 0.01])


def test_a_training_follows_its_schedule() -> None:
    kept: list[torch.optim.Optimizer] = []
    rates: list[float] = []

    class Noted(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    def noted(weights: list[torch.nn.Parameter], lr: float) -> torch.optim.Optimizer:
        kept.append(Noted(weights, lr))
        return kept[-1]

    training = Training(
        epochs=4, batch_size=128, lr=0.8, schedule="step", lr_decay=0.5, milestones=(0.25, 0.5),
        optimizer="noted", optimizers={"noted": noted},
    )  # fmt: skip
    task = tasks.classification(data.sklearn("iris"))
    fit(torch.nn.Linear(4, 3), task, training, device=torch.device("cpu"), seed=0)
    assert rates == [0.8, 0.4, 0.2, 0.2]
