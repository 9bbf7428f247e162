from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from optnas.ops.swish_mish import FixedSwish, Mish


def test_mish_and_its_gradient_are_those_of_pytorch_over_the_whole_range() -> None:
    x = torch.cat([torch.linspace(-1e4, 1e4, 20_001), torch.linspace(-25, 25, 5_001)])
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    out, expected = Mish()(ours), functional.mish(theirs)
    out.sum().backward()
    expected.sum().backward()
    assert torch.allclose(out, expected, rtol=1e-5, atol=1e-6)
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


def test_other_precisions_take_pytorch_s_own_kernel() -> None:
    for dtype in (torch.float64, torch.bfloat16):
        x = torch.linspace(-5, 5, 101, dtype=dtype)
        assert torch.equal(Mish()(x), functional.mish(x))


@pytest.mark.parametrize("beta", [1e-9, 0.0, 0.5, 1.7, -2.0])
def test_swish_trains_and_infers_by_its_formula(beta: float) -> None:
    x = torch.cat([torch.linspace(-1e4, 1e4, 20_001), torch.linspace(-25, 25, 5_001)])
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    out, expected = FixedSwish(beta)(ours), theirs * torch.sigmoid(beta * theirs)
    out.sum().backward()
    expected.sum().backward()
    assert torch.allclose(out, expected, rtol=1e-5, atol=1e-6)
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-5, atol=1e-5)
    assert torch.allclose(FixedSwish(beta)(x), expected, rtol=1e-5, atol=1e-6)
