from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.profiler import profile

from optnas.train.convolutions import faster_convolutions
from optnas.train.memory_format import channels_last


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
    _check(layer, (3, 6, 17, 19))


@pytest.mark.parametrize("options", [{"padding": 2}, {"padding": "same"}, {"stride": 2, "bias": False}])
@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_a_depthwise_convolution_is_the_same_in_the_format_that_cuda_is_given(
    mode: str, options: dict[str, object]
) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 12, 5, groups=6, padding_mode=mode, **options).double()  # type: ignore[arg-type]
    _check(layer, (3, 6, 9, 7), "cuda")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_depthwise_convolutions_are_computed_by_what_needs_no_compiling() -> None:
    layer = nn.Conv2d(32, 32, 5, padding=2, groups=32).cuda().to(memory_format=torch.channels_last)
    x = channels_last(torch.randn(8, 32, 14, 14, device="cuda")).requires_grad_()
    with faster_convolutions(layer, "cuda"), torch.autocast("cuda", torch.bfloat16), profile() as seen:
        layer(x).sum().backward()
    kernels = {event.key for event in seen.key_averages()}
    assert "aten::_conv_depthwise2d" in kernels
    assert not any("cudnn_convolution" in kernel for kernel in kernels)


@pytest.mark.parametrize("bias", [False, True])
def test_a_pointwise_convolution_is_the_same_as_a_matrix_product(bias: bool) -> None:
    torch.manual_seed(0)
    _check(nn.Conv2d(6, 4, 1, bias=bias).double(), (3, 6, 7, 5))


def _check(layer: nn.Conv2d, shape: tuple[int, ...], device: str = "cpu") -> None:
    x = channels_last(torch.randn(shape, dtype=torch.float64)).requires_grad_()
    inputs = (x, *layer.parameters())

    def gradients() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(layer(x).square().sum(), inputs)

    expected = gradients()
    with faster_convolutions(layer, device):
        assert "forward" in vars(layer)
        assert layer(x).is_contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            assert torch.allclose(layer(x), nn.Conv2d.forward(layer, x))
        assert torch.allclose(layer(x[0]), nn.Conv2d.forward(layer, x)[0])  # without a batch
        for found, wanted in zip(gradients(), expected, strict=True):
            assert torch.allclose(found, wanted)
    assert "forward" not in vars(layer)


def test_other_convolutions_are_left_alone() -> None:
    others = nn.Sequential(
        nn.Conv2d(4, 4, 5), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 5, groups=4),
        nn.Conv2d(4, 4, 1, stride=2), nn.Conv2d(4, 4, 1, padding=1), nn.Conv2d(4, 4, 1, groups=2),
        nn.Conv2d(4, 4, 5, groups=4, padding="same"),
        nn.Conv2d(4, 4, 5, groups=4, padding=2, padding_mode="reflect"),
    )  # fmt: skip
    with faster_convolutions(others, "cpu"):
        assert not any("forward" in vars(layer) for layer in others)
    with faster_convolutions(others, "cuda"):
        assert [layer.groups for layer in others if "forward" in vars(layer)] == [4] * 4
