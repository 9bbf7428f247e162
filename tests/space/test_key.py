"""Keys: equal for trees that compute the same by construction."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optnas import choose, ops, parse, repeat
from optnas.ops import op
from optnas.space import BuildError, Node, Op, SpaceError
from tests.strategies import SHAPE, architectures, ways


@st.composite
def respelt(draw: Any, tree: Node) -> Node:
    """Write ``tree`` in another way: names, nested chains, identities, composite ops taken apart."""
    if tree.op is ops.sepconv and draw(st.booleans()):
        given = tree.arguments
        depthwise = ops.depthwise(given["kernel"], given["stride"], given["dilation"])
        tree = ops.seq(depthwise, ops.conv(given["width"], kernel=1, bias=given["bias"]))
    elif tree.op.sequential:
        children: list[Node] = []
        for child in tree.children:
            nothing = [
                ops.identity,
                ops.dropout(rate=0),
                ops.maxpool(1),
                ops.seq(),
                ops.seq(ops.avgpool(1, 1)),
            ]
            children += draw(st.lists(st.sampled_from(nothing), max_size=1))
            children.append(draw(respelt(child)))
        cut = draw(st.integers(0, len(children)))
        tree = tree.op(*children[:cut], ops.seq(*children[cut:]), name=draw(st.sampled_from([None, "part"])))
    return draw(st.sampled_from([tree, ops.seq(tree), ops.seq(ops.identity, tree, name="outer")]))


def outputs(trees: list[Node]) -> list[torch.Tensor]:
    """Return what each architecture makes of one input, with the same weights in all."""
    torch.manual_seed(0)
    modules = [tree.build(SHAPE).eval() for tree in trees]
    for module in modules[1:]:
        for one, other in zip(modules[0].parameters(), module.parameters(), strict=True):
            other.data.copy_(one.data)
    x = torch.randn(2, *SHAPE)
    with torch.no_grad():
        return [module(x) for module in modules]


@settings(max_examples=150)
@given(st.data(), architectures())
def test_however_an_architecture_is_written_its_key_and_what_it_computes_stay(
    data: st.DataObject, tree: Node
) -> None:
    other = data.draw(respelt(tree))
    assert other.key == tree.key
    try:
        cost = tree.cost(SHAPE)
    except BuildError:
        with pytest.raises(BuildError):
            other.cost(SHAPE)
        return
    again = other.cost(SHAPE)
    assert (again.flops, again.params, again.depth, again.shape) == (
        cost.flops,
        cost.params,
        cost.depth,
        cost.shape,
    )
    one, two = outputs([tree, other])
    assert torch.equal(one, two)


def test_architectures_of_one_key_compute_the_same() -> None:
    spellings = {
        "": ["identity", "dropout(rate=0)", "seq()"],
        "relu": ["relu", "seq(identity, relu)"],
        "sepconv": ["sepconv(4)", "seq(depthwise, conv(4, kernel=1))"],
        "residual": ["residual(relu)", "residual(seq(identity, relu))"],
    }
    layer = choose(*[parse(text) for texts in spellings.values() for text in texts])
    by_key: dict[str, list[Node]] = defaultdict(list)
    for _, architecture in ways(ops.seq(repeat(layer, 2))):
        by_key[architecture.key].append(architecture)
    # Nothing, one or two of the three layers that do something.
    assert len(by_key) == 1 + 3 + 9
    for trees in by_key.values():
        first, *others = outputs(trees)
        assert all(torch.equal(first, other) for other in others)


SAME = [
    ["seq(conv(8), relu)", "seq(seq(conv(8)), seq(seq(relu)))", "seq(conv(8), identity, relu)"],
    ["relu", "seq(relu)", "seq(identity, relu, dropout(rate=0))", "relu(name='last')"],
    ["identity", "seq()", "seq(identity)", "dropout(rate=0.0)", "maxpool(1)", "avgpool(1, stride=1)"],
    ["sepconv(8)", "seq(depthwise, conv(8, kernel=1))"],
    ["residual(conv(8), relu)", "residual(seq(conv(8), relu))", "residual(conv(8), identity, relu)"],
    ["residual()", "residual(identity)", "residual(seq())"],
    ["residual(relu)"],
    ["seq(relu, conv(8))"],
    ["conv(8)", "conv(8, kernel=3)"],
    ["conv(8, kernel=5)"],
    ["conv(16)"],
    ["maxpool(1, stride=2)"],
    ["dropout(rate=0.1)"],
    ["swish", "swish(beta=1)"],
    ["swish(beta=1.5)"],
    ["seq(relu, relu)"],
    ["seq(residual(relu), relu)"],
    ["residual(relu, relu)"],
]


def test_the_same_by_construction_have_one_key_and_all_others_have_different_ones() -> None:
    keys = [{parse(text).key for text in texts} for texts in SAME]
    assert [len(group) for group in keys] == [1] * len(SAME)
    assert len(set().union(*keys)) == len(SAME)


def test_a_composite_of_ones_own_is_taken_apart_wherever_it_stands() -> None:
    @op
    def block_of_key_test(width: int, act: Node = ops.relu(), *children: Node) -> Node:  # noqa: B008
        return ops.seq(ops.sepconv(width), act, *children)

    tree = ops.residual(block_of_key_test(8, ops.tanh, ops.norm), ops.identity)
    assert tree.key == ops.residual(ops.depthwise, ops.conv(8, kernel=1), ops.tanh, ops.norm).key


def test_a_commutative_op_has_one_key_whatever_the_order() -> None:
    class Sum(Op):
        commutative = True

    commutative = Sum("sum_of_key_test", ops.seq.signature)
    assert commutative(ops.relu, ops.tanh).key == commutative(ops.seq(ops.tanh), ops.relu).key
    assert commutative(ops.relu, ops.identity).key != commutative(ops.relu).key


def test_a_key_in_a_database_is_found_again_by_any_process() -> None:
    assert ops.seq(ops.conv(16), ops.relu).key == "26f81702c54af537dccf9159"


def test_a_space_has_no_key() -> None:
    with pytest.raises(SpaceError, match="still has holes"):
        _ = ops.conv(choose(8, 16)).key
