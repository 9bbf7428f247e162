"""Timing a forward pass."""

from __future__ import annotations

import gc
import time

import pytest
import torch

from optnas import ops
from optnas.cost.latency import latency

CPU = torch.device("cpu")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optnas.cost.latency._SECONDS", 0.2)
    monkeypatch.setattr("optnas.cost.latency._WARM_UP_SECONDS", 0.01)


@pytest.mark.usefixtures("quick")
def test_a_hundred_times_the_work_takes_longer() -> None:
    def timed(width: int) -> float:
        module = ops.seq(ops.conv(width), ops.conv(width)).build((4, 32, 32)).eval()
        with torch.inference_mode():
            return latency(lambda: module(torch.zeros(1, 4, 32, 32)), CPU).median

    assert timed(4) < timed(128)


@pytest.mark.usefixtures("quick")
def test_most_blocks_may_be_disturbed() -> None:
    calls = 0

    def disturbed_by_turns() -> None:
        nonlocal calls
        calls += 1
        time.sleep(0.001 if calls // 20 % 5 in (0, 1) else 0.02)

    found = latency(disturbed_by_turns, CPU)
    assert 0.001 <= found.median < 0.01
    assert found.median <= found.p95


@pytest.mark.usefixtures("quick")
def test_garbage_is_not_collected_meanwhile_but_again_afterwards() -> None:
    during = set()

    def look() -> None:
        during.add(gc.isenabled())
        time.sleep(0.001)

    latency(look, CPU)
    assert False in during
    assert gc.isenabled()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_device_s_time_counts() -> None:
    x = torch.randn(8192, 8192, device="cuda")
    found = latency(lambda: x @ x, torch.device("cuda"))
    # A float32 product of 2·8192³ FLOPs: no GPU does it in a tenth of a millisecond.
    assert found.median > 1e-4
