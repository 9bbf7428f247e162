"""The gradient of DARTS's second order, against autograd through the step."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from optnas.one_shot.hypergradient import hypergradient


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 3e-2)])
def test_it_is_autograds_through_the_unrolled_step(momentum, decay):
    torch.manual_seed(0)
    make = lambda *shape: torch.randn(*shape, dtype=torch.float64)  # noqa: E731
    weights = [make(6, 5).requires_grad_(), make(5, 3).requires_grad_()]
    alpha = make(3).requires_grad_()
    velocity = [make(6, 5), make(5, 3)]
    train = make(8, 6), torch.randint(0, 3, (8,))
    valid = make(8, 6), torch.randint(0, 3, (8,))
    rate = 0.1

    def loss(batch, values):
        x, y = batch
        shares = alpha.softmax(0)
        hidden = x @ values[0]
        mixed = shares[0] * hidden.tanh() + shares[1] * hidden.square() + shares[2] * hidden
        return cross_entropy(mixed @ values[1], y)

    before = [weight.detach().clone() for weight in weights]
    found = hypergradient(
        [alpha],
        weights,
        lambda: loss(train, weights),
        lambda: loss(valid, weights),
        rate,
        decay,
        velocity,
        momentum,
    )
    slopes = torch.autograd.grad(loss(train, weights), weights, create_graph=True)
    unrolled = [
        weight - rate * (slope + decay * weight + momentum * moving)
        for weight, slope, moving in zip(weights, slopes, velocity, strict=True)
    ]
    (expected,) = torch.autograd.grad(loss(valid, unrolled), [alpha])
    torch.testing.assert_close(found[0], expected, rtol=1e-6, atol=1e-9)
    first = torch.autograd.grad(loss(valid, weights), [alpha])[0]
    assert not torch.allclose(first, expected, rtol=1e-2)
    assert all(torch.equal(weight, value) for weight, value in zip(weights, before, strict=True))


def test_a_choice_that_only_the_validation_loss_depends_on_has_its_gradient():
    weight = torch.ones(2, dtype=torch.float64, requires_grad=True)
    alpha = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    found = hypergradient(
        [alpha], [weight], lambda: weight.square().sum(), lambda: alpha * weight.sum(), rate=0.25
    )
    assert float(found[0]) == pytest.approx(1.0)  # the weights after the step: 1 - 0.25 · 2 each
