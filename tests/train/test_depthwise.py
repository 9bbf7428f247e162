from __future__ import annotations

import pytest
import torch
from torch import nn

from optnas.train.depthwise import in_slices


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [(4, 4), (5, 5), (7, 7), (3, 5), (1, 9)])
def test_a_wide_depthwise_convolution_learns_by_the_same_gradients(
    kernel: tuple[int, int], stride: int, dilation: int, bias: bool
) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(
        6, 6, kernel, stride, (kernel[0] // 2, kernel[1] // 2 + 1), dilation, groups=6, bias=bias
    ).double()
    x = torch.randn(3, 6, 17, 19, dtype=torch.float64, requires_grad=True)
    inputs = (x, *layer.parameters())

    def gradients() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(layer(x).square().sum(), inputs)

    expected = gradients()
    with in_slices(layer):
        assert "forward" in vars(layer)
        assert torch.equal(layer(x.detach()), layer(x))
        for found, wanted in zip(gradients(), expected, strict=True):
            assert torch.allclose(found, wanted)
    assert "forward" not in vars(layer)


def test_other_convolutions_are_left_alone() -> None:
    others = nn.Sequential(
        nn.Conv2d(4, 4, 5), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 5, groups=4),
        nn.Conv2d(4, 4, 5, groups=4, padding="same"),
        nn.Conv2d(4, 4, 5, groups=4, padding=2, padding_mode="reflect"),
    )  # fmt: skip
    with in_slices(others):
        assert not any("forward" in vars(layer) for layer in others)
