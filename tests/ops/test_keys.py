"""Keys are equal for trees that compute the same by construction, and for no others."""

from __future__ import annotations

import itertools
import random

import pytest

from optnas import ops, parse, spaces

SAME = [
    ("seq(conv(8), seq(seq(norm), relu))", "seq(conv(8), norm, relu)", "conv_norm(8)"),
    ("seq(identity, conv(8), skip, dropout(rate=0.0))", "conv(8)"),
    ("add(conv(8), sepconv(8), none)", "add(sepconv(8), conv(8))", "branch(sepconv(8), conv(8))"),
    ("add(conv(8))", "add(none, seq(conv(4), none), conv(8))", "conv(8)"),
    ("add(add(conv(8), norm), skip)", "add(skip, conv(8), norm)", "add(skip, add(norm, conv(8)))"),
    ("add(none, none)", "none"),
    ("mean(conv(8), norm)", "mean(norm, conv(8))"),
    ("cell(node(conv(8)))", "conv(8)", "cell(node(conv(9)), node(conv(8)))"),
    ("cell(node(skip))", "identity", "seq"),
    ("cell(node(none))", "none", "cell(node(none), node(conv(8), inputs=(1,)))"),
    ("cell(node(conv(8), norm, inputs=(0, 0)))", "add(norm, conv(8))"),
    ("cell(node(conv(8)), node(norm, inputs=(1,)))", "seq(conv(8), norm)"),
    ("cell(node(conv(8)), node(conv(9)), concat=(1, 2))", "concat(conv(8), conv(9))"),
    # Which of two states comes first makes no difference where only their sum is used.
    (
        "cell(node(conv(8)), node(norm), node(relu, tanh, skip, skip, inputs=(1, 2, 1, 2)))",
        "cell(node(norm), node(conv(8)), node(skip, skip, relu, tanh, inputs=(2, 1, 2, 1)))",
    ),
    ("skip(stride=2)", "factorized_reduce"),
    ("sepconv(8)", "seq(depthwise, conv(8, kernel=1))"),
]

OTHER = [
    ("seq(conv(8), norm)", "seq(norm, conv(8))"),
    ("concat(conv(8), norm)", "concat(norm, conv(8))"),
    ("gate(conv(8), norm)", "gate(norm, conv(8))"),
    ("mean(conv(8), none)", "conv(8)"),
    ("mul(conv(8), none)", "conv(8)"),
    ("add(conv(8), conv(8))", "conv(8)"),
    ("add(conv(8), skip)", "conv(8)"),
    ("residual(conv(8))", "conv(8)"),
    # One convolution used twice is not two of them.
    ("cell(node(conv(8)), node(skip, skip, inputs=(1, 1)))", "add(conv(8), conv(8))"),
    # A norm of nothing is a shift that is learned.
    ("cell(node(none), node(seq(norm, relu), conv(8), inputs=(1, 0)))", "conv(8)"),
    ("cell(node(conv(8)), node(conv(9)), concat=(2, 1))", "concat(conv(8), conv(9))"),
]


@pytest.mark.parametrize("texts", SAME, ids=str)
def test_what_does_not_matter_is_seen_through(texts):
    assert len({parse(text).key for text in texts}) == 1


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_matters_is_told_apart(one, other):
    assert parse(one).key != parse(other).key


def test_weightless_ops_are_one_wherever_they_say_the_same():
    twice = parse("cell(node(maxpool(3, stride=1)), node(skip, skip, inputs=(1, 1)))")
    two = parse("add(maxpool(3, stride=1), maxpool(3, stride=1))")
    assert twice.key == parse(
        "cell(node(maxpool(3, stride=1)), node(maxpool(3, stride=1), skip))"
    ).key == two.key  # fmt: skip


def relabelled(edges, order):
    """Return a cell of the edges {(source, target): op}, its inner states in another order."""
    place = {0: 0} | {state: position for position, state in enumerate(order, start=1)}
    last = len(order)
    nodes = []
    for state in order:
        into = [(place[source], op) for (source, target), op in edges.items() if target == state]
        random.Random(state).shuffle(into)
        if not into or max(source for source, _ in into) >= place[state]:
            return None
        nodes.append(ops.node(*(op for _, op in into), inputs=tuple(source for source, _ in into)))
    return ops.cell(*nodes) if place[last] == last else None


@pytest.mark.parametrize("seed", range(40))
def test_the_order_of_a_cells_states_makes_no_difference(seed):
    rng = random.Random(seed)
    choices = [ops.conv("same"), ops.conv("same"), ops.relu_conv_bn(1), ops.skip(), ops.relu(), ops.none()]
    edges = {
        (source, target): rng.choice(choices)
        for target in range(1, 6)
        for source in range(target)
        if source == target - 1 or rng.random() < 0.6
    }
    edges = {pair: op for pair, op in edges.items() if pair[1] == 5 or rng.random() < 0.8}
    for target in range(1, 6):
        if not any(t == target for _, t in edges):
            edges[0, target] = rng.choice(choices)
    cells = [relabelled(edges, [*order, 5]) for order in itertools.permutations(range(1, 5))]
    assert len({cell.key for cell in cells if cell is not None}) == 1


def test_canonical_trees_are_canonical():
    from optnas.space.key import canonical

    rng = random.Random(0)
    for _ in range(300):
        tree = canonical(spaces.nasbench201().sample(rng))
        assert canonical(tree) == tree


def test_canonical_trees_compute_the_same_shape_and_no_more():
    from optnas.space.key import canonical

    rng = random.Random(1)
    for space in (spaces.nasbench201(), spaces.resnet(), spaces.chain()):
        for _ in range(50):
            tree = space.sample(rng)
            plain, simple = tree.cost((3, 16, 16), outputs=10), canonical(tree).cost((3, 16, 16), outputs=10)
            assert simple.shape == plain.shape
            assert simple.flops <= plain.flops
            assert simple.params <= plain.params
            if space is not spaces.nasbench201() and "cell" not in str(tree):
                assert simple.params == plain.params


def test_what_is_known_of_an_op_is_forgotten_when_another_takes_its_name():
    from torch import nn

    from optnas.space import Node

    @ops.op(name="replaced")
    def first(in_features: int) -> nn.Module:
        return nn.Linear(in_features, 3)

    assert first().cost((2,)).shape == (3,)
    assert first().key != ops.relu().key

    @ops.op(name="replaced")
    def second() -> Node:
        return ops.seq(ops.relu())

    assert second().cost((2,)).shape == (2,)
    assert second().key == ops.relu().key
