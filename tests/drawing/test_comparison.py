"""Activations of a network are plotted beside relu, swish and mish."""

from __future__ import annotations

import re

import pytest

from optnas import SpaceError, choose, ops, parse
from optnas.drawing.comparison import activations_of, compared, is_searched

TREE = (
    "seq(conv(4), shifted_swish(beta=1.5, shift=-0.5, learnable=True), add(relu, conv(4)),"
    " conv_norm(8, activation=tanh), act(mul(x, sigmoid(x))), act(mul(x, sigmoid(x))), maxpool(2), head)"
)


def words(drawing):
    return re.findall(r"<text[^>]*>([^<]*)</text>", drawing.svg)


def test_the_activations_of_an_architecture_are_those_of_its_text():
    found = {str(node): count for node, count in activations_of(parse(TREE)).items()}
    assert found == {
        "shifted_swish(beta=1.5, shift=-0.5, learnable=True)": 1,
        "relu": 1,
        "tanh": 1,
        "act(mul(x, sigmoid(x)))": 2,
    }
    assert [is_searched(node) for node in activations_of(parse(TREE))] == [True, False, False, True]


def test_each_is_listed_by_its_formula_with_those_beside_it():
    drawing = compared(activations_of(parse(TREE)))
    assert {"x · σ(1.5x − 0.5)", "relu", "tanh", "x · σ(x)", "×2", "swish", "mish", "slope"} <= {
        *words(drawing)
    }
    assert "×1" not in words(drawing)
    # Of each of the four a curve and a slope, and its line in the legend; relu is no reference any more.
    assert drawing.svg.count(" bold") == 12
    assert drawing.svg.count('class="line d') == 2 * 3


def test_a_curve_that_leaves_sight_still_has_its_number():
    drawing = compared([ops.act(ops.exp(ops.square(ops.x()))), ops.relu()])
    assert words(drawing).count("1") >= 3  # on both axes' plots and in the legend
    assert "nan" not in drawing.svg


def test_of_very_many_the_most_frequent_are_shown():
    nodes = {ops.swish(beta=1 + i / 10): 1 + (i == 19) for i in range(20)}
    drawing = compared(nodes)
    assert "and 8 more" in words(drawing)
    assert "x · σ(2.9x)" in words(drawing)


@pytest.mark.parametrize("other", [[], [ops.conv(4)], [ops.swish(beta=choose(1.0, 2.0))]])
def test_what_cannot_be_plotted_is_refused(other):
    with pytest.raises(SpaceError):
        compared(other)
