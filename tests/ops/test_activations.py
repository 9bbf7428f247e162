"""Activations, and expressions of functions: finite wherever inputs are, in every precision."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from optnas import choose, ops, parse, real
from optnas.cost.flop_counter import counted
from optnas.space import BuildError, SpaceError

EXTREMES = [0.0, -0.0, 1e-30, -1e-30, 1e-4, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 6.0, 88.0, -89.0, 1e4, -1e4]

ACTIVATIONS = [
    ops.relu(),
    ops.relu6(),
    ops.leaky_relu(slope=0.1),
    ops.leaky_relu(slope=0.1, learnable=True),
    ops.elu(alpha=0.7),
    ops.elu(alpha=0.7, learnable=True),
    ops.selu(),
    ops.celu(alpha=0.5),
    ops.celu(alpha=0.5, learnable=True),
    ops.gelu(),
    ops.silu(),
    ops.hardsigmoid(),
    ops.hardswish(),
    ops.hardtanh(),
    ops.sigmoid(),
    ops.tanh(),
    ops.softplus(),
    ops.softsign(),
    ops.mish(),
    ops.prelu(),
    ops.prelu(slope=0.1, per_channel=True),
    ops.swish(beta=1.2),
    ops.swish(beta=1.2, learnable=True),
    ops.shifted_swish(beta=2.0, shift=-1.0),
    ops.shifted_swish(beta=2.0, shift=-1.0, learnable=True),
]


def run(module: nn.Module, numbers: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return what comes out and every gradient."""
    numbers = numbers.clone().requires_grad_()
    out = module(numbers)
    out.sum().backward()
    gradients = [numbers.grad, *(p.grad for p in module.parameters())]
    return out, [gradient for gradient in gradients if gradient is not None]


def assert_finite(module: nn.Module, numbers: torch.Tensor) -> None:
    out, gradients = run(module.to(numbers.dtype), numbers)
    assert out.dtype == numbers.dtype
    assert out.isfinite().all()
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activations_are_finite_forth_and_back(activation, dtype):
    numbers = torch.tensor(EXTREMES).to(dtype).reshape(1, 2, 8, 1)
    assert_finite(activation.build((2, 8, 1)), numbers)


@pytest.mark.parametrize("shape", [(6,), (5, 6), (3, 4, 4)], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activations_take_every_shape_and_cost_what_is_counted(activation, shape):
    with torch.device("meta"):
        measured = counted(activation.build(shape), shape)
    cost = activation.cost(shape)
    assert (cost.shape, cost.flops, cost.params) == (shape, 0, measured.params)
    assert cost.elementwise >= cost.activations > 0


def test_learned_constants_start_where_the_search_put_them_and_learn():
    space = ops.shifted_swish(beta=real(0.5, 2.0, name="beta"), learnable=choose(False, True, name="learn"))
    architecture = space.close({"beta": 1.25, "learn": True})
    module = architecture.build((4,))
    named = dict(module.named_parameters())
    assert sorted(round(p.item(), 4) for p in named.values()) == [0.0, 1.25]
    _, gradients = run(module, torch.randn(3, 4))
    assert len(gradients) == 3
    assert not list(space.close({"beta": 1.25, "learn": False}).build((4,)).parameters())


def test_the_two_parameter_form_is_x_times_a_shifted_gate():
    numbers = torch.randn(100)
    out = ops.shifted_swish(beta=1.5, shift=0.3).build((100,))(numbers[None])[0]
    assert torch.allclose(out, numbers * torch.sigmoid(1.5 * numbers + 0.3))


def test_an_expression_prints_as_it_is_written_and_parses_back():
    expression = ops.act(ops.mul(ops.x(), ops.sigmoid(ops.scale(ops.x(), 1.2))))
    assert str(expression) == "act(mul(x, sigmoid(scale(x, 1.2))))"
    assert parse(str(expression)) == expression
    numbers = torch.randn(2, 7)
    assert torch.allclose(
        expression.build((7,))(numbers), ops.swish(beta=1.2).build((7,))(numbers), atol=1e-6
    )


def test_operands_keep_their_order():
    numbers = torch.randn(2, 7)
    expression = parse("act(sub(square(x), div(absolute(x), shift(square(x), 1.0))))")
    wanted = numbers**2 - numbers.abs() / (numbers**2 + 1)
    assert torch.allclose(expression.build((7,))(numbers), wanted, atol=1e-2)


def test_an_activation_can_be_part_of_an_expression():
    expression = ops.act(ops.add(ops.swish(beta=2.0, learnable=True), ops.tanh()))
    numbers = torch.randn(2, 7)
    wanted = numbers * torch.sigmoid(2 * numbers) + numbers.tanh()
    assert torch.allclose(expression.build((7,))(numbers), wanted, atol=1e-6)
    assert expression.cost((7,)).params == 1


def test_only_functions_of_single_numbers_are_expressions():
    for wrong in ("act(conv(8))", "act(concat(x, x))", "act(3)", "act(sub(x))", "act(tanh(x, x))"):
        with pytest.raises(BuildError):
            parse(wrong).cost((8, 4, 4))
        with pytest.raises(BuildError):
            parse(wrong).build((8, 4, 4))


def every_core_unit():
    """Every binary function with every pair of unary ones, their constants drawn at random."""
    space = ops.core_unit(low=-4.0, high=4.0, learnable=choose(False, True, name="learn"))
    options = space.distributions()
    return space, [
        {"binary": b, "left": left, "right": right}
        for b, left, right in itertools.product(*(options[n].choices for n in ("binary", "left", "right")))
    ]


def test_every_core_unit_is_finite_forth_and_back():
    space, units = every_core_unit()
    assert len(units) > 6_000
    # Pairs differ in one function only: every seventh meets each function many times over.
    for index, unit in enumerate(units[::7]):
        params = {"left.beta": -3.5, "right.beta": 0.0, "learn": index % 2 == 0, **unit}
        module = space.close(params).build((len(EXTREMES),))
        for dtype in (torch.float32, torch.bfloat16):
            assert_finite(module, torch.tensor([EXTREMES], dtype=dtype))


@pytest.mark.parametrize("seed", range(60))
def test_nested_units_are_finite_forth_and_back(seed):
    expression = ops.core_unit(2, low=-4.0, high=4.0, learnable=True).sample(seed)
    assert parse(str(expression)) == expression
    assert_finite(expression.build((len(EXTREMES),)), torch.tensor([EXTREMES]))


def test_slopes_of_deep_products_do_not_overflow():
    deep = ops.sub(ops.x(), ops.x())
    for _ in range(40):
        deep = ops.mul(deep, ops.cube(ops.x()))
    assert_finite(ops.act(deep).build((2,)), torch.tensor([[1e4, -1e4]]))


def test_core_units_are_one_or_two():
    with pytest.raises(SpaceError, match="1 or 2"):
        ops.core_unit(3)


def test_keys_see_through_the_spelling_of_an_expression():
    x = ops.x()
    assert ops.act(ops.mul(x, ops.tanh(x))).key == ops.act(ops.mul(ops.tanh(), x)).key
    assert ops.act(ops.scale(ops.tanh(x), 1.0)).key == ops.tanh().key
    assert ops.act(x).key == ops.identity().key
    assert ops.silu().key == ops.swish().key == ops.shifted_swish().key
    assert ops.act(ops.sub(x, ops.tanh(x))).key != ops.act(ops.sub(ops.tanh(x), x)).key
    assert ops.act(ops.scale(x, 1.0, learnable=True)).key != ops.act(x).key
