"""Upper and lower bounds of the Lipschitz constant."""

import math
import random

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch import nn

from optnas import ops, spaces
from optnas.measure.derivatives.jacobian import largest_jacobian
from optnas.measure.derivatives.linear_maps import spectral_norm
from optnas.measure.derivatives.lipschitz import INPUT, Bounds
from optnas.measure.derivatives.plain import twice_differentiable
from optnas.measure.derivatives.slopes import lipschitz_of_layer
from optnas.space import BuildError
from optnas.space.closing import Closing, draw

_SPACES = {
    "chain": (spaces.chain(widths=(4, 8)), (1, 8, 8)),
    "darts": (spaces.darts(width=4, cells=3), (1, 8, 8)),
    "nasbench201": (spaces.nasbench201(width=4, cells=1), (1, 8, 8)),
    "mobile": (spaces.mobile(((4, 2, 1), (8, 1, 2))), (1, 8, 8)),
    "resnet": (spaces.resnet(width=16, stages=2, blocks=2), (1, 8, 8)),
    "mlp": (spaces.mlp(), (7,)),
    "recurrent": (spaces.recurrent(tokens=False, widths=(4, 8)), (5, 3)),
    "transformer": (spaces.transformer(tokens=False, widths=(8,)), (5, 3)),
}


def network(architecture, shape, seed=0):
    """Return the network in float64 with batch norms that have seen data."""
    torch.manual_seed(seed)
    module = architecture.build(shape, outputs=3).train()
    module(torch.randn(8, *shape) * 3)
    return module.double().eval()


def upper(module, shape):
    return Bounds().of(module, torch.randn(1, *shape).double())[INPUT]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(_SPACES)), st.integers(0, 10_000))
def test_lower_is_never_above_upper(name, seed):
    space, shape = _SPACES[name]
    rng = random.Random(seed)
    architecture = Closing(lambda _, distribution: draw(distribution, rng)).close(space)
    try:
        module = network(architecture, shape, seed)
    except BuildError:
        reject()
    with twice_differentiable(module):
        lower = largest_jacobian(module, [torch.randn(8, *shape).double()])
    assert 0 <= lower <= upper(module, shape)


@pytest.mark.parametrize(
    ("architecture", "shape"),
    [
        (ops.seq(ops.linear(9), ops.linear(5), ops.linear(4)), (6,)),
        (ops.seq(ops.conv(3), ops.norm(), ops.avgpool(2), ops.conv(2, kernel=1), ops.head(3)), (2, 6, 6)),
        (ops.seq(ops.residual(ops.conv("same"), ops.norm()), ops.flatten(), ops.linear(3)), (2, 5, 5)),
        (ops.seq(ops.branch(ops.conv(2), ops.conv(2, kernel=1), merge="concat"), ops.flatten()), (1, 4, 4)),
        (ops.seq(ops.conv1d(4), ops.last(), ops.linear(2)), (5, 3)),
        (ops.seq(ops.transposed_conv(2), ops.upsample(2, kind="bilinear"), ops.head(2)), (2, 3, 3)),
    ],
)
def test_linear_networks_have_the_spectral_norm_of_their_matrix(architecture, shape):
    module = network(architecture, shape)
    jacobian = torch.autograd.functional.jacobian(
        lambda x: module(x.view(1, *shape)).flatten(), torch.zeros(math.prod(shape)).double()
    )
    exact = float(torch.linalg.matrix_norm(jacobian, 2))
    assert upper(module, shape) == pytest.approx(exact, rel=1e-8)
    assert largest_jacobian(module, [torch.randn(3, *shape).double()]) == pytest.approx(exact, rel=1e-2)


def test_a_convolution_too_large_for_its_matrix_is_bounded_within_one_percent():
    torch.manual_seed(0)
    layer = nn.Conv2d(8, 8, 3, padding=1, bias=True).double()
    x = torch.randn(1, 8, 9, 9).double()
    jacobian = torch.autograd.functional.jacobian(layer, x).reshape(648, 648)
    exact = float(torch.linalg.matrix_norm(jacobian, 2))
    assert exact <= spectral_norm(layer, x) <= 1.01 * exact


