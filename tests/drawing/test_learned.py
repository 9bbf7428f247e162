"""Activations are drawn with the constants that a network has learned."""

from __future__ import annotations

import pytest
import torch

from optnas import op, ops, parse
from optnas.drawing.learned import with_learned
from optnas.ops.modules import Applied
from optnas.space import Site

KINDS = ("normal", "reduction")
LEARNED = {"beta": 2.5, "slope": 2.5, "factor": 2.5}


@op(name="twice_of_tests")
class Twice(torch.nn.Module):
    """Applies one activation two times."""

    def __init__(self, activation, name_of="any"):
        super().__init__()
        self.activation = activation
        self.name_of = name_of

    def forward(self, x):
        return self.activation(self.activation(x))


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
        (
            "branch(conv(3), identity, merge=blend(beta=0.5, learnable=True))",
            "blend(conv(3), identity, beta=2.5, learnable=True)",
        ),
        (
            "cell(node(none), node(none, swish(learnable=True)),"
            " node(prelu, relu, merge=blend(learnable=True)))",
            "cell(node(none), node(none, swish(beta=2.5, learnable=True)),"
            " node(prelu(slope=2.5), relu, merge=blend(beta=2.5, learnable=True)))",
        ),
        (
            "cell(node(conv_norm('same', activation=prelu), relu, inputs=(0, 0)),"
            " merge=blend(learnable=True))",
            "cell(node(seq(conv('same'), norm, prelu(slope=2.5)), relu, inputs=(0, 0)),"
            " merge=blend(beta=2.5, learnable=True))",
        ),
    ],
)
def test_learned_constants_stand_in_the_tree(text, expected):
    tree, module = trained(text, (3, 8, 8))
    assert with_learned(tree, module, Site.of((3, 8, 8), {})) == parse(expected)


_CELL = "cell(node(conv_norm('same', activation=swish(learnable=True)), skip, inputs=(0, 1)), inputs=2)"


def test_cells_of_a_stack_have_the_mean_of_what_was_learned():
    text = f"stack({_CELL}, {_CELL.replace('skip', 'relu_conv_bn(3)')}, width=4, cells=6)"
    tree = parse(text)
    module = tree.build((3, 8, 8))
    betas = [float(place) for place in range(6)]  # the third and the fifth reduce
    learned = [part for part in module.modules() if isinstance(part, Applied)]
    with torch.no_grad():
        for part, beta in zip(learned, betas, strict=True):
            part.learned["beta"].fill_(beta)
    found = with_learned(tree, module, Site.of((3, 8, 8), {}), digits=4)
    normal, reduction = (
        next(n for n in found.arguments[kind].walk() if n.op.name == "swish") for kind in KINDS
    )
    assert normal == ops.swish(beta=2.25, learnable=True)  # of 0, 1, 3 and 5
    assert reduction == ops.swish(beta=3.0, learnable=True)
    assert str(found).replace("beta=2.25, ", "").replace("beta=3.0, ", "") == str(tree)


def test_what_an_op_of_ones_own_is_made_of_has_what_it_learned():
    tree = ops.seq(ops.conv(4), Twice(ops.swish(learnable=True), name_of="both"))
    module = tree.build((3, 8, 8))
    (own,) = (part for part in module.modules() if type(part).__name__ == "Twice")
    with torch.no_grad():
        own.activation.learned["beta"].fill_(2.5)
    found = with_learned(tree, module, Site.of((3, 8, 8), {}))
    assert found == ops.seq(ops.conv(4), Twice(ops.swish(beta=2.5, learnable=True), name_of="both"))


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


@pytest.mark.parametrize("lost", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "text", ["seq(swish(learnable=True))", "seq(prelu)", "seq(act(swish(learnable=True)))"]
)
def test_what_a_training_lost_is_left_as_it_was_so_that_the_text_is_one(text, lost):
    tree, module = trained(text, (1, 8, 8))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(lost)
    assert parse(str(with_learned(tree, module, Site((1, 8, 8))))) == tree
