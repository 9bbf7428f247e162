"""Well-known models, written as trees, cost what torchvision's own are counted and documented at."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from optnas import ops, parse
from optnas.space import Node
from tests.ops.helpers import assert_cost_is_counted

IMAGENET = (3, 224, 224)


def resnet_18() -> Node:
    blocks = [
        ops.basic_block(width, stride=2 if width > 64 and first else 1)
        for width in (64, 128, 256, 512)
        for first in (True, False)
    ]
    stem = [ops.conv(64, kernel=7, stride=2), ops.norm(), ops.relu(), ops.maxpool(3, stride=2)]
    return ops.seq(*stem, *blocks, ops.head())


def mobilenet_v2() -> Node:
    # Table 2 of Sandler et al. 2018: expansion, channels, blocks, stride of the first.
    table = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
             (6, 320, 1, 1)]  # fmt: skip
    blocks = [
        ops.inverted_residual(width, expansion=expansion, stride=stride if index == 0 else 1)
        for expansion, width, count, stride in table
        for index in range(count)
    ]
    relu6 = ops.relu6()
    return ops.seq(
        ops.conv_norm(32, stride=2, activation=relu6),
        *blocks,
        ops.conv_norm(1280, kernel=1, activation=relu6),
        ops.global_avgpool(),
        ops.dropout(0.2),
        ops.head(),
    )


def efficientnet_b0() -> Node:
    # Table 1 of Tan & Le 2019: expansion, kernel, channels, blocks, stride of the first.
    table = [(1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2), (6, 5, 112, 3, 1),
             (6, 5, 192, 4, 2), (6, 3, 320, 1, 1)]  # fmt: skip
    silu = ops.silu()
    blocks = [
        ops.inverted_residual(
            width, expansion, kernel, stride if index == 0 else 1, squeeze=0.25, activation=silu, drop=0.1
        )
        for expansion, kernel, width, count, stride in table
        for index in range(count)
    ]
    return ops.seq(
        ops.conv_norm(32, stride=2, activation=silu),
        *blocks,
        ops.conv_norm(1280, kernel=1, activation=silu),
        ops.dropout(0.2),
        ops.head(),
    )


def vit_b_16() -> Node:
    return ops.seq(
        ops.patches(768, 16),
        ops.class_token(),
        ops.positions("learned"),
        *[ops.transformer_block(12)] * 12,
        ops.layernorm(),
        ops.first(),
        ops.head(),
    )


# torchvision's name of each, and the 10⁹ multiply-accumulates that its documentation states.
MODELS = {
    "resnet18": (resnet_18(), 1.814),
    "mobilenet_v2": (mobilenet_v2(), 0.301),
    "efficientnet_b0": (efficientnet_b0(), 0.386),
    "vit_b_16": (vit_b_16(), 17.564),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_tree_costs_what_the_model_documents(name):
    architecture, documented = MODELS[name]
    cost = architecture.cost(IMAGENET, outputs=1000)
    assert cost.shape == (1000,)
    assert cost.macs / 1e9 == pytest.approx(documented, rel=0.001)


@pytest.mark.parametrize("name", MODELS)
def test_a_tree_costs_what_torchvisions_model_is_counted_at(name):
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    from optnas.data._torchvision import torchvision

    with torch.device("meta"):
        model = getattr(torchvision().models, name)().eval()
    counter = FlopCounterMode(display=False)
    with counter:
        model(torch.empty(1, *IMAGENET, device="meta"))
    cost = MODELS[name][0].cost(IMAGENET, outputs=1000)
    assert cost.params == sum(parameter.numel() for parameter in model.parameters())
    assert cost.flops == counter.get_total_flops()


@pytest.mark.parametrize("name", MODELS)
def test_a_tree_builds_what_it_costs(name):
    architecture, _ = MODELS[name]
    assert parse(str(architecture)) == architecture
    assert_cost_is_counted(architecture, IMAGENET, outputs=1000)