@pytest.mark.parametrize(
    "activation",
    [
        ops.relu(), ops.relu6(), ops.sigmoid(), ops.tanh(), ops.softplus(), ops.softsign(), ops.selu(),
        ops.gelu(), ops.silu(), ops.mish(), ops.hardsigmoid(), ops.hardswish(), ops.hardtanh(),
        ops.leaky_relu(-1.5), ops.elu(1.7), ops.celu(0.4), ops.prelu(2.5), ops.swish(beta=2.5),
        ops.swish(beta=0.6, learnable=True), ops.shifted_swish(1.4, 0.8), ops.shifted_swish(0.7, -3.0),
        ops.elu(2.0, learnable=True), ops.celu(-0.5, learnable=True), ops.leaky_relu(3.0, learnable=True),
    ],
    ids=str,
)  # fmt: skip
def test_constants_of_activations_are_their_largest_slope(activation):
    layer = activation.build((1,)).double()
    x = torch.linspace(-30, 30, 600_001, dtype=torch.float64)[:, None].requires_grad_()
    (slope,) = torch.autograd.grad(layer(x).sum(), x)
    largest = float(slope.abs().max())
    found = lipschitz_of_layer(layer, x[:1])
    assert largest - 1e-9 <= found <= 1.01 * largest


@pytest.mark.parametrize(
    "name", ["sin", "cos", "asinh", "atan", "sinc", "erf", "gaussian", "sqrt", "log", "absolute"]
)
def test_constants_of_functions_are_their_largest_slope(name):
    layer = getattr(ops, name)().build((1,)).double()
    near = torch.linspace(-4e-3, 4e-3, 8001, dtype=torch.float64)
    x = torch.cat((torch.linspace(-30, 30, 600_001, dtype=torch.float64), near))[:, None].requires_grad_()
    (slope,) = torch.autograd.grad(layer(x).sum(), x)
    largest = float(slope.abs().max())
    assert largest - 1e-9 <= lipschitz_of_layer(layer, x[:1]) <= 1.01 * largest


@pytest.mark.parametrize(
    ("architecture", "shape", "word"),
    [
        (ops.seq(ops.self_attention(heads=1), ops.head(2)), (4, 2), "attention"),
        (ops.seq(ops.conv(4), ops.squeeze_excite(2), ops.head(2)), (1, 4, 4), "gate"),
        (ops.seq(ops.lstm(4), ops.last(), ops.linear(2)), (4, 2), "LSTM"),
        (ops.branch(ops.linear(2), ops.linear(2), merge="mul"), (4,), "mul"),
    ],
)
def test_what_has_no_bound_is_said(architecture, shape, word):
    bounds = Bounds()
    assert bounds.of(network(architecture, shape), torch.randn(1, *shape).double())[INPUT] == math.inf
    assert word in " ".join(bounds.reasons)


@pytest.mark.parametrize("outputs", [3, 40])
def test_a_network_that_ignores_its_input_has_no_slope(outputs):
    module = ops.seq(ops.none(), ops.linear(4), ops.tanh(), ops.head()).build((5,), outputs=outputs).double()
    assert largest_jacobian(module.eval(), [torch.randn(4, 5).double()]) == 0
    assert upper(module, (5,)) == 0


@pytest.mark.parametrize("outputs", [3, 40])
def test_a_slope_that_is_no_number_is_not_passed_over(outputs):
    module = nn.Sequential(nn.Linear(5, outputs)).double()
    module[0].weight.data[0, 0] = math.nan
    assert math.isnan(largest_jacobian(module, [torch.randn(4, 5).double()]))


def test_the_jacobian_of_many_outputs_is_approached_from_below():
    torch.manual_seed(0)
    layer = nn.Linear(40, 50).double()
    exact = float(torch.linalg.matrix_norm(layer.weight.detach(), 2))
    found = largest_jacobian(layer, [torch.randn(4, 40).double()])
    assert 0.9 * exact <= found <= exact * (1 + 1e-12)
