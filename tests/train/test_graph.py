from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optnas import Training, UserError, data, ops, parse, tasks
from optnas.data import Split
from optnas.data.streamed import Streamed
from optnas.train import fit
from optnas.train.graph import GraphedStep, reason_not_to_record
from optnas.train.loop import _usual_step
from optnas.train.optimizers import OPTIMIZERS, make_optimizer
from optnas.train.weights import FlatWeights

CUDA = torch.device("cuda")
needs_cuda = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
SIZE, ODD = 16, 6


class Rerun:
    """Stands in for CUDA's recorder: what it records is the very function, run again."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.done: list[str] = []

    def warm_up(self, step: Callable[[], Tensor]) -> Tensor:
        self.done.append("warm up")
        return step()

    def record(self, step: Callable[[], Tensor]) -> Callable[[], Tensor]:
        self.done.append("record")
        if self.error is not None:
            raise self.error

        def replay() -> Tensor:
            self.done.append("replay")
            return step()

        return replay


def batches() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    sizes = [SIZE] * 6 + [ODD] + [SIZE] * 2 + [ODD]
    return [
        (
            torch.randn(size, 2, 6, 6, generator=generator).to(memory_format=torch.channels_last),
            torch.randint(3, (size,), generator=generator),
        )
        for size in sizes
    ]


def trained(recorder: Rerun | None, optimizer: str = "sgd") -> tuple[list[Tensor], list[float], list[str]]:
    """Return the state of a network after some batches, the losses, and why it was not recorded."""
    torch.manual_seed(0)
    module = parse("seq(conv(4), norm, relu, head)").build((2, 6, 6), outputs=3)
    # Halves of powers of two are the same numbers in float32 as in Python's.
    training = Training(optimizer=optimizer, lr=2**-7, clip=0.5)
    weights = FlatWeights(module)
    task = tasks.classification(data.digits())
    made = make_optimizer(optimizer, weights.parameters, lr=training.lr, weight_decay=0.0, momentum=0.9)
    step = _usual_step(module, weights, made, task, training, 1)
    reasons: list[str] = []
    call = step if recorder is None else GraphedStep(step, SIZE, recorder, reasons.append)
    losses = [call(x, y, 0.5**i).item() for i, (x, y) in enumerate(batches())]
    return [value.clone() for value in module.state_dict().values()], losses, reasons


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_a_replayed_step_trains_as_an_eager_one(optimizer: str) -> None:
    recorder = Rerun()
    values, losses, reasons = trained(recorder, optimizer)
    expected, expected_losses, _ = trained(None, optimizer)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(values, expected, strict=True))
    assert recorder.done == ["warm up"] * 3 + ["record"] + ["replay"] * 5
    assert reasons == []


def several(recorder: Rerun | None, sizes: list[int]) -> tuple[list[Tensor], list[float]]:
    """Return what a network of two inputs and two heads comes to in batches of series of these lengths."""
    torch.manual_seed(0)
    network = ops.seq(
        ops.branch(
            ops.seq(ops.input("user"), ops.embedding(4, vocabulary=5), ops.flatten()),
            ops.seq(ops.input("series"), ops.conv1d(4), ops.head(outputs=4)),
        ),
        ops.fork(kind=ops.linear(3), value=ops.linear(1)),
    )
    module = network.build({"user": (1,), "series": (8, 2)})
    weights = FlatWeights(module)
    training = Training(optimizer="sgd", lr=2**-7)
    made = make_optimizer("sgd", weights.parameters, lr=training.lr, weight_decay=0.0, momentum=0.9)

    class Both(tasks.Task):
        data = data.digits()  # not what it trains on here

        def loss(self, outputs: Any, targets: Any) -> Tensor:  # type: ignore[override]
            value = (outputs["value"][:, 0] - targets["value"]).square().mean()
            return nn.functional.cross_entropy(outputs["kind"], targets["kind"]) + value

    step: Any = _usual_step(module, weights, made, Both(), training, 1)
    call = step if recorder is None else GraphedStep(step, SIZE, recorder, pytest.fail)
    generator, losses = torch.Generator().manual_seed(0), []
    for length in sizes:
        user = torch.randint(5, (SIZE, 1), generator=generator)
        series = torch.randn(SIZE, length, 2, generator=generator)
        kind, value = user[:, 0] % 3, series.mean((1, 2))
        losses.append(call({"user": user, "series": series}, {"kind": kind, "value": value}, 1.0).item())
    return [weight.clone() for weight in module.state_dict().values()], losses


def test_a_step_of_several_tensors_is_replayed_on_their_values_and_only_on_their_shapes() -> None:
    recorder, sizes = Rerun(), [8, 8, 8, 8, 6, 8, 8, 5]
    values, losses = several(recorder, sizes)
    expected, expected_losses = several(None, sizes)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(values, expected, strict=True))
    assert recorder.done == ["warm up"] * 3 + ["record"] + ["replay"] * 3


def test_a_step_that_cannot_be_recorded_trains_on_without_and_says_why() -> None:
    try:
        raise ValueError("the cause\nin two lines")
    except ValueError as cause:
        error = RuntimeError("what came of it")
        error.__context__ = cause
    recorder = Rerun(error)
    values, losses, reasons = trained(recorder)
    expected, expected_losses, _ = trained(None)
    assert losses == expected_losses
    assert all(torch.equal(one, other) for one, other in zip(values, expected, strict=True))
    assert reasons == ["it could not be recorded: the cause"]
    assert recorder.done == ["warm up"] * 3 + ["record"]


def test_what_does_not_suit_a_graph_is_told() -> None:
    held = Split(torch.zeros(2, 1), torch.zeros(2))
    streamed = Streamed.__new__(Streamed)
    assert reason_not_to_record(held, 1000, 1, own_step=False) is None
    assert reason_not_to_record(held, 1000, 1, own_step=True) == "the task has a training step of its own"
    assert reason_not_to_record(held, 1000, 4, own_step=False) == "batches in 4 pieces"
    assert reason_not_to_record(streamed, 1000, 1, own_step=False) == "streamed data"
    assert reason_not_to_record(held, 3, 1, own_step=False) == "only 3 full batches, too few to be worth it"


def test_whether_to_record_is_yes_or_no() -> None:
    with pytest.raises(UserError, match="give True or False"):
        Training(cuda_graph="auto")  # type: ignore[arg-type]


class _Watched(nn.Module):
    """A head on digits that counts how often it ran on the device, and draws random numbers there."""

    drawn: Tensor

    def __init__(self, act: Callable[[Tensor], object] = lambda x: None) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)
        self.act = act
        self.register_buffer("drawn", torch.zeros(2))
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.act(x)
            number = torch.rand((), device=x.device)
            self.drawn += torch.stack((number, number**2))
            self.steps += 1
        return self.linear(x.flatten(1))


def watched(act: Callable[[Tensor], object]) -> tuple[_Watched, list[str]]:
    torch.manual_seed(0)
    module, reasons = _Watched(act), []
    task, training = tasks.classification(data.digits()), Training(epochs=5, lr=1e-2)
    found = fit(module, task, training, device=CUDA, seed=0, eager=reasons.append)
    assert found["accuracy"] > 0.9
    return module, reasons


def _while_recording(act: Callable[[Tensor], object]) -> Callable[[Tensor], object]:
    return lambda x: act(x) if torch.cuda.is_current_stream_capturing() else None


def _fail(x: Tensor) -> None:
    raise ValueError("not here")


class TestOnCuda:
    pytestmark = needs_cuda

    @pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
    @pytest.mark.parametrize("ema", [0.0, 0.9])
    def test_a_graph_trains_as_an_eager_step(self, optimizer: str, ema: float) -> None:
        found, states = [], []
        for cuda_graph in (True, False):
            torch.manual_seed(0)
            module = parse("seq(conv(16), norm, relu, maxpool(2), conv(32), norm, relu, head)").build(
                (1, 8, 8), outputs=10
            )
            training = Training(
                epochs=4, optimizer=optimizer, lr=3e-3, clip=1.0, ema=ema, precision="float32",
                cuda_graph=cuda_graph,
            )  # fmt: skip
            reasons: list[str] = []
            task = tasks.classification(data.digits())
            found.append(fit(module, task, training, device=CUDA, seed=0, eager=reasons.append))
            states.append(module.state_dict())
            assert reasons == []
        assert found[0]["loss"] == pytest.approx(found[1]["loss"], abs=0.05)
        tracked = [name for name in states[0] if name.endswith("num_batches_tracked")]
        assert tracked
        assert all(torch.equal(states[0][name], states[1][name]) for name in tracked)

    def test_every_replay_draws_other_random_numbers(self) -> None:
        module, reasons = watched(lambda x: None)
        assert reasons == []
        steps = 5 * 17
        assert module.steps.item() == steps
        mean, square = (module.drawn / steps).tolist()
        assert mean == pytest.approx(0.5, abs=0.15)
        assert square - mean**2 == pytest.approx(1 / 12, abs=0.05)

    @pytest.mark.parametrize(
        ("act", "reason"),
        [
            (lambda x: x.sum().item(), "waits for the GPU"),
            (_while_recording(_fail), "not here"),
            (_while_recording(lambda x: x.sum().item()), "could not be recorded"),
        ],
    )
    def test_what_cannot_be_recorded_trains_on_eagerly(
        self, act: Callable[[Tensor], object], reason: str
    ) -> None:
        for _ in range(2):  # and neither the generator nor the allocator is spoilt for the next one
            module, reasons = watched(act)
            assert len(reasons) == 1
            assert reason in reasons[0]
            assert module.steps.item() == 5 * 17
            torch.cuda.empty_cache()
        module, reasons = watched(lambda x: None)
        assert reasons == []
