"""Making ops: any ``nn.Module`` class or function is one."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optnas import choose, ops, parse, real
from optnas.cost import Cost
from optnas.ops import op
from optnas.space import BuildError, Node, Shape, SpaceError


def run(tree: Node, *shape: int) -> Tensor:
    return tree.build(shape).eval()(torch.ones(2, *shape))


def test_any_module_class_is_an_op() -> None:
    softsign = op(nn.Softsign)
    assert str(softsign()) == "Softsign"
    assert torch.equal(run(parse("seq(Softsign)"), 3), nn.Softsign()(torch.ones(2, 3)))
    layer_norm = op(nn.LayerNorm)
    assert str(layer_norm((3, 4), eps=1e-3)) == "LayerNorm((3, 4), eps=0.001)"
    assert run(layer_norm((3, 4)), 5, 3, 4).shape == (2, 5, 3, 4)


@pytest.mark.parametrize(
    ("module", "arguments", "shape", "filled"),
    [
        (nn.Conv1d, {"out_channels": 5, "kernel_size": 3}, (4, 9), {"in_channels": 4}),
        (nn.ConvTranspose2d, {"out_channels": 5, "kernel_size": 3}, (4, 9, 9), {"in_channels": 4}),
        (nn.Linear, {"out_features": 5}, (4, 9), {"in_features": 9}),
        (nn.BatchNorm1d, {}, (4,), {"num_features": 4}),
        (nn.InstanceNorm1d, {"affine": True}, (4, 9), {"num_features": 4}),
        (nn.GroupNorm, {"num_groups": 2}, (4, 9), {"num_channels": 4}),
        (nn.GRUCell, {"hidden_size": 3}, (6,), {"input_size": 6}),
    ],
)
def test_what_a_module_asks_of_its_input_is_filled_from_the_shape(
    module: Any, arguments: dict[str, Any], shape: Shape, filled: dict[str, int]
) -> None:
    made = op(module, name=f"{module.__name__}Op")
    built, expected = made(**arguments).build(shape), module(**filled, **arguments)
    assert repr(built) == repr(expected)
    assert made(**arguments).cost(shape).params == sum(p.numel() for p in expected.parameters())
    assert not inspect.signature(made).parameters.keys() & filled.keys()


def test_a_default_that_no_text_can_spell_is_left_to_the_module() -> None:
    encoder = op(nn.TransformerEncoderLayer, name="encoder")
    assert str(encoder(8, 2, dropout=0.0)) == "encoder(8, 2, dropout=0.0)"
    assert run(encoder(8, 2), 5, 8).shape == (2, 5, 8)


def test_a_function_of_a_tensor_is_an_op() -> None:
    @op
    def scaled(x: Tensor, by: float = 2.0) -> Tensor:
        """Times ``by``."""
        return by * x

    space = ops.seq(scaled(by=real(3, 3)), scaled(), scaled)
    assert torch.equal(run(space.sample(), 3), torch.full((2, 3), 12.0))
    assert scaled.__doc__ == "Times ``by``."
    assert list(inspect.signature(scaled).parameters) == ["by"]
    assert "scaled, by=2.0" in repr(scaled().build((3,)))


def test_a_builtin_function_is_an_op() -> None:
    sine = op(torch.sin, name="sine")
    assert torch.equal(run(ops.seq(sine, sine()), 3), torch.ones(2, 3).sin().sin())
    assert sine().cost((3, 2)) == Cost((3, 2), activations=6, elementwise=6)
    with pytest.raises(SpaceError, match="too many positional"):
        sine(1)


def test_a_function_that_returns_a_module_is_an_op() -> None:
    @op(name="double_of_define_test")
    def double(in_features: int, shape: Shape, *, bias: bool = True) -> nn.Module:
        assert shape[-1] == in_features
        return nn.Linear(in_features, 2 * in_features, bias)

    assert str(double(bias=False)) == "double_of_define_test(bias=False)"
    assert run(ops.seq(double(bias=choose(True, False)), double).sample(), 3).shape == (2, 12)


def test_a_function_that_returns_a_node_is_short_for_that_tree() -> None:
    @op
    def block_of_define_test(width: int, act: Any = "relu", *extra: Node) -> Node:
        return ops.seq(ops.conv(width), parse(act), *extra)

    block = block_of_define_test(choose(4, 8), choose("relu", "tanh"), ops.norm, choose(ops.mish, ops.gelu))
    architecture = block.close({"width": 8, "act": "tanh", "choice": "mish"})
    assert str(architecture) == "block_of_define_test(8, 'tanh', norm, mish)"
    assert parse(str(architecture)) == architecture
    spelt = parse("seq(conv(8), tanh, norm, mish)")
    assert architecture.cost((3, 4, 4)) == spelt.cost((3, 4, 4))
    assert repr(architecture.build((3, 4, 4))) == repr(spelt.build((3, 4, 4)))
    assert architecture.key == spelt.key


def test_a_tree_among_the_arguments_arrives_built_for_the_shape() -> None:
    @op
    def gated(x: Tensor, gate: nn.Module, by: float = 1.0) -> Tensor:
        return by * x * gate(x)

    @op(name="twice_of_define_test")
    class Twice(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(self.inner(x))

    gate = choose(ops.seq(ops.conv(4), ops.sigmoid), ops.tanh, name="gate")
    space = ops.seq(gated(gate), Twice(ops.depthwise))
    assert space.distributions()["gate"].choices == ("seq(conv(4), sigmoid)", "tanh")
    architecture = space.close({"gate": "seq(conv(4), sigmoid)"})
    assert space.params(architecture) == {"gate": "seq(conv(4), sigmoid)"}
    module = architecture.build((4, 5, 5))
    assert (
        sum(p.numel() for p in module.parameters())
        == 4 * 4 * 9 + 4 * 9
        == architecture.cost((4, 5, 5)).params
    )
    # The convolution once, the depthwise one twice, on 25 positions.
    assert architecture.cost((4, 5, 5)).flops == 2 * 25 * (4 * 4 * 9 + 2 * 4 * 9)
    assert module(torch.ones(2, 4, 5, 5)).shape == (2, 4, 5, 5)
    with pytest.raises(BuildError, match=r"^conv\(4\) cannot be built on an input of shape \(7,\)"):
        gated(ops.conv(4)).cost((7,))


def test_an_argument_left_at_none_is_filled_from_the_context() -> None:
    @op(name="classifier_of_define_test")
    def classifier(in_features: int, outputs: int | None = None) -> nn.Module:
        return nn.Linear(in_features, outputs or 1)

    tree = ops.seq(ops.flatten, classifier)
    assert tree.cost((2, 3), outputs=7).shape == (7,)
    assert tree.build((2, 3), outputs=7)[1].out_features == 7
    assert ops.seq(classifier(4)).cost((3,), outputs=7).shape == (4,)


def test_attention_and_recurrence_are_counted_exactly() -> None:
    @op(name="attention_of_define_test")
    class Attention(nn.Module):
        def __init__(self, in_features: int) -> None:
            super().__init__()
            self.project = nn.Linear(in_features, 3 * in_features, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.project(x).unflatten(-1, (3, 1, -1)).permute(2, 0, 3, 1, 4)
            return nn.functional.scaled_dot_product_attention(q, k, v).squeeze(1)

    @op(name="lstm_of_define_test")
    class LSTM(nn.LSTM):
        def __init__(self, input_size: int, hidden: int) -> None:
            super().__init__(input_size, hidden, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(x)[0]

    length, width, hidden = 7, 6, 5
    projected, attended = 3 * width * width * length, 2 * length * length * width
    assert Attention().cost((length, width)).flops == 2 * (projected + attended)
    cost = LSTM(hidden).cost((length, width))
    assert cost.flops == 2 * 4 * hidden * (width + hidden) * length
    assert (cost.params, cost.shape, cost.depth) == (4 * hidden * (width + hidden + 2), (length, hidden), 1)


def test_a_cost_of_ones_own_takes_the_arguments_and_the_shape() -> None:
    seen: list[dict[str, Any]] = []

    def cost(**arguments: Any) -> Cost:
        seen.append(arguments)
        return Cost(arguments["shape"], flops=12)

    priced = op(lambda x, by=1.0: by * x, name="priced_of_define_test", cost=cost)
    assert ops.seq(priced(by=3)).cost((5,)) == Cost((5,), flops=12)
    assert seen == [{"shape": (5,), "by": 3.0}]


def test_a_simplification_of_ones_own_makes_keys_equal() -> None:
    times = op(
        lambda x, by=1.0: by * x,
        name="times_of_define_test",
        simplify=lambda node: None if node.arguments["by"] == 1 else node,
    )
    assert ops.seq(ops.relu, times()).key == ops.relu().key != ops.seq(ops.relu, times(by=2)).key


@pytest.mark.parametrize("name", ["", "two words", "a.b", "<lambda>", "class", "None", "choose", "repeat"])
def test_a_name_that_no_text_can_hold_is_refused(name: str) -> None:
    function = lambda x: x  # noqa: E731
    function.__name__ = name
    with pytest.raises(SpaceError, match="op name"):
        op(function)
