"""Recorded texts are read also where the ops of their study are unknown."""

from __future__ import annotations

import pytest

from optnas import SpaceError, ops, spaces
from optnas.drawing.reading import read


@pytest.mark.parametrize("space", [spaces.chain(), spaces.darts(), spaces.mobile(), spaces.nasbench201()])
def test_the_texts_of_spaces_and_architectures_read_back(space):
    assert read(str(space)) == space
    architecture = space.sample(1)
    assert read(str(architecture)) == architecture


@pytest.mark.parametrize(
    "text",
    [
        "seq(conv(16), my_block(3, rate=0.5), head)",
        "seq(choose(my_block(choose(3, 5, name='k')), relu, name='op'), head)",
        "my_block(seq(conv(8), relu), 'same', depth=2)",
        "seq(conv(16, of_a_later_version=3), head)",
    ],
)
def test_unknown_ops_keep_their_text(text):
    tree = read(text)
    assert read(str(tree)) == tree
    assert tree.draw((3, 8, 8), outputs=2).svg.startswith("<svg")


def test_a_long_text_of_digits_is_read_at_once():
    # Tried at each of its digits it would take many minutes.
    name = "e" + "0" * 200_000
    assert read(name).op.name == name


def test_a_known_op_without_an_unknown_one_is_the_op_itself():
    assert read("seq(conv(16), relu)") == ops.seq(ops.conv(16), ops.relu())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 + 1",
        "seq(lstm(8, layers=10**9))",
        "stack(cell(node(skip)), cell(node(skip)), cells=1000000000)",
        "__import__('os').system('true')",
        "conv(16",
        "f(lambda: 0)",
    ],
)
def test_what_is_no_tree_is_refused(text):
    with pytest.raises(SpaceError):
        read(text)
