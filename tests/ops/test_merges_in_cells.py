"""Nodes of cells with other merges than the sum, those of one's own included."""

from __future__ import annotations

import optuna
import pytest
import torch
from torch import Tensor, nn

from optnas import Study, Training, choose, data, maximize, minimize, op, ops, parse, tasks
from optnas.drawing.reading import read
from optnas.space import BuildError, Node
from optnas.space.own_ops import own_ops
from tests.ops.helpers import assert_cost_is_counted, assert_runs

IMAGE = (4, 6, 6)


@op
def inclined(x: Tensor, y: Tensor, by: float = 1.0) -> Tensor:
    """The first op's output, gated by the second's."""
    return x * (by * y).sigmoid()


@op
class Projected(nn.Module):
    """A 1×1 convolution of both of its inputs."""

    def __init__(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.layer = nn.Conv2d(shapes[0][0] + shapes[1][0], shapes[0][0], 1, bias=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.layer(torch.cat((x, y), 1))


@pytest.mark.parametrize(
    "text",
    [
        "cell(node(conv('same')), node(skip, conv('same'), merge='inclined'))",
        "cell(node(conv('same'), norm, inputs=(0, 0)), node(relu, skip), merge=inclined(by=2.0))",
        "cell(node(conv('same')), node(skip, conv('same'), merge='Projected'), concat=(1, 2))",
        "cell(node(conv(5)), node(conv(3), skip, merge='concat'))",
        "cell(node(none, skip, inputs=(0, 0), merge='mul'), node(skip, skip, inputs=(1, 0)))",
        "cell(node(conv('same'), conv('same'), inputs=(0, 1), merge='gate'), inputs=2, stride=2)",
        "cell(node(skip, conv('same'), inputs=(0, 0), merge=blend(beta=0.3, learnable=True)))",
    ],
)
def test_costs_of_a_cell_with_merges_are_exact(text: str) -> None:
    architecture = parse(text)
    assert str(architecture) == text
    assert_cost_is_counted(architecture, IMAGE)
    assert_runs(architecture, IMAGE)


def test_a_node_computes_its_merge_of_its_ops_in_their_order() -> None:
    x = torch.randn(2, *IMAGE)
    made = parse("cell(node(relu), node(tanh, sigmoid, merge=inclined(by=3.0)))").build(IMAGE)(x)
    torch.testing.assert_close(made, x.tanh() * (3 * x.relu().sigmoid()).sigmoid())


def test_a_plain_merge_in_a_node_costs_what_the_branches_cost() -> None:
    node = ops.node(ops.conv(3), ops.conv(3, kernel=1), inputs=(0, 0), merge="inclined")
    assert ops.cell(node).cost(IMAGE) == inclined(ops.conv(3), ops.conv(3, kernel=1)).cost(IMAGE)


def key(text: str) -> str:
    return parse(text).key


SAME = [
    ("cell(node(conv(3), tanh, inputs=(0, 0), merge='sub'))", "sub(conv(3), tanh)"),
    ("cell(node(conv(3), tanh, inputs=(0, 0), merge='add'))", "add(conv(3), tanh)"),
    ("cell(node(conv(3), tanh, inputs=(0, 0)), merge='inclined')", "inclined(conv(3), tanh)"),
    ("cell(node(conv(3), tanh, inputs=(0, 0), merge='mul'))",
     "cell(node(tanh, conv(3), inputs=(0, 0)), merge=mul)"),
    ("cell(node(conv(3)), node(tanh), node(skip, skip, inputs=(1, 2), merge='sub'))",
     "cell(node(tanh), node(conv(3), inputs=(0,)), node(skip, skip, inputs=(2, 1), merge='sub'))"),
    ("cell(node(conv(3)), node(conv(5)), node(skip, skip, inputs=(1, 1), merge='mul'))",
     "cell(node(conv(3)), node(skip, skip, inputs=(1, 1), merge='mul'))"),
    ("cell(node(conv(3), norm, inputs=(0, 0), merge='mul'), node(relu, skip, inputs=(1, 1)))",
     "cell(node(norm, conv(3), inputs=(0, 0), merge='mul'), node(skip, relu, inputs=(1, 1)))"),
]  # fmt: skip
DIFFERENT = [
    ("cell(node(conv(3), tanh, inputs=(0, 0), merge='sub'))",
     "cell(node(tanh, conv(3), inputs=(0, 0), merge='sub'))"),
    ("cell(node(conv(3), tanh, inputs=(0, 0), merge='inclined'))",
     "cell(node(tanh, conv(3), inputs=(0, 0), merge='inclined'))"),
    ("cell(node(conv(3), tanh, inputs=(0, 0), merge='mul'))", "cell(node(conv(3), tanh, inputs=(0, 0)))"),
    ("cell(node(conv(3), tanh, inputs=(0, 0), merge=inclined(by=2.0)))",
     "cell(node(conv(3), tanh, inputs=(0, 0), merge='inclined'))"),
    # One convolution used twice is not two.
    ("cell(node(conv(3)), node(skip, skip, inputs=(1, 1), merge='mul'))",
     "cell(node(conv(3), conv(3), inputs=(0, 0), merge='mul'))"),
    # Whose output goes to the first place of the merge: the convolution's, or the norm's behind it.
    ("cell(node(conv(4)), node(norm, inputs=(1,)), node(skip, skip, inputs=(1, 2), merge='sub'))",
     "cell(node(conv(4)), node(norm, inputs=(1,)), node(skip, skip, inputs=(2, 1), merge='sub'))"),
    ("cell(node(none, tanh, inputs=(0, 0), merge='sub'))", "cell(node(tanh))"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_cells_that_are_the_same_graph_have_one_key(one: str, other: str) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_cells_that_compute_something_else_have_another_key(one: str, other: str) -> None:
    assert key(one) != key(other)


def test_a_name_of_a_merge_in_a_cell_is_an_op_of_ones_own() -> None:
    cell = ops.cell(ops.node(ops.relu(), ops.tanh(), inputs=(0, 0), merge=choose("add", "inclined")))
    assert own_ops(cell) == {"inclined": inclined.identity}
    assert own_ops(ops.cell(ops.node(ops.relu()), merge="Projected")) == {"Projected": Projected.identity}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cell(node(relu, merge='inclined'))", "inclined merges 2 branches, not 1"),
        ("cell(node(relu, tanh, inputs=(0, 0), merge='relu'))", "is no merge"),
        ("cell(node(conv(3), tanh, inputs=(0, 0), merge='mul'))", "different shapes"),
    ],
)
def test_what_does_not_fit_is_one_line(text: str, said: str) -> None:
    with pytest.raises(BuildError, match=said) as refused:
        parse(text).cost(IMAGE)
    assert "\n" not in str(refused.value)


def test_the_merge_is_drawn_at_its_state() -> None:
    cell = parse("cell(node(conv('same')), node(skip, conv('same'), merge='inclined'))")
    assert "2 inclined" in cell.draw(IMAGE).svg
    assert "inclined" not in parse("cell(node(conv('same')), node(skip, conv('same')))").draw(IMAGE).svg


def test_a_merge_of_a_file_that_is_not_at_hand_is_drawn_by_its_name() -> None:
    text = "cell(node(conv('same')), node(skip, conv('same'), merge='of_another_file'))"
    svg = read(text).draw(IMAGE).svg
    assert "2 of_another_file" in svg
    assert "no merge" not in svg


def test_skips_of_a_unet_are_drawn_by_how_they_are_merged() -> None:
    svg = ops.seq(ops.unet(ops.conv(4), depth=1)).draw(IMAGE, expand=True).svg
    assert "concat" in svg
    assert "joined" not in svg


def _cell(name: str) -> Node:
    edge = choose(ops.skip(), ops.relu_conv_bn(3), ops.maxpool(3, stride=1))
    nodes = [
        ops.node(
            edge, edge, inputs=(0, 1), merge=choose("add", "inclined", Projected, name="merge"), name="n2"
        ),
        ops.node(edge, edge, inputs=(1, 2), merge="inclined", name="n3"),
    ]
    return ops.cell(*nodes, inputs=2, concat=(2, 3), name=name)


def test_a_two_input_op_of_ones_own_trains_in_a_darts_like_cell() -> None:
    torch.set_num_threads(1)
    space = ops.seq(
        ops.conv(8), ops.norm(), ops.stack(_cell("normal"), _cell("reduction"), width=4, cells=3), ops.head()
    )
    study = Study(
        name="merges",
        space=space,
        task=tasks.classification(data.digits()),
        objectives=[maximize("accuracy"), minimize("flops")],
        training=Training(epochs=2, lr=0.01, hopeless_after=0),
        sampler="random",
    )
    trial = optuna.create_study(directions=study.directions).ask()
    accuracy, flops = study.objective(trial)
    assert accuracy > 0.3
    assert flops == space.close(trial.params).cost((1, 8, 8), outputs=10).flops
