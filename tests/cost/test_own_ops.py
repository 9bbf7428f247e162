"""An op of one's own costs what the same network of optnas's ops does, in every cost."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from optnas import op, ops, parse
from optnas.cost import COSTS, Cost
from optnas.space import Shape
from tests.ops.test_layers import CASES, IMAGE, ROW, SEQUENCE, TOKENS

ACTIVATIONS = [
    "celu",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "shifted_swish",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "tanh",
    "swish(beta=1.5)",
    "swish(learnable=True)",
    "absolute",
    "asinh",
    "atan",
    "cos",
    "cube",
    "erf",
    "gaussian",
    "log",
    "negative",
    "negative_part",
    "sin",
    "sqrt",
    "square",
    "identity",
    "flatten",
    "sub(identity,relu)",
    "maximum(identity,relu,tanh)",
    "gate(identity,relu,tanh)",
    "add(identity,relu,tanh)",
    "concat(identity,relu,tanh)",
]

# Where the convention of a built-in cannot be seen in what its module runs.
DIFFERENT = {
    # Its two convolutions are one layer, and their concatenation is part of it.
    "factorized_reduce(width=13)": {"activations", "width"},
    "factorized_reduce": {"activations", "width"},
    "skip(stride=2)": {"activations", "width"},
    # Queries, keys and values are one linear layer of three times the features.
    "self_attention(4)": {"width"},
    "self_attention(2, causal=True, dropout=0.1, bias=False)": {"width"},
    "transformer_block(4, expansion=2, rate=0.1, causal=True)": {"width"},
    # So are keys and values of a memory.
    "cross_attention(identity, conv1d(5, stride=2), heads=2)": {"width"},
    "cross_attention(linear(6), identity, heads=3, dropout=0.1, bias=False)": {"width"},
    "seq(fork(memory=linear(4), x=identity), decoder_block(2, expansion=2, rate=0.1), input('x'))": {"width"},
    # Their formulas are computed in other ways.
    "basic_block(12, stride=2, activation=swish(beta=1.5))": {"elementwise"},
    "mean(conv(4), conv(4, kernel=1))": {"elementwise"},
    "blend(identity, relu, beta=0.3, learnable=True)": {"elementwise"},
    "prelu(per_channel=True)": {"elementwise"},
}


def differing(one: Cost, other: Cost) -> dict[str, Any]:
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in ("shape", *COSTS)}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        *(case for case in CASES if case[1] != TOKENS),
        *((text, shape) for text in ACTIVATIONS for shape in (IMAGE, SEQUENCE, ROW)),
    ],
    ids=lambda value: str(value),
)
def test_the_module_of_a_built_in_costs_the_same_as_an_op_of_ones_own(text: str, shape: Shape) -> None:
    tree = parse(text)
    context = {"outputs": 5, "vocabulary": 11}

    @op(name="same_of_cost_test")
    def same() -> nn.Module:
        module: nn.Module = tree.build(shape, **context)
        return module

    found = differing(tree.cost(shape, **context), same().cost(shape))
    assert found.keys() <= DIFFERENT.get(text, set()), found


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.two = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.two(self.relu(self.one(x))))


class InPlaceModules(Block):
    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)


class Functions(Block):
    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.two(functional.relu(self.one(x), inplace=True)))


class Methods(Block):
    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(x).relu_()).clamp(min=0)


class Weights(Block):
    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.conv2d(x, self.one.weight, padding=1).relu()
        return functional.conv2d(functional.pad(hidden, (1, 1, 1, 1)), self.two.weight).relu()


class Raw(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.empty(8, 8, 3, 3))
        self.two = nn.Parameter(torch.empty(8, 8, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.relu(functional.conv2d(x, self.one, padding=1))
        return functional.relu(functional.conv2d(hidden, self.two, padding=1))


class Frozen(Block):
    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(False)


class NoGradient(Block):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.ReLU())] * 1)
        self.layers.append(nn.Sequential(nn.Conv2d(8, 8, 3, padding="same", bias=False), nn.ReLU()))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).contiguous().view(x.shape)
        return x


@pytest.mark.parametrize(
    "module", [Block, InPlaceModules, Functions, Methods, Weights, Raw, Frozen, NoGradient, Nested]
)
@pytest.mark.parametrize("shape", [(8, 8, 8), (8, 5, 6)])
def test_however_a_network_is_written_it_costs_the_same(module: type[nn.Module], shape: Shape) -> None:
    expected = parse("seq(conv(8), relu, conv(8), relu)").cost(shape)
    assert differing(expected, op(module, name="own_of_cost_test")().cost(shape)) == {}


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        attended: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return attended


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (Attention, "self_attention(2)"),
        (
            lambda: nn.TransformerEncoderLayer(8, 2, 16, 0.1, "gelu", batch_first=True, norm_first=True),
            "transformer_block(2, expansion=2, rate=0.1)",
        ),
        (lambda: nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 5)), "seq(layernorm, linear(5))"),
    ],
)
def test_layers_of_pytorch_cost_what_optnas_s_do(made: Any, text: str) -> None:
    own = op(lambda made=made: made(), name="pytorch_of_cost_test")
    assert differing(parse(text).cost(SEQUENCE), own().cost(SEQUENCE)) == {}


def test_a_residual_counts_its_sum_and_its_longest_path() -> None:
    class Residual(Block):
        def forward(self, x: Tensor) -> Tensor:
            y = self.two(self.one(x))
            y += self.one(x)
            return y

    cost = op(Residual, name="residual_of_cost_test")().cost((8, 4, 4))
    assert (cost.activations, cost.elementwise, cost.depth, cost.width) == (4 * 128, 128, 2, 8)


def test_a_function_of_ones_own_has_an_elementwise_cost() -> None:
    def bent(x: Tensor, bend: float = 0.5) -> Tensor:
        return x + bend * ((x * x + 1).sqrt() - 1)

    assert op(bent)().cost((3, 4)) == Cost((3, 4), activations=12, elementwise=6 * 12)
    assert ops.seq(bent := op(bent), bent).cost((3,)).elementwise == 36
