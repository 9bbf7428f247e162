"""Stages: repeats whose first copy takes a stride."""

from __future__ import annotations

import pytest

from optnas import choose, ops, parse, repeat, stage
from optnas.space import SpaceError, strided

IMAGE = (8, 16, 16)


def test_the_first_copy_takes_the_stride():
    space = ops.seq(stage(ops.basic_block(choose(8, 16, name="width")), 1, 3, name="block"))
    assert list(space.distributions()) == ["blocks", "block0.width", "block1.width", "block2.width"]
    architecture = space.close({"blocks": 2, "block0.width": 16, "block1.width": 8})
    assert str(architecture) == "seq(basic_block(16, stride=2), basic_block(8))"
    assert space.params(architecture) == {"blocks": 2, "block0.width": 16, "block1.width": 8}
    assert space.size() == 2 + 4 + 8
    assert architecture.cost(IMAGE).shape == (8, 8, 8)


@pytest.mark.parametrize(
    "block",
    [
        ops.conv(8),
        ops.inverted_residual(8, expansion=choose(2, 3, name="expansion")),
        ops.bottleneck(8),
        ops.residual(ops.norm(), ops.conv(8), ops.relu()),
        ops.seq(ops.seq(ops.relu(), ops.maxpool(3, stride=1)), ops.norm()),
        ops.cell(ops.node(ops.relu_conv_bn(3)), ops.node(ops.skip(), ops.conv("same"))),
        choose(ops.conv(8), ops.skip(), ops.none(), ops.seq(ops.norm(), ops.avgpool(3, stride=1)), name="op"),
    ],
    ids=str,
)
def test_whatever_has_a_stride_takes_it(block):
    space = ops.seq(stage(block, 2, name="block"))
    assert parse(str(space)) == space
    for seed in range(10):
        assert space.sample(seed).cost(IMAGE).shape[1:] == (8, 8)


def test_the_stride_can_be_a_choice():
    space = ops.seq(stage(ops.conv(8), 1, 2, stride=choose(1, 2, name="stride"), name="layer"))
    assert parse(str(space)) == space
    sizes = {space.sample(seed).cost(IMAGE).shape for seed in range(20)}
    assert sizes == {(8, 16, 16), (8, 8, 8)}


def test_what_takes_no_stride_is_said():
    for block in (ops.relu(), ops.seq(ops.norm(), ops.relu()), choose(ops.conv(8), ops.relu())):
        with pytest.raises(SpaceError, match="nothing in it has a stride"):
            stage(block, 2)
    with pytest.raises(SpaceError, match="at least 1"):
        stage(ops.conv(8), 0, 2)
    with pytest.raises(SpaceError):
        stage(ops.conv(8), 3, 2)
    with pytest.raises(SpaceError):
        strided(repeat(ops.conv(8), 2), 2)
