"""Activations are plotted as they are computed."""

from __future__ import annotations

import math

import pytest

from optnas import SpaceError, ops
from optnas.drawing.activations import plot
from optnas.drawing.curves import curve_of


def test_a_curve_holds_the_values_of_the_module():
    curve = curve_of(ops.swish(beta=2.0))
    for x, y in zip(curve.x, curve.y, strict=True):
        assert y == pytest.approx(x / (1 + math.exp(-2 * x)), abs=1e-5)


@pytest.mark.parametrize(
    "activation",
    [
        "mish",
        "swish(beta=1.5)",
        "mul(x, sigmoid(scale(x, 1.2)))",
        "act(add(sin(x), square(x)))",
        ops.relu,
        ops.prelu(),
    ],
)
def test_any_activation_is_plotted_by_name_or_expression(activation):
    drawing = plot(activation)
    assert drawing.svg.count('class="curve"') == 2
    assert drawing.svg.count('class="slope"') == 2


@pytest.mark.parametrize(
    "other", ["conv(16)", "softmax", "seq(relu, relu)", "swish(beta=real(0.5, 2.0))", "nothing"]
)
def test_what_is_no_activation_is_refused(other):
    with pytest.raises(SpaceError):
        plot(other)


def test_expressions_are_titled_by_their_formula():
    assert "x · σ(1.2x)" in plot("act(mul(x, sigmoid(scale(x, 1.2))))").svg
