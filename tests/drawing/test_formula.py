"""Formulas of activations read as people write them."""

from __future__ import annotations

import pytest

from optnas import choose, ops, parse, real
from optnas.drawing.formula import formula


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("act(mul(x, sigmoid(scale(x, 1.2))))", "x · σ(1.2x)"),
        ("act(add(scale(mish, 0.7), scale(relu, 0.3)))", "0.7·mish(x) + 0.3·relu(x)"),
        ("act(shift(square(x), -0.5))", "x² − 0.5"),
        ("act(mul(shift(x, 0.25), x))", "(x + 0.25) · x"),
        ("act(scale(swish(beta=0.5), -1.5))", "−1.5(x · σ(0.5x))"),
        ("swish", "x · σ(x)"),
        ("shifted_swish(beta=1.4, shift=-0.62, learnable=True)", "x · σ(1.4x − 0.62)"),
        ("shifted_swish(shift=0.3)", "x · σ(x + 0.3)"),
    ],
)
def test_a_formula_is_written_as_in_a_paper(text, expected):
    assert formula(parse(text)) == expected


def test_open_choices_stand_in_braces():
    assert formula(ops.act(ops.scale(ops.x(), real(0.5, 2.0)))) == "0.5–2x"
    assert formula(ops.act(ops.shift(ops.x(), choose(0.5, 1.0)))) == "x + {0.5, 1}"
