"""The largest eigenvalue of the Hessian, and the margin bound."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from optnas import ops
from optnas.measure.derivatives.lanczos import largest_eigenvalue
from optnas.measure.derivatives.margin import margin, margin_bound, margins
from optnas.measure.derivatives.plain import twice_differentiable
from optnas.measure.derivatives.sharpness import sharpness


@pytest.mark.parametrize(
    ("architecture", "shape"),
    [
        (ops.seq(ops.linear(6), ops.tanh(), ops.linear(3)), (4,)),
        (
            ops.seq(ops.conv(2), ops.norm(), ops.mish(), ops.conv(2), ops.swish(beta=1.3), ops.head(3)),
            (1, 5, 5),
        ),
        (ops.seq(ops.linear(5), ops.swish(beta=0.7, learnable=True), ops.linear(3)), (4,)),
        (ops.seq(ops.lstm(3), ops.last(), ops.linear(3)), (4, 2)),
        (ops.seq(ops.gru(3), ops.last(), ops.linear(3)), (4, 2)),
        (ops.seq(ops.self_attention(heads=1), ops.head(3)), (4, 2)),
        (ops.seq(ops.linear(5), ops.act(ops.mul(ops.x(), ops.sigmoid(ops.x()))), ops.linear(3)), (4,)),
    ],
)
def test_sharpness_is_the_largest_eigenvalue_of_the_dense_hessian(architecture, shape):
    torch.manual_seed(1)
    module = architecture.build(shape).double().eval()
    x, y = torch.randn(20, *shape).double(), torch.arange(20) % 3
    names = [name for name, _ in module.named_parameters()]
    sizes = [weight.shape for weight in module.parameters()]

    def loss(flat):
        parts = flat.split([size.numel() for size in sizes])
        weights = {n: part.view(size) for n, part, size in zip(names, parts, sizes, strict=True)}
        return cross_entropy(torch.func.functional_call(module, weights, (x,)), y)

    with twice_differentiable(module):
        found = sharpness(module, lambda: cross_entropy(module(x), y))
        flat = torch.cat([weight.detach().flatten() for weight in module.parameters()])
        dense = torch.autograd.functional.hessian(loss, flat)
    assert found == pytest.approx(float(torch.linalg.eigvalsh(dense)[-1]), rel=1e-3)


def test_lanczos_finds_the_largest_and_not_the_one_of_largest_absolute_value():
    torch.manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(40, 40).double())
    values = torch.linspace(-9, 2, 40).double()
    matrix = basis @ torch.diag(values) @ basis.T
    found = largest_eigenvalue(lambda v: matrix @ v, torch.randn(40).double(), steps=40)
    assert found.value == pytest.approx(2, rel=1e-9)


@pytest.mark.parametrize("steps", [30, 60, 120])
def test_the_upper_bound_of_lanczos_holds_however_early_it_stops(steps):
    torch.manual_seed(0)
    values = torch.linspace(0, 1, 4000).double() ** 0.1
    found = largest_eigenvalue(lambda v: values * v, torch.randn(4000).double(), steps=steps)
    assert found.value < 1 <= found.upper
    assert steps < 60 or found.upper < 1.5


def test_margins_are_the_distance_to_the_next_class():
    outputs = torch.tensor([[3.0, 1.0, 2.5], [0.0, 1.0, 4.0]])
    assert margins(outputs, torch.tensor([0, 1])).tolist() == [0.5, -3.0]
    assert margin(torch.tensor([-1.0, 2.0])) == 2.0
    assert margin(torch.tensor([-1.0])) == 0.0


def test_the_margin_bound_of_a_chain_is_that_of_the_paper():
    torch.manual_seed(0)
    module = ops.seq(ops.linear(5, bias=False), ops.relu(), ops.linear(3, bias=False)).build((4,)).double()
    weights = [weight.detach() for weight in module.parameters()]
    norms = [float(torch.linalg.matrix_norm(weight, 2)) for weight in weights]
    ratios = [float(w.norm(dim=1).sum()) / norm for w, norm in zip(weights, norms, strict=True)]
    complexity = math.prod(norms) * sum(ratio ** (2 / 3) for ratio in ratios) ** 1.5
    found = margin_bound(module.eval(), torch.randn(1, 4).double(), gamma=0.5, norm=7.0, samples=20)
    assert found == pytest.approx(7 * complexity / (0.5 * 20), rel=1e-6)


def test_the_margin_bound_of_two_paths_adds_their_effects():
    torch.manual_seed(0)
    path = ops.seq(ops.linear(4, bias=False), ops.relu())
    module = ops.seq(path, ops.residual(ops.linear(4, bias=False), ops.tanh())).build((4,)).double().eval()
    first, second = (weight.detach() for weight in module.parameters())
    a, b = (float(torch.linalg.matrix_norm(weight, 2)) for weight in (first, second))
    rows = [float(weight.norm(dim=1).sum()) for weight in (first, second)]
    complexity = ((rows[0] * (1 + b)) ** (2 / 3) + (a * rows[1]) ** (2 / 3)) ** 1.5
    found = margin_bound(module, torch.randn(1, 4).double(), gamma=1.0, norm=1.0, samples=1)
    assert found == pytest.approx(complexity, rel=1e-6)


def test_without_a_sample_that_is_right_the_margin_bound_is_infinite():
    module = ops.linear(3).build((4,)).double().eval()
    assert margin_bound(module, torch.randn(1, 4).double(), 0.0, 1.0, 10) == math.inf
