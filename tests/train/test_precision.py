from __future__ import annotations

import pytest
import torch
from torch import nn

from optnas import UserError, parse
from optnas.train.precision import choose_precision, in_precision

CPU = torch.device("cpu")


def layer(kind: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a layer gives in float32 and in bfloat16."""
    exact = kind(x)
    with in_precision(kind, "bfloat16"):
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
    with pytest.raises(RuntimeError), in_precision(module, "bfloat16"):
        module(torch.zeros(1, 3, 8, 8))
    assert set(vars(module[3])) == before


def test_gradients_reach_weights_in_float32() -> None:
    conv = nn.Conv2d(32, 32, 3)
    with in_precision(conv, "bfloat16"):
        conv(torch.randn(2, 32, 8, 8)).sum().backward()
    assert conv.weight.grad is not None
    assert conv.weight.grad.dtype == torch.float32


def test_auto_goes_by_the_hardware() -> None:
    expected = "bfloat16" if torch.cpu._is_amx_tile_supported() else "float32"
    assert choose_precision("auto", CPU) == expected
    assert choose_precision("float32", CPU) == "float32"
    with pytest.raises(UserError, match="float32, bfloat16"):
        choose_precision("half", CPU)
