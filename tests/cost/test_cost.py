"""The exact cost of an architecture, against the same architecture built and counted."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from optnas import ops, parse
from optnas.cost import COSTS, Cost
from optnas.ops import op
from optnas.ops.modules import Residual
from optnas.space import BuildError, Node, Shape
from tests.strategies import SHAPE, architectures

TAILS = [
    "identity",
    "head",
    "seq(flatten, linear(7))",
    "seq(flatten, linear(5, bias=False), norm, relu, head(3))",
]


def count(module: nn.Module, shape: Shape) -> Cost:
    """Return the cost of a module on the meta device by running it; ``elementwise`` is left out."""
    written = []

    def write(part: nn.Module, _: Any, output: torch.Tensor) -> None:
        below = [child for child in part.children() if not isinstance(child, nn.ParameterDict)]
        leaf = not below and not isinstance(part, nn.Identity | nn.Flatten | nn.Sequential)
        if leaf or isinstance(part, Residual):
            written.append(output[0].numel())

    for part in module.modules():
        part.register_forward_hook(write)
    with FlopCounterMode(display=False) as counter:
        output = module.eval()(torch.empty(1, *shape, device="meta"))
    return Cost(
        shape=tuple(output.shape[1:]),
        flops=counter.get_total_flops(),
        params=sum(parameter.numel() for parameter in module.parameters()),
        activations=sum(written),
        depth=longest(module),
        width=widest(module),
    )


def widest(module: nn.Module) -> int:
    """Return the most channels or features that a layer with weights puts out."""
    layers = [part for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    return max((len(layer.weight) for layer in layers), default=0)


def longest(module: nn.Module) -> int:
    """Return how many layers with weights the longest path through ``module`` has."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        return 1
    below = [longest(part) for part in module.children()]
    return max(below, default=0) if isinstance(module, Residual) else sum(below)


@settings(max_examples=560)
@given(architectures(), st.sampled_from(TAILS), st.sampled_from([SHAPE, (3, 9, 7), (2, 1, 1), (6, 4, 15)]))
def test_the_cost_is_that_of_the_architecture_built_and_counted(body: Node, tail: str, shape: Shape) -> None:
    tree = ops.seq(body, parse(tail))
    try:
        cost = tree.cost(shape, outputs=10)
    except BuildError:
        event("cannot be built")
        with pytest.raises(BuildError):
            tree.build(shape, outputs=10)
        return
    with torch.device("meta"):
        module = tree.build(shape, outputs=10)
    counted = count(module, shape)
    for field in ("shape", "flops", "params", "activations", "depth", "width"):
        assert getattr(cost, field) == getattr(counted, field), field
    assert cost.macs * 2 == cost.flops


@settings(max_examples=50)
@given(architectures())
def test_the_shape_is_that_of_a_real_forward_pass(tree: Node) -> None:
    try:
        cost = tree.cost(SHAPE)
    except BuildError:
        return
    assert tuple(tree.build(SHAPE).eval()(torch.randn(2, *SHAPE)).shape) == (2, *cost.shape)


_SIZES = st.integers(1, 6)


@settings(max_examples=300)
@given(
    _SIZES, _SIZES, st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.sampled_from([None, 0, 1, 2])
)
def test_a_layer_is_refused_exactly_where_pytorch_refuses_it(
    height: int, width: int, kernel: int, stride: int, dilation: int, padding: int | None
) -> None:
    shape = (2, height, width)
    same = dilation * (kernel - 1) // 2 if padding is None else padding
    pooled = (kernel, stride, 0 if stride >= kernel else kernel // 2)
    for tree, module in {
        ops.conv(3, kernel, stride, dilation, padding=padding): nn.Conv2d(
            2, 3, kernel, stride, same, dilation
        ),
        ops.maxpool(kernel, stride): nn.MaxPool2d(*pooled),
        ops.avgpool(kernel, stride): nn.AvgPool2d(*pooled),
    }.items():
        try:
            expected = tuple(module(torch.zeros(1, *shape)).shape[1:])
        except RuntimeError:
            with pytest.raises(BuildError, match="does not fit"):
                tree.cost(shape)
        else:
            assert tree.cost(shape).shape == expected


def test_costs_worked_out_by_hand() -> None:
    tree = ops.seq(ops.conv(8), ops.norm, ops.residual(ops.relu), ops.maxpool(2), ops.head(10))
    assert tree.cost((1, 8, 8)) == Cost(
        shape=(10,),
        flops=2 * (8 * 9 * 64 + 8 * 10),
        params=8 * 9 + 2 * 8 + 8 * 10 + 10,
        activations=4 * 512 + 128 + 8 + 10,
        elementwise=2 * 512 + 512 + 512 + 4 * 128 + 128,
        depth=2,
        width=10,
    )


ELEMENTWISE = {
    0: "identity, flatten, conv(4), depthwise, sepconv(4)",
    1: "relu, sigmoid, tanh, dropout, avgpool(1, stride=1), residual",
    2: "leaky_relu, norm, residual(relu)",
    3: "elu, mish, swish",
    4: "gelu, maxpool(2, stride=2)",
    9: "maxpool(3, stride=1), avgpool(3, stride=1)",
}


@pytest.mark.parametrize("functions", ELEMENTWISE)
def test_what_each_op_does_to_every_number_that_it_writes(functions: int) -> None:
    for layer in parse(f"seq({ELEMENTWISE[functions]})").children:
        cost = layer.cost((4, 6, 6))
        assert cost.elementwise == functions * math.prod(cost.shape), layer


def test_branches_add_up_but_for_their_depth() -> None:
    one, two = Cost((3,), 2, 4, 6, 8, 10), Cost((5,), 1, 2, 3, 4, 5)
    assert one.then(two) == Cost((5,), 3, 6, 9, 12, 15, 5)
    assert one.beside(two, (7,)) == Cost((7,), 3, 6, 9, 12, 10, 5)
    assert all(isinstance(getattr(one, name), int) for name in COSTS)


class Refuse(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"cost called {func}")


@given(architectures())
def test_no_tensor_is_made_and_no_module_built(tree: Node) -> None:
    never_seen = (4, 11, 11)
    with Refuse(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.Module, "__init__", lambda *_: pytest.fail("cost built a module"))
        try:
            ops.seq(tree, ops.head).cost(never_seen, outputs=3)
        except BuildError:
            event("cannot be built")


def test_a_subtree_is_counted_once_for_each_shape_that_arrives() -> None:
    arrived: list[Shape] = []

    def cost(shape: Shape, width: int) -> Cost:
        arrived.append(shape)
        return Cost((width, *shape[1:]))

    layer = op(lambda shape, width: nn.Conv2d(shape[0], width, 1), name="layer_of_cost_test", cost=cost)
    block = ops.residual(layer(4), ops.relu)
    for tail, _ in product([ops.relu, ops.tanh], range(2)):
        ops.seq(block, block, layer(8), block, tail).cost((4, 2, 2))
    # The block and the layer to 8 channels on 4 channels, and the block on 8.
    assert arrived == [(4, 2, 2), (4, 2, 2), (8, 2, 2)]


def test_an_op_defined_anew_is_counted_anew() -> None:
    for module, numbers in ((nn.ReLU, 12), (lambda: nn.Conv1d(3, 5, 1), 20)):
        layer = op(lambda module=module: module(), name="anew_of_cost_test")
        assert ops.seq(layer).cost((3, 4)).activations == numbers
