"""A task of one's own."""

from __future__ import annotations

import dataclasses

import optuna
import pytest
import torch
from torch import Tensor, nn

from optnas import Node, Study, Training, UserError, data, maximize, minimize, ops, parse, tasks
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


IMAGES = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
LARGE = torch.nn.functional.interpolate(IMAGES, scale_factor=2)


class Enlarged(tasks.Task):
    """Images of twice the size, of which the task says no shape."""

    data = data.tensors(IMAGES, LARGE, kinds="raw", name="enlarged")
    metrics = ("mse",)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:  # type: ignore[override]
        return (outputs - targets).square().mean()

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        return {"mse": self.loss(outputs, targets).item()}


def fits(space: Node, task: tasks.Task) -> str:
    """Return why no architecture of a study fits its task; empty if one does."""
    study = Study("one", space, task=task, objectives=[minimize(task.metrics[0]), minimize("flops")])
    try:
        study.check_fits()
    except UserError as error:
        return str(error)
    return ""


def test_targets_that_are_values_of_several_axes_are_the_shape_of_outputs() -> None:
    assert Enlarged().output_shape == (1, 16, 16)
    assert fits(ops.seq(ops.upsample(2), ops.conv(1)), Enlarged()) == ""

    class Both(Enlarged):
        data = data.tensors(IMAGES, {"large": LARGE, "mean": IMAGES.mean((1, 2, 3))}, name="both")

    assert Both().output_shape == {"large": (1, 16, 16), "mean": (1,)}

    class Said(Enlarged):
        def load() -> data.Splits:  # type: ignore[misc]
            part = data.Split(IMAGES, LARGE)
            return data.Splits(part, part, part, outputs=3)

        data = data.Data("said", load)

    assert Said().output_shape == (3,)  # whoever makes the data may say that something else is put out


def test_outputs_of_another_shape_name_both_ways_out() -> None:
    found = fits(ops.seq(ops.conv(2), ops.relu()), Enlarged())
    assert "the task takes (1, 16, 16): end the space with conv(1, 1, bias=True)" in found
    assert "or set output_shape in Enlarged if its loss takes (2, 8, 8)" in found
    assert "output_shape" not in fits(ops.conv(2), tasks.classification(data.digits()))


def test_a_head_puts_out_as_many_as_the_task_of_ones_own_says() -> None:
    class Risk(Enlarged):
        data = data.tensors(
            IMAGES, {"time": IMAGES.mean((1, 2, 3)), "event": torch.arange(60) % 2}, name="risk"
        )
        output_shape = (1,)

        def loss(self, outputs: Tensor, targets: dict[str, Tensor]) -> Tensor:  # type: ignore[override]
            return (outputs[:, 0] * targets["time"] - targets["event"]).square().mean()

    assert fits(ops.head(), Risk()) == ""
    Risk.output_shape = None  # type: ignore[assignment]
    assert "how many outputs? write head(10)" in fits(ops.head(), Risk())
    assert "output_shape = (10,)" in fits(ops.head(), Risk())


NODES = 12
EDGES = tuple((node, node + 1) for node in range(NODES - 1))


class Nodes(tasks.Task):
    """One graph: the class of each node, known of some."""

    metrics = ("accuracy",)
    output_shape = (NODES, 2)
    splits = data.Split(
        torch.randn(1, NODES, 3, generator=torch.Generator().manual_seed(0)), torch.arange(NODES)[None] % 2
    )
    data = data.Data("nodes", lambda: data.Splits(*[Nodes.splits] * 3, outputs=2))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:  # type: ignore[override]
        return torch.nn.functional.cross_entropy(outputs.transpose(1, 2), targets)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        return {"accuracy": (outputs.argmax(2) == targets).float().mean().item()}


@pytest.mark.parametrize("norm", [ops.norm(), ops.layernorm()])
def test_one_sample_of_many_targets_is_enough_to_train_on(norm: Node) -> None:
    layer = ops.seq(ops.graph_conv(8, edges=EDGES), norm, ops.relu())
    study = Study("nodes", ops.seq(layer, ops.linear(2)), task=Nodes(), objectives=[maximize("accuracy")],
                  training=Training(epochs=40, lr=0.05))  # fmt: skip
    opened = optuna.create_study(direction="maximize")
    opened.optimize(study.objective, n_trials=1)
    assert opened.best_value > 0.8


def test_one_sample_that_cannot_be_trained_on_is_refused_before_the_first_trial() -> None:
    pooled = ops.seq(ops.flatten(), ops.linear(4), ops.norm(), ops.linear(2 * NODES))
    study = Study("nodes", pooled, task=Nodes(), objectives=[maximize("accuracy")])
    with pytest.raises(UserError, match=r"'nodes' has one training sample: .*use layernorm or groupnorm"):
        study.shape  # noqa: B018

    class One(Enlarged):
        def load() -> data.Splits:  # type: ignore[misc]
            part = data.Split(IMAGES[:1], torch.ones(1))
            return data.Splits(part, part, part, outputs=1)

        data = data.Data("one", load)

    with pytest.raises(UserError, match="'one': one sample is too few to train on"):
        Study("one", ops.head(1), task=One(), objectives=[minimize("mse")]).shape  # noqa: B018
