"""A child has the weights of its parent, and computes what it did where a morphism of them can."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optnas import choose, op, ops, repeat
from optnas.inherit.morph import morph
from optnas.space import SpaceError
from tests.inherit.pairs import SPACES, handed_down, network, pair, trained


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


WIDTH = choose(4, 6, 8, name="width")
KERNEL = choose(1, 3, 5, name="kernel")
RELU = ops.relu()


def layers(block, most=3, end=None):
    return ops.seq(repeat(block, 1, most, name="layer"), *([] if end is None else [end]), ops.head())


CONV = layers(ops.seq(ops.conv(WIDTH, kernel=KERNEL), ops.norm(), RELU), end=ops.maxpool(2))
STRIDED = layers(ops.seq(ops.conv(WIDTH, kernel=KERNEL, stride=2), ops.norm(), ops.swish(beta=1.3)), most=2)
SEPARABLE = layers(ops.seq(ops.sepconv(WIDTH, kernel=KERNEL), ops.norm(), RELU))
BLOCKS = ops.seq(ops.conv_norm(WIDTH), repeat(ops.basic_block("same"), 1, 3, name="layer"), ops.head())
# The body ends in a norm, whatever activation it has.
BODY = ops.residual(ops.conv("same"), ops.norm(), ops.mish(), ops.conv("same"), ops.norm())
BODIES = ops.seq(ops.conv_norm(WIDTH, activation=ops.mish()), repeat(BODY, 1, 3, name="layer"), ops.head())
GATED = ops.seq(ops.conv_norm(WIDTH), ops.squeeze_excite(choose(2, 3, name="inner")), ops.head())
DENSE = ops.seq(
    ops.conv_norm(WIDTH),
    repeat(ops.branch(ops.identity(), ops.conv_norm(WIDTH), merge="concat"), 1, 2, name="layer"),
    ops.conv_norm(5),
    ops.head(),
)
FLAT = ops.seq(ops.conv_norm(WIDTH), ops.flatten(), ops.linear(7), ops.head())
GROUPS = ops.seq(
    ops.conv_norm(8), ops.conv(8, groups=choose(1, 2, 4, 8, name="groups")), ops.norm(), ops.head()
)
DILATED = ops.seq(
    ops.conv(WIDTH, kernel=choose(3, 5, name="kernel"), dilation=choose(1, 2, name="dilation")), ops.head()
)
PERCEPTRON = layers(ops.seq(ops.linear(choose(6, 9, 12, name="width")), ops.norm(), RELU, ops.dropout(0.2)))
LAYERNORM = layers(ops.seq(ops.linear(choose(4, 6, 8, name="width")), ops.layernorm(), ops.gelu()), most=2)
SLOPES = ops.seq(
    ops.conv_norm(WIDTH, activation=ops.prelu(per_channel=True)), ops.conv(3), ops.prelu(), ops.head()
)
TEXT = ops.seq(ops.linear(WIDTH), ops.conv1d(WIDTH, kernel=choose(3, 5, name="taps")), RELU, ops.head())
GROWN = ops.seq(ops.conv_norm(WIDTH), ops.transposed_conv(WIDTH), RELU, ops.conv(3), ops.head())
CELL = ops.cell(
    ops.node(choose(ops.none(), ops.relu_conv_bn(3), name="one")),
    ops.node(ops.skip(), choose(ops.none(), ops.relu_conv_bn(3), name="other")),
)
EDGE = "relu_conv_bn(3)"
EDGES = ops.seq(ops.conv_norm(4), CELL, ops.head())

IMAGE = (2, 8, 8)


def one(layers, **values):
    """Return parameters with the same values in each of so many layers."""
    each = {f"layer{i}.{name}": value for i in range(layers) for name, value in values.items()}
    return {"layers": layers, **each}


PRESERVED = [
    ("wider", CONV, IMAGE, one(2, width=4, kernel=3), {"layer0.width": 8}),
    ("wider, not twice", CONV, IMAGE, one(2, width=4, kernel=3), {"layer1.width": 6}),
    ("larger kernel", CONV, IMAGE, one(2, width=4, kernel=3), {"layer0.kernel": 5}),
    ("larger kernel of one pixel", CONV, IMAGE, one(2, width=4, kernel=1), {"layer1.kernel": 3}),
    ("strided", STRIDED, IMAGE, one(2, width=4, kernel=3), {"layer0.width": 8, "layer1.kernel": 5}),
    ("deeper", CONV, IMAGE, one(1, width=4, kernel=3), one(2, width=4, kernel=3)),
    ("deeper and wider", CONV, IMAGE, one(1, width=4, kernel=3), one(3, width=8, kernel=3)),
    ("depthwise", SEPARABLE, IMAGE, one(2, width=4, kernel=3), {"layer0.width": 8, "layer1.kernel": 5}),
    ("deeper, depthwise", SEPARABLE, IMAGE, one(1, width=4, kernel=3), one(2, width=6, kernel=5)),
    ("residual wider", BLOCKS, IMAGE, {"width": 4, "layers": 2}, {"width": 8}),
    ("residual deeper", BLOCKS, IMAGE, {"width": 4, "layers": 1}, {"layers": 3}),
    ("residual deeper, mish", BODIES, IMAGE, {"width": 4, "layers": 1}, {"layers": 2, "width": 6}),
    ("gated", GATED, IMAGE, {"width": 4, "inner": 2}, {"width": 6, "inner": 3}),
    ("concatenated", DENSE, IMAGE, one(2, width=4) | {"width": 4}, {"layer0.width": 8, "width": 6}),
    ("flattened", FLAT, IMAGE, {"width": 4}, {"width": 6}),
    ("fewer groups", GROUPS, IMAGE, {"groups": 4}, {"groups": 2}),
    ("no groups", GROUPS, IMAGE, {"groups": 8}, {"groups": 1}),
    ("dilated", DILATED, IMAGE, {"width": 4, "kernel": 3, "dilation": 2}, {"width": 6, "kernel": 5}),
    ("perceptron wider", PERCEPTRON, (6,), one(2, width=6), {"layer0.width": 9}),
    ("perceptron deeper", PERCEPTRON, (6,), one(1, width=6), one(3, width=12)),
    ("layer norm twice as wide", LAYERNORM, (6,), one(2, width=4), {"layer0.width": 8}),
    ("slopes of channels", SLOPES, IMAGE, {"width": 4}, {"width": 6}),
    ("sequence", TEXT, (9, 2), {"width": 4, "taps": 3}, {"width": 8, "taps": 5}),
    ("transposed", GROWN, IMAGE, {"width": 4}, {"width": 8}),
    ("one more edge", EDGES, IMAGE, {"one": EDGE, "other": "none"}, {"other": EDGE}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("space", "shape", "parent", "change"),
    [each[1:] for each in PRESERVED],
    ids=[each[0] for each in PRESERVED],
)
def test_a_larger_network_computes_what_its_parent_does(space, shape, parent, change):
    made, difference = handed_down(space, parent, {**parent, **change}, shape)
    assert made.preserved
    assert difference < 1e-5


NOT_PRESERVED = [
    ("narrower", CONV, IMAGE, one(2, width=8, kernel=3), {"layer0.width": 4}, 0.9),
    ("smaller kernel", CONV, IMAGE, one(2, width=4, kernel=5), {"layer0.kernel": 3}, 0.9),
    ("more groups", GROUPS, IMAGE, {"groups": 1}, {"groups": 4}, 0.9),
    ("layer norm half as wide again", LAYERNORM, (6,), one(2, width=4), {"layer0.width": 6}, 0.9),
    ("shallower", CONV, IMAGE, one(3, width=4, kernel=3), {"layers": 1}, 0.9),
    ("deeper, no relu", STRIDED, IMAGE, one(1, width=4, kernel=3), one(2, width=4, kernel=3), 0.3),
]


@pytest.mark.parametrize(
    ("space", "shape", "parent", "change", "least"),
    [each[1:] for each in NOT_PRESERVED],
    ids=[each[0] for each in NOT_PRESERVED],
)
def test_of_another_network_what_fits_is_copied(space, shape, parent, change, least):
    made, difference = handed_down(space, parent, {**parent, **change}, shape)
    assert not made.preserved
    assert difference > 1e-4
    assert least <= made.share <= 1


def test_the_same_network_has_all_weights():
    params = one(2, width=4, kernel=3)
    made, difference = handed_down(CONV, params, params, IMAGE)
    assert (made.share, made.preserved, difference) == (1.0, True, 0.0)


def test_new_units_learn_something_else_than_those_they_are_copies_of():
    parent, child = one(1, width=4, kernel=3), one(1, width=8, kernel=3)
    before, after = trained(CONV, parent, IMAGE), network(CONV, child, IMAGE, seed=1)
    morph(after, before, torch.randn(8, *IMAGE))
    after.module.train()
    after.module(torch.randn(8, *IMAGE)).square().sum().backward()
    slope = next(after.module.parameters()).grad
    assert (slope[:4] - slope[4:]).abs().max() > 1e-3 * slope.abs().max()


def test_a_branch_that_adds_nothing_yet_learns():
    parent, child = {"width": 4, "layers": 1}, {"width": 4, "layers": 2}
    before, after = trained(BODIES, parent, IMAGE), network(BODIES, child, IMAGE, seed=1)
    assert morph(after, before, torch.randn(8, *IMAGE)).preserved
    after.module.train()
    after.module(torch.randn(8, *IMAGE)).square().sum().backward()
    new = after.module[2].body[-1]
    assert new.weight.abs().max() == 0
    assert new.weight.grad.abs().max() > 0


def test_a_deeper_network_in_training_is_close_to_its_parent():
    before = trained(CONV, one(1, width=4, kernel=3), IMAGE)
    after = network(CONV, one(2, width=4, kernel=3), IMAGE, seed=1)
    x = torch.randn(256, *IMAGE)
    before.module.train()
    for _ in range(100):
        before.module(x)  # until the running statistics are those of the batch
    assert morph(after, before, x).preserved
    with torch.no_grad():
        one_, other = before.module.train()(x), after.module.train()(x)
    assert (one_ - other).abs().max() < 1e-3 * one_.abs().max()


@op
def moved(x: torch.Tensor, channels: int = 1) -> torch.Tensor:
    """Take each channel from the one before it, so that the order of channels is of importance."""
    return x.roll(channels, 1)


def test_an_op_of_which_nothing_is_known_preserves_nothing_when_channels_are_copied():
    space = ops.seq(ops.conv(WIDTH), moved(), ops.conv(3), ops.head())
    same, _ = handed_down(space, {"width": 4}, {"width": 4}, IMAGE)
    wider, _ = handed_down(space, {"width": 4}, {"width": 6}, IMAGE)
    assert same.preserved
    assert not wider.preserved


def test_layers_that_print_alike_are_not_the_same_with_other_settings():
    attention = ops.self_attention(heads=choose(1, 2, 4, name="heads"))
    space = ops.seq(ops.linear(8), attention, ops.last(), ops.head())
    before, after = (network(space, {"heads": heads}, (6, 5)) for heads in (2, 4))
    with torch.no_grad():
        for made in (before, after):  # scores so small that heads hardly make a difference
            for weight in made.module.parameters():
                weight.mul_(0.1)
    assert not morph(after, before, torch.randn(32, 6, 5)).preserved
    assert morph(network(space, {"heads": 2}, (6, 5), seed=1), before, torch.randn(32, 6, 5)).preserved


@given(st.sampled_from(sorted(SPACES)), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_whatever_is_changed_what_is_said_to_be_preserved_is(name, seed):
    space, shape = SPACES[name]
    parent, child = pair(space, seed)
    try:
        made, difference = handed_down(space, parent, child, shape)
    except SpaceError:
        return  # one of them cannot be built
    assert 0 <= made.share <= 1
    assert not made.preserved or difference < 1e-5
