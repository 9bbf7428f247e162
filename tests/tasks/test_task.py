"""A task of one's own."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from optnas import Study, Training, data, minimize, ops, parse, tasks
from optnas.train import fit


@dataclasses.dataclass(frozen=True)
class Ranked(tasks.Task):
    """How close the sum of outputs is to the class."""

    data: data.Data
    metrics = ("distance",)

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        return (outputs.sum(dim=1) - targets).abs().mean()

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        return {"distance": self.loss(outputs, targets).item()}


class Counted(Ranked):
    """Trains nothing and counts its steps."""

    def own_step(self, module: nn.Module, training: Training) -> tasks.Step:
        self.rates.clear()

        def step(inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
            self.rates.append(rate)
            return torch.zeros(())

        return step

    rates: list[float] = []  # noqa: RUF012 - looked at by the test


def test_a_loss_and_a_measure_make_a_task() -> None:
    study = Study(
        "ranked",
        ops.seq(ops.flatten(), ops.head()),
        task=Ranked(data.digits()),
        objectives=[minimize("distance"), minimize("flops")],
    )
    assert study.known is not None
    assert "distance" in study.known
    assert study.task is not None
    torch.manual_seed(0)
    module = parse("seq(flatten, head)").build((1, 8, 8), **study.context)
    before = Ranked(data.digits()).measure(torch.zeros(10, 10), torch.arange(10))["distance"]
    assert fit(module, study.task, Training(), device=torch.device("cpu"), seed=0)["distance"] < before / 2


def test_a_task_may_own_the_training_step() -> None:
    task = Counted(data.digits())
    module = parse("seq(flatten, head)").build((1, 8, 8), **task.context)
    before = [weight.clone() for weight in module.parameters()]
    training = Training(epochs=2, batch_size=539, schedule="cosine")
    fit(module, task, training, device=torch.device("cpu"), seed=0)
    assert task.rates == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-5)  # 2 epochs of 1,078 samples
    assert all(map(torch.equal, before, module.parameters()))


def test_a_loss_that_smooths_no_labels_need_not_know_of_it() -> None:
    class Plain(Ranked):
        def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:  # type: ignore[override]
            return super().loss(outputs, targets)

    module = parse("seq(flatten, head)").build((1, 8, 8), outputs=10)
    training = Training(epochs=1)
    assert fit(module, Plain(data.digits()), training, device=torch.device("cpu"), seed=0)["distance"] > 0


def test_without_a_loss_or_a_step_a_task_says_so() -> None:
    class Idle(Ranked):
        loss = tasks.Task.loss

    module = parse("seq(flatten, head)").build((1, 8, 8), outputs=10)
    with pytest.raises(NotImplementedError, match="Idle needs loss"):
        fit(module, Idle(data.digits()), Training(), device=torch.device("cpu"), seed=0)
