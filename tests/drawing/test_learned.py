"""Activations are drawn with the constants that a network has learned."""

from __future__ import annotations

import pytest
import torch

from optnas import ops, parse
from optnas.drawing.learned import with_learned
from optnas.ops.modules import Applied
from optnas.space import Site

LEARNED = {"beta": 2.5, "slope": 2.5, "factor": 2.5}


def trained(text: str, shape: tuple[int, ...]):
    """Return an architecture and its network, in which all learned constants have become 2.5."""
    tree = parse(text)
    module = tree.build(shape)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, Applied | torch.nn.PReLU):
                for parameter in part.parameters():
                    parameter.fill_(2.5)
    return tree, module


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seq(conv(8), swish(learnable=True))", "seq(conv(8), swish(beta=2.5, learnable=True))"),
        ("seq(prelu)", "seq(prelu(slope=2.5))"),
        (
            "residual(conv(3), prelu(per_channel=True))",
            "residual(conv(3), prelu(slope=2.5, per_channel=True))",
        ),
        (
            "add(seq(conv(3), swish(learnable=True)), relu)",
            "add(seq(conv(3), swish(beta=2.5, learnable=True)), relu)",
        ),
        (
            "conv_norm(8, activation=swish(learnable=True))",
            "seq(conv(8), norm, swish(beta=2.5, learnable=True))",
        ),
        (
            "act(mul(scale(x, 1.2, learnable=True), sigmoid(scale(x, 0.7))))",
            "act(mul(scale(x, 2.5, learnable=True), sigmoid(scale(x, 0.7))))",
        ),
        ("seq(conv(8), swish(beta=1.2))", "seq(conv(8), swish(beta=1.2))"),
    ],
)
def test_learned_constants_stand_in_the_tree(text, expected):
    tree, module = trained(text, (3, 8, 8))
    assert with_learned(tree, module, Site.of((3, 8, 8), {})) == parse(expected)


def test_a_drawing_shows_what_was_learned():
    tree, module = trained("seq(conv(8), swish(learnable=True))", (3, 8, 8))
    before, after = tree.draw((3, 8, 8)), tree.draw((3, 8, 8), module=module)
    assert "swish learned" in before.svg
    assert "swish β 2.5" in after.svg
    assert before.svg.count("<path") == after.svg.count("<path")


def test_drawing_does_not_change_random_numbers():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    ops.seq(ops.conv(4), ops.act(ops.square(ops.x()))).draw((3, 8, 8))
    assert torch.equal(torch.rand(3), expected)
