from __future__ import annotations

import pytest
import torch
from torch import nn

from optnas import parse
from optnas.train.memory_format import channels_last, in_channels_last


def test_images_of_one_channel_are_channels_last_too() -> None:
    image = torch.randn(5, 1, 8, 8)
    conv = torch.nn.Conv2d(1, 4, 3, padding=1).to(memory_format=torch.channels_last)
    assert conv(channels_last(image)).is_contiguous(memory_format=torch.channels_last)
    assert channels_last(torch.zeros(5, 3)).shape == (5, 3)


@pytest.mark.parametrize("last", ["head", "flatten"])
def test_gradients_stay_in_channels_last(last: str) -> None:
    module = parse(f"seq(conv(6), norm, relu, {last})").build((3, 8, 8), outputs=4)
    seen = []

    class Spy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x.register_hook(lambda g: seen.append(g.is_contiguous(memory_format=torch.channels_last)))
            return x * 1.0

    module.insert(3, Spy())
    with in_channels_last(module):
        module(channels_last(torch.randn(2, 3, 8, 8))).square().sum().backward()
    module(channels_last(torch.randn(2, 3, 8, 8))).square().sum().backward()
    assert seen == [True, False]
