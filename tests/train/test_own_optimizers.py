from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import nn

from optnas import Training, UserError, choose, data, parse, real, tasks
from optnas.checkpoints.state import State, pack, unpack
from optnas.train import fit
from optnas.train.checks import check_training
from optnas.train.own_optimizers import optimizer_of, reason_not_to_record_it
from optnas.train.weights import FlatWeights

CPU = torch.device("cpu")


class Sign(torch.optim.Optimizer):
    """Signs of gradients, which work on each weight alone."""

    def __init__(self, weights: Iterable[nn.Parameter], lr: float, momentum: float = 0.5) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                assert weight.grad is not None
                velocity = self.state[weight].setdefault("velocity", torch.zeros_like(weight))
                velocity.lerp_(weight.grad, 1 - group["momentum"])
                weight -= group["lr"] * velocity.sign()


def network() -> nn.Module:
    torch.manual_seed(0)
    module: nn.Module = parse("seq(linear(8), relu, head)").build((4,), outputs=3)
    return module


IRIS = tasks.classification(data.sklearn("iris"))


def two_rates(weights: list[nn.Parameter], lr: float) -> torch.optim.Optimizer:
    groups = [{"params": weights[:2], "lr": lr / 10}, {"params": weights[2:], "lr": lr}]
    return torch.optim.SGD(groups)


OWN = {"sign": Sign, "nadam": torch.optim.NAdam, "rates": two_rates}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_an_optimizer_of_ones_own_trains_and_resumes_to_the_same_weights(name: str, ema: float) -> None:
    training = Training(
        epochs=6, optimizer=name, optimizers=OWN, lr=2e-2, clip=1.0, ema=ema, batch_size=16, rungs=(3,)
    )
    states: list[bytes] = []
    module = network()
    fit(module, IRIS, training, device=CPU, seed=0, keep=lambda s: states.append(pack(vars(s))))
    again = network()
    state = State.read(unpack(states[0], "state"))
    assert state.epoch == 3
    fit(again, IRIS, training, device=CPU, seed=0, state=state)
    for one, other, before in zip(
        module.parameters(), again.parameters(), network().parameters(), strict=True
    ):
        assert torch.equal(one, other)
        assert not torch.allclose(one, before, atol=1e-3)


def test_it_gets_the_weights_in_their_shapes_and_what_it_takes_of_the_settings() -> None:
    module = network()
    settings: dict[str, Any] = {"lr": 0.1, "weight_decay": 0.2, "momentum": 0.3, "betas": (0.4, 0.5)}
    training = Training(optimizer="nadam", optimizers=OWN, **settings)
    made = optimizer_of(training, FlatWeights(module), module)
    assert [w.shape for w in made.param_groups[0]["params"]] == [w.shape for w in module.parameters()]
    group = made.param_groups[0]
    assert (group["lr"], group["weight_decay"], group["betas"]) == (0.1, 0.2, (0.4, 0.5))
    sign = optimizer_of(Training(optimizer="sign", optimizers=OWN, **settings), FlatWeights(module), module)
    assert (sign.param_groups[0]["lr"], sign.param_groups[0]["momentum"]) == (0.1, 0.3)


def test_groups_keep_rates_of_their_own_through_a_schedule() -> None:
    kept: list[torch.optim.Optimizer] = []

    def noted(weights: list[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        kept.append(two_rates(weights, lr))
        return kept[-1]

    training = Training(epochs=2, optimizer="noted", optimizers={"noted": noted}, lr=1e-2, schedule="cosine")
    fit(network(), IRIS, training, device=CPU, seed=0)
    low, high = (group["lr"] for group in kept[0].param_groups)
    assert 0 < high < 1e-2
    assert low == pytest.approx(high / 10)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_betas_are_adams(name: str) -> None:
    module = network()
    made = optimizer_of(Training(optimizer=name, betas=[0.5, 0.9]), FlatWeights(module), module)
    assert made.param_groups[0]["betas"] == (0.5, 0.9)
    made = optimizer_of(Training(optimizer=name), FlatWeights(module), module)
    assert made.param_groups[0]["betas"] == (0.9, 0.999)


def test_optimizers_and_betas_are_searched() -> None:
    training = Training(
        optimizer=choose("adam", "sign"), optimizers=OWN, betas=(real(0.8, 0.95), choose(0.99, 0.999))
    )
    assert list(training.tree.distributions()) == ["optimizer", "betas.0", "betas.1"]
    closed = training.closed(training.tree.close({"optimizer": "sign", "betas.0": 0.9, "betas.1": 0.99}))
    assert (closed.optimizer, closed.betas) == ("sign", (0.9, 0.99))
    assert list(closed.own_functions) == ["optimizer sign"]
    check_training(IRIS, training)


def test_steps_that_cannot_be_recorded_are_told() -> None:
    module, training = network(), Training(optimizer="sign", optimizers=OWN)
    made = optimizer_of(training, FlatWeights(module), module)
    assert reason_not_to_record_it(made, training) == "the optimiser 'sign' is not capturable"
    capturable = torch.optim.NAdam(module.parameters(), capturable=True)
    assert reason_not_to_record_it(capturable, Training(optimizer="nadam", optimizers=OWN)) is None
    made = optimizer_of(Training(), FlatWeights(module), module)
    assert reason_not_to_record_it(made, Training()) is None


def without_lr(weights: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(weights, 0.1)


def none(weights: list[nn.Parameter], lr: float) -> None:
    return None


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (without_lr, "must have an argument called lr"),
        (none, "must return a torch.optim.Optimizer with a learning rate, not None"),
        (torch.optim.LBFGS, r"'mine': …}.*closure"),
        (lambda weights, lr: torch.optim.SGD(weights, -lr), "Invalid learning rate"),
    ],
)
def test_what_is_no_optimizer_is_refused_before_a_search(function: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_training(IRIS, Training(optimizer=choose("adam", "mine"), optimizers={"mine": function}))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimizer": Sign}, r"give it a name: optimizers=\{'mine': f\}, optimizer='mine'"),
        ({"optimizer": "adma"}, "did you mean 'adam'"),
        ({"optimizers": {"adam": Sign}}, "optnas has one of that name"),
        ({"betas": 0.9}, r"give two numbers, such as \(0.9, 0.999\)"),
        ({"betas": (0.9, 1.0)}, "it must be from 0 to 0.999999"),
        ({"betas": (0.9, real(0.9, 2.0))}, "it must be from 0 to 0.999999"),
        ({"milestones": ()}, "give shares of the steps"),
        ({"milestones": (0.5, 9)}, "it must be from 0"),
        ({"milestones": None}, "give shares of the steps"),
        ({"lr_decay": 0}, "it must be above 0, and at most 1"),
    ],
)
def test_what_is_no_setting_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Training(**settings)
