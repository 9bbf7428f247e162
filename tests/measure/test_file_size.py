"""The size of a network's file."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save
from torch import nn

from optnas import Node, ops
from optnas.measure.file_size import file_size

NETWORKS = [
    ops.seq(ops.conv(8), ops.norm(), ops.relu(), ops.head(10)),
    ops.seq(*[ops.inverted_residual(24)] * 12, ops.head(1000)),
    ops.flatten(),
]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_it_is_that_of_the_file_to_the_byte(network: Node, device: str) -> None:
    with torch.device(device):
        size = file_size(network.build((3, 16, 16)))
    assert size == len(save(network.build((3, 16, 16)).state_dict()))


def test_numbers_of_other_types_count_what_they_take() -> None:
    module = nn.BatchNorm2d(1000).bfloat16()
    for dtype in (torch.float64, torch.float16, torch.int64, torch.int8, torch.uint8, torch.bool):
        module.register_buffer(f"as_{str(dtype)[6:]}", torch.zeros(3, dtype=dtype))
    assert file_size(module) == len(save(module.state_dict()))
