"""What training holds in memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from optnas.measure.peak_memory import peak_memory

CPU = torch.device("cpu")
KIB = 1024


def numbers(count: int) -> torch.Tensor:
    return torch.zeros(count * KIB // 4)


def test_what_lives_at_once_adds_up_and_what_is_gone_does_not() -> None:
    def train() -> None:
        kept = numbers(10)
        for _ in range(5):
            numbers(3)
        kept += 1  # in place
        kept.view(-1, 2)  # no memory of its own
        numbers(2)

    assert peak_memory(train, CPU) == 13 * KIB


def test_what_was_there_before_is_not_counted() -> None:
    before = numbers(50)

    def train() -> None:
        before.add_(1)
        before.view(2, -1).mul_(2)

    assert peak_memory(train, CPU) == 0


def test_a_training_step_holds_weights_gradients_and_what_the_optimiser_keeps() -> None:
    def train() -> None:
        layer = nn.Linear(64, 64, bias=False)
        optimizer = torch.optim.Adam(layer.parameters(), fused=True)
        layer(torch.zeros(1, 64)).sum().backward()
        optimizer.step()

    assert 4 * 16 * KIB <= peak_memory(train, CPU) < 5 * 16 * KIB


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_allocator_says() -> None:
    def train() -> None:
        torch.zeros(2**20, device="cuda")

    assert peak_memory(train, torch.device("cuda")) == 4 * 2**20
