from __future__ import annotations

import copy
from collections.abc import Iterable

import pytest
import torch
from torch import nn

from optnas import parse
from optnas.train.average import Average
from optnas.train.memory_format import channels_last, in_channels_last
from optnas.train.optimizers import OPTIMIZERS, make_optimizer
from optnas.train.weights import FlatWeights


def network() -> nn.Module:
    torch.manual_seed(0)
    module = parse("seq(conv(6, kernel=3), norm, relu, depthwise(5), prelu, head)").build(
        (3, 8, 8), outputs=4
    )
    with in_channels_last(module):
        return module


def gradients_of(module: nn.Module, seed: int) -> None:
    torch.manual_seed(seed)
    module(channels_last(torch.randn(8, 3, 8, 8))).square().sum().backward()


def _norm(tensors: Iterable[torch.Tensor]) -> float:
    return torch.cat([tensor.flatten() for tensor in tensors]).norm().item()


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_training_flat_weights_is_training_the_weights(optimizer: str) -> None:
    flat, plain = network(), network()
    weights = FlatWeights(flat)
    ours, theirs = (
        make_optimizer(optimizer, of, lr=1e-3, weight_decay=1e-2, momentum=0.9)
        for of in (weights.parameters, plain.parameters())
    )
    for step in range(5):
        weights.zero_grad()
        theirs.zero_grad()
        gradients_of(flat, step)
        gradients_of(plain, step)
        ours.step()
        theirs.step()
    for one, other in zip(flat.parameters(), plain.parameters(), strict=True):
        assert one.stride() == other.stride()
        assert torch.allclose(one, other, atol=1e-5)
    assert weights.rest == []
    assert weights.tensor.abs().sum().item() == pytest.approx(
        sum(p.abs().sum().item() for p in flat.parameters())
    )


def test_weights_of_another_type_stay_on_their_own() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2).double())
    weights = FlatWeights(module)
    assert weights.rest == list(module[1].parameters())
    assert weights.tensor.dtype == torch.float32


def test_what_is_not_trained_is_left_out() -> None:
    module = nn.Linear(3, 4)
    module.bias.requires_grad_(False)
    before = copy.deepcopy(module.bias)
    weights = FlatWeights(module)
    weights.tensor.data.zero_()
    assert torch.equal(module.bias, before)
    assert not module.weight.any()


def test_clipping_brings_the_joint_norm_down() -> None:
    module = network()
    weights = FlatWeights(module)
    gradients_of(module, 0)
    weights.clip_gradient(0.5)
    norm = torch.cat([p.grad.flatten() for p in module.parameters()]).norm()
    assert norm.item() == pytest.approx(0.5, rel=1e-3)
    weights.clip_gradient(10.0)
    assert torch.cat([p.grad.flatten() for p in module.parameters()]).norm().item() == pytest.approx(
        norm.item()
    )


def test_the_average_follows_the_weights_and_takes_their_place_only_within() -> None:
    module = nn.Linear(1, 1, bias=False)
    weights = FlatWeights(module)
    module.weight.data.fill_(0.0)
    average = Average(weights, 0.5)
    module.weight.data.fill_(1.0)
    average.update()  # decay 2/11, so early
    module.weight.data.fill_(2.0)
    with average.applied():
        assert module.weight.item() == pytest.approx(9 / 11)
    assert module.weight.item() == 2.0
    average.apply()
    assert module.weight.item() == pytest.approx(9 / 11)


def test_without_a_decay_there_is_no_average() -> None:
    module = nn.Linear(1, 1, bias=False)
    average = Average(FlatWeights(module), 0.0)
    module.weight.data.fill_(3.0)
    average.update()
    with average.applied():
        assert module.weight.item() == 3.0
    average.apply()
    assert module.weight.item() == 3.0
