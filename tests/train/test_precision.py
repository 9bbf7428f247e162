from __future__ import annotations

import pytest
import torch
from torch import nn

from optnas import Training, UserError, data, parse, tasks
from optnas.train import fit
from optnas.train.precision import _in_autocast, choose_precision, in_precision, in_tf32, of_capability

CPU = torch.device("cpu")


def layer(kind: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a layer gives in float32 and in bfloat16."""
    exact = kind(x)
    with in_precision(kind, "bfloat16", CPU):
        return exact, kind(x)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (nn.Conv2d(32, 32, 3, stride=2, padding=1), (2, 32, 8, 8)),
        (nn.Conv2d(32, 64, 3, dilation=2, bias=False), (2, 32, 8, 8)),
        (nn.Linear(64, 128), (2, 64)),
        (nn.Linear(64, 64, bias=False), (2, 7, 64)),
    ],
)
def test_large_products_are_rounded_and_come_back_in_float32(kind: nn.Module, shape: tuple[int, ...]) -> None:
    exact, rounded = layer(kind, torch.randn(shape))
    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    assert torch.allclose(exact, rounded, atol=0.05)


@pytest.mark.parametrize("kind", [nn.Conv2d(4, 4, 3), nn.Conv2d(64, 64, 3, groups=64), nn.BatchNorm2d(64)])
def test_everything_else_stays_exact(kind: nn.Module) -> None:
    channels = getattr(kind, "in_channels", 64)
    exact, same = layer(kind.eval(), torch.randn(2, channels, 8, 8))
    assert torch.equal(exact, same)


def test_the_module_is_as_before_afterwards_even_after_an_error() -> None:
    module = parse("seq(conv(64), norm, relu, conv(64), head(10))").build((16, 8, 8))
    before = set(vars(module[3]))
    with pytest.raises(RuntimeError), in_precision(module, "bfloat16", CPU):
        module(torch.zeros(1, 3, 8, 8))
    assert set(vars(module[3])) == before


def test_gradients_reach_weights_in_float32() -> None:
    conv = nn.Conv2d(32, 32, 3)
    with in_precision(conv, "bfloat16", CPU):
        conv(torch.randn(2, 32, 8, 8)).sum().backward()
    assert conv.weight.grad is not None
    assert conv.weight.grad.dtype == torch.float32


def test_auto_goes_by_the_hardware() -> None:
    expected = "bfloat16" if torch.cpu._is_amx_tile_supported() else "float32"
    assert choose_precision("auto", CPU) == expected
    assert choose_precision("float32", CPU) == "float32"
    with pytest.raises(UserError, match="float32, tf32, bfloat16"):
        choose_precision("half", CPU)
    with pytest.raises(UserError, match="'tf32' is of NVIDIA GPUs, not of cpu: use 'float32'"):
        choose_precision("tf32", CPU)


def test_a_gpu_has_bfloat16_and_tf32_from_ampere_on() -> None:
    hopper, volta = (9, 0), (7, 0)
    assert [of_capability(name, hopper) for name in ("auto", "tf32", "float32")] == [
        "bfloat16",
        "tf32",
        "float32",
    ]
    assert of_capability("auto", (8, 0)) == "bfloat16"
    assert of_capability("auto", volta) == of_capability("float32", volta) == "float32"
    with pytest.raises(UserError, match=r"needs compute capability 8.0, and this GPU has 7.0"):
        of_capability("bfloat16", volta)


def test_autocast_rounds_within_the_module_and_weights_are_never_stale() -> None:
    linear = nn.Linear(8, 8)
    x = torch.randn(4, 8)
    exact = linear(x)
    with _in_autocast(linear, CPU):
        rounded = linear(x)
        rounded.sum().backward()
        linear.weight.data.zero_()
        assert torch.equal(linear(x), linear.bias.bfloat16().float().expand(4, 8))
    assert "forward" not in vars(linear)
    assert rounded.dtype == linear.weight.grad.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    assert torch.allclose(exact, rounded, atol=0.05)


def tf32_switches() -> list[object]:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    if hasattr(cudnn, "conv"):
        return [matmul.fp32_precision, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision]
    return [matmul.allow_tf32, cudnn.allow_tf32]


@pytest.mark.parametrize(("allowed", "said"), [(True, {"tf32", True}), (False, {"ieee", False})])
@pytest.mark.filterwarnings("error")
def test_tf32_is_allowed_only_within(allowed: bool, said: set[object]) -> None:
    before = tf32_switches()
    with in_tf32(allowed):
        assert set(tf32_switches()) <= said
    assert tf32_switches() == before


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_cuda_learns_in_every_precision(precision: str) -> None:
    task = tasks.classification(data.digits())
    before = tf32_switches(), torch.backends.cudnn.benchmark
    torch.manual_seed(0)
    module = parse("seq(conv(64), norm, relu, conv(64), norm, relu, head)").build((1, 8, 8), outputs=10)
    training = Training(epochs=5, lr=1e-2, precision=precision)
    found = fit(module, task, training, device=torch.device("cuda"), seed=0)
    assert found["accuracy"] >= 0.95
    assert all(weight.dtype == torch.float32 for weight in module.parameters())
    assert (tf32_switches(), torch.backends.cudnn.benchmark) == before
