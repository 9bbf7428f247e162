"""Timing a forward pass."""

from __future__ import annotations

import gc
import time

import pytest
import torch

from optnas import ops
from optnas.measure.latency import Timing, latency

CPU = torch.device("cpu")


QUICK = Timing(fewest_seconds=0.1, most_seconds=0.3)


def test_a_hundred_times_the_work_takes_longer() -> None:
    def timed(width: int) -> float:
        module = ops.seq(ops.conv(width), ops.conv(width)).build((4, 32, 32)).eval()
        with torch.inference_mode():
            return latency(lambda: module(torch.zeros(1, 4, 32, 32)), CPU, QUICK, {}).median

    assert timed(4) < timed(128)


def test_bursts_of_other_work_stay_out_of_it() -> None:
    disturbed_until = time.perf_counter() + 1.2

    def disturbed_at_first() -> None:
        time.sleep(0.02 if time.perf_counter() < disturbed_until else 0.002)

    timing = Timing(0.1, 3.0, yardstick=lambda device: disturbed_at_first, yardstick_calls=2)
    found = latency(disturbed_at_first, CPU, timing, {("cpu", torch.get_num_threads()): 0.003})
    assert 0.002 <= found.median < 0.018
    assert found.median <= found.p95


def test_where_it_is_never_quiet_the_best_there_was_counts() -> None:
    least = {("cpu", torch.get_num_threads()): 1e-12}
    assert latency(lambda: time.sleep(0.001), CPU, QUICK, least).median >= 0.001


def test_garbage_is_not_collected_meanwhile_but_again_afterwards() -> None:
    during = set()

    def look() -> None:
        during.add(gc.isenabled())
        time.sleep(0.001)

    latency(look, CPU, QUICK, {})
    assert False in during
    assert gc.isenabled()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_device_s_time_counts() -> None:
    x = torch.randn(8192, 8192, device="cuda")
    found = latency(lambda: x @ x, torch.device("cuda"))
    # A float32 product of 2·8192³ FLOPs: no GPU does it in a tenth of a millisecond.
    assert found.median > 1e-4
