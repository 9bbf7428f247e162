"""Training with several inputs and heads, and of tasks that measure or make their data by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from optnas import Study, Training, UserError, data, maximize, minimize, ops, tasks
from optnas.space import SpaceError
from optnas.tasks import Step
from optnas.train import batches, fit
from optnas.train.checks import check_training
from optnas.train.task import Batches

N = 240
RNG = torch.Generator().manual_seed(0)
USER = torch.randint(0, 12, (N,), generator=RNG)
PICTURE = torch.randn(N, 1, 6, 6, generator=RNG)
TASTE = torch.randn(12, generator=RNG)
NETWORK = ops.seq(
    ops.branch(
        ops.seq(ops.input("user"), ops.embedding(8, vocabulary=12)),
        ops.seq(ops.input("picture"), ops.flatten()),
        merge="concat",
    ),
    ops.linear(16),
    ops.relu(),
    ops.fork(kind=ops.linear(2), value=ops.linear(1)),
)


class Both(tasks.Task):
    """A class and a value of each sample, by one network."""

    metrics = ("accuracy", "mse")

    def __init__(self) -> None:
        value = TASTE[USER] + PICTURE.mean((1, 2, 3))
        x = {"user": USER.numpy(), "picture": PICTURE.numpy()}
        y = {"kind": (value > 0).numpy(), "value": value.numpy()}
        self.data = data.tensors(x, y, kinds={"user": "ids"})

    def loss(self, outputs: Any, targets: Any, *, label_smoothing: float = 0.0) -> Tensor:
        kind = cross_entropy(outputs["kind"], targets["kind"])
        return kind + mse_loss(outputs["value"][:, 0], targets["value"])

    def measure(self, outputs: Any, targets: Any) -> dict[str, float]:
        right = outputs["kind"].argmax(dim=1) == targets["kind"]
        mse = mse_loss(outputs["value"][:, 0], targets["value"])
        return {"accuracy": right.float().mean().item(), "mse": mse.item()}


def trained(task: tasks.Task, network: Any = NETWORK, **more: Any) -> dict[str, float]:
    torch.manual_seed(0)
    module = network.build(task.data.shape, **task.context)
    settings = Training(**{"epochs": 12, "batch_size": 32, "lr": 1e-2, **more.pop("training", {})})
    return fit(module, task, settings, device=torch.device("cpu"), seed=0, **more)


def test_a_network_of_two_inputs_and_two_heads_learns_both() -> None:
    found = trained(Both())
    assert found["accuracy"] > 0.8
    assert found["mse"] < 0.5


def test_micro_batches_of_several_tensors_learn_the_same() -> None:
    whole, pieces = trained(Both()), trained(Both(), pieces=4)
    assert pieces["mse"] == pytest.approx(whole["mse"], rel=1e-3)


def test_a_study_of_several_inputs_searches_and_refuses_another_output() -> None:
    goals = [maximize("accuracy"), minimize("flops")]
    study = Study("both", NETWORK, task=Both(), objectives=goals, training=Training(epochs=1))
    assert study.tree_costs(NETWORK)["flops"] > 0
    with pytest.raises(SpaceError, match=r"puts out \(1,\), but the task takes kind 2, value 1: .*fork"):
        study.tree_costs(ops.seq(ops.input("picture"), ops.flatten(), ops.linear(1)))


def test_mixing_several_targets_is_refused_before_a_search() -> None:
    with pytest.raises(UserError, match="mixes targets of one tensor, and yours are several"):
        check_training(Both(), Training(mixup=0.5))


@pytest.mark.parametrize("change", [{"flip": True}, {"crop": 2}])
def test_a_mask_by_name_moves_with_its_picture_and_a_class_stays(change: dict[str, Any]) -> None:
    x = torch.rand(40, 1, 6, 6, generator=RNG)
    y = {"mask": (x[:, 0] > 0.5).long(), "kind": torch.arange(40) % 2}
    part = data.Split(x, y)
    splits = data.Splits(part, part, part, {"mask": 2, "kind": 2})
    shuffled = batches.Shuffled(splits, [20, 20], Training(**change), torch.Generator().manual_seed(1))
    pairs = list(shuffled)
    moved = torch.cat([x for x, _ in pairs])
    assert torch.equal(torch.cat([y["mask"] for _, y in pairs]), (moved[:, 0] > 0.5).long())
    assert sorted(torch.cat([y["kind"] for _, y in pairs]).tolist()) == [0] * 20 + [1] * 20
    assert not torch.equal(moved.sort(dim=0).values, x.sort(dim=0).values)


class Seen(Both):
    """Measures by itself, from the inputs and the module."""

    metrics = ("weights", "samples", "mse")

    def evaluate(self, module: nn.Module, batches: Batches) -> dict[str, float]:
        assert not module.training
        assert not torch.is_grad_enabled()
        inputs = [x["user"] for x, _ in batches]
        errors = [mse_loss(module(x)["value"][:, 0], y["value"], reduction="sum") for x, y in batches]
        samples = sum(map(len, inputs))
        assert torch.equal(torch.cat(inputs), self.data.splits.validation.x["user"])
        assert torch.equal(torch.cat([y["kind"] for _, y in batches]), batches.targets["kind"])
        weights = sum(weight.numel() for weight in module.parameters())
        return {"weights": weights, "samples": samples, "mse": float(sum(errors)) / samples}


def test_a_task_may_measure_by_the_inputs_and_the_module_itself() -> None:
    found = trained(Seen())
    assert found["samples"] == len(Seen().data.splits.validation)
    assert found["weights"] == NETWORK.cost(Seen().data.shape).params
    assert found["mse"] == pytest.approx(trained(Both())["mse"], rel=1e-4)


class Nothing(tasks.Task):
    data = data.tensors(PICTURE.numpy(), (USER > 5).numpy())
    metrics = ("a",)

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        return cross_entropy(outputs, targets)


def test_a_task_without_a_measure_says_what_it_needs() -> None:
    with pytest.raises(NotImplementedError, match=r"Nothing needs measure\(outputs, targets\), or evaluate"):
        trained(Nothing(), ops.seq(ops.flatten(), ops.head()), training={"epochs": 1})


class Walker(tasks.Task):
    """Learns to go towards 0 from what it meets: the state it is in, and which step was right."""

    data = data.tensors(torch.randn(50, 2, generator=RNG).numpy(), torch.arange(50).numpy() % 2)
    metrics = ("reached",)
    batches_per_epoch = 5

    def __init__(self) -> None:
        self.called: list[int] = []

    def experience(
        self, module: nn.Module, training: Training, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        self.called.append(training.batch_size)
        for _ in range(self.batches_per_epoch):
            state = torch.randn(training.batch_size, 2, generator=generator)
            yield state, (state.sum(dim=1) > 0).long()

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        return cross_entropy(outputs, targets)

    def evaluate(self, module: nn.Module, batches: Batches) -> dict[str, float]:
        state = torch.randn(200, 2, generator=torch.Generator().manual_seed(9))
        right = module(state).argmax(dim=1) == (state.sum(dim=1) > 0)
        return {"reached": right.float().mean().item()}


def test_a_task_may_bring_its_data_as_it_learns() -> None:
    task = Walker()
    found = trained(task, ops.seq(ops.linear(8), ops.relu(), ops.linear(2)))
    assert found["reached"] > 0.9
    assert task.called == [32] * 12
    assert found == trained(Walker(), ops.seq(ops.linear(8), ops.relu(), ops.linear(2)))


def test_a_step_of_one_s_own_gets_several_tensors() -> None:
    seen: list[Any] = []

    class Own(Both):
        def own_step(self, module: nn.Module, training: Training) -> Step:
            def step(inputs: Any, targets: Any, rate: float) -> Tensor:
                seen.append((sorted(inputs), sorted(targets)))
                return torch.zeros(())

            return step

    trained(Own(), training={"epochs": 1})
    assert seen[0] == (["picture", "user"], ["kind", "value"])
