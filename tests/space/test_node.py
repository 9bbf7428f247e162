"""Nodes: values that print as the Python that makes them."""

from __future__ import annotations

import copy
import enum
import pickle

import numpy as np
import pytest
from hypothesis import given

from optnas import choose, integer, ops, real, repeat
from optnas.ops import op
from optnas.space import Node, SpaceError
from tests.strategies import spaces


@op
def weighted(width: int, *children: Node, scale: float = 1.0) -> Node:
    """An op that takes an argument by position and children too."""
    return ops.seq(ops.conv(width), *children, ops.swish(beta=scale))


@given(spaces())
def test_a_pickled_or_copied_tree_is_the_same_tree(space: Node) -> None:
    for again in (pickle.loads(pickle.dumps(space)), copy.deepcopy(space), copy.copy(space)):
        assert again == space
        assert hash(again) == hash(space)
        assert str(again) == str(space)


def test_a_node_cannot_be_changed() -> None:
    node = ops.conv(16)
    for field in ("op", "args", "children", "name", "anything"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(node, field, ())
    with pytest.raises(AttributeError, match="immutable"):
        del node.args
    node.arguments["width"] = 3
    assert node == ops.conv(16)


def test_a_hole_cannot_be_changed() -> None:
    hole = choose(8, 16)
    with pytest.raises(AttributeError):
        hole.options = ()


def test_trees_are_equal_when_they_say_the_same() -> None:
    assert ops.conv(16) == ops.conv(width=16, kernel=3) == ops.conv(16, stride=1)
    assert ops.seq(ops.relu, ops.norm()) == ops.seq(ops.relu(), ops.norm)
    assert len({ops.conv(16), ops.conv(16, 3), ops.conv(16, kernel=5), ops.conv(16, name="stem")}) == 3
    assert ops.seq(ops.relu, ops.norm) != ops.seq(ops.norm, ops.relu)
    assert ops.conv(16) != "conv(16)"


def test_the_text_leaves_out_defaults_and_writes_required_arguments_by_position() -> None:
    assert str(ops.conv(16, kernel=3)) == "conv(16)"
    assert str(ops.conv(16, kernel=5, bias=True)) == "conv(16, kernel=5, bias=True)"
    assert str(ops.seq(ops.relu, ops.swish(beta=2))) == "seq(relu, swish(beta=2.0))"
    assert str(ops.conv(16, kernel=5, name="stem")) == "conv(16, kernel=5, name='stem')"
    assert str(ops.seq(ops.relu, name="tail")) == "seq(relu, name='tail')"
    assert str(weighted(8, ops.relu, scale=2)) == "weighted(8, relu, scale=2.0)"


def test_the_text_of_holes_is_what_makes_them() -> None:
    space = ops.seq(
        repeat(ops.conv(choose(8, 16, name="width"), kernel=integer(3, 7, step=2)), 1, 4, name="layer"),
        ops.swish(beta=real(0.5, 2, log=True)),
        ops.dropout(rate=real(0, 0.5, step=0.25)),
    )
    assert str(space) == (
        "seq(repeat(conv(choose(8, 16, name='width'), kernel=integer(3, 7, step=2)), 1, 4, name='layer'), "
        "swish(beta=real(0.5, 2.0, log=True)), dropout(rate=real(0.0, 0.5, step=0.25)))"
    )


def test_numpy_scalars_and_enumerations_stand_in_a_tree_as_plain_values() -> None:
    kernel = enum.IntEnum("kernel", {"SMALL": 3})
    beta = enum.Enum("beta", {"HALF": 0.5}, type=float)
    padding = enum.Enum("padding", {"SAME": "same"}, type=str)
    node = ops.conv(np.int64(16), kernel=kernel.SMALL, bias=np.bool_(True), padding=padding.SAME)
    assert str(node) == "conv(16, padding='same', bias=True)"
    assert type(node.arguments["kernel"]) is int
    assert str(ops.swish(beta=beta.HALF)) == "swish(beta=0.5)"
    assert str(ops.swish(beta=np.float64(0.5))) == "swish(beta=0.5)"
    assert str(ops.conv(choose(*np.arange(2, 4)))) == "conv(choose(2, 3))"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: 2}, print, 10**400, b"text"])
def test_what_no_text_can_spell_cannot_stand_in_a_tree(value: object) -> None:
    with pytest.raises(SpaceError, match=r"conv\(width=…\)"):
        ops.conv(value)


def test_wrong_arguments_are_refused_where_they_are_written() -> None:
    with pytest.raises(SpaceError, match=r"conv: .*'knel'; it takes conv\(width, kernel=3, "):
        ops.conv(16, knel=3)
    with pytest.raises(SpaceError, match="missing a required argument: 'width'"):
        ops.conv()
    with pytest.raises(SpaceError, match="too many positional"):
        ops.flatten(1)
    for child in (3, "relu", choose(3, 5), choose(ops.relu, repeat(3, 1, 2)), (ops.relu(),), integer(1, 2)):
        with pytest.raises(SpaceError, match=r"seq: the child .* is not an op's node"):
            ops.seq(child)
    for width in (repeat(3, 1, 2), choose(3, repeat(3, 0, 2))):
        with pytest.raises(SpaceError, match="repeat stands among an op's children"):
            ops.conv(width)
    for name in ("", " padded ", 5, choose("a", "b")):
        with pytest.raises(SpaceError, match="a name is a word"):
            ops.relu(name=name)


def test_a_tree_is_open_while_any_hole_is_left() -> None:
    assert ops.seq(ops.residual(ops.conv(choose(8, 16)))).open
    assert ops.seq(repeat(ops.relu, 2)).open
    assert not ops.seq(ops.residual(ops.conv(8))).open


def test_walk_goes_through_every_node_parents_first() -> None:
    tree = ops.seq(ops.conv(8), ops.residual(ops.norm, ops.relu), choose(ops.tanh, ops.mish))
    assert [node.op.name for node in tree.walk()] == ["seq", "conv", "residual", "norm", "relu"]
