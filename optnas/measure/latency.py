"""Reproducible measurement of the latency of a forward pass."""

from __future__ import annotations

import contextlib
import gc
import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

__all__ = ["Latency", "Timing", "latency"]

_WARM_UP_SECONDS = 0.1
_FEWEST_WARM_UPS = 3
_BLOCK_SECONDS = 0.01
_FEWEST_IN_BLOCK = 3
_PAUSE_SECONDS = 0.02

# A block is quiet if the yardstick beside it takes at most this multiple of its least time. On an idle
# machine that varies by some 7 %; another process on the same core makes it 1.6 to 2 times.
_QUIET = 1.2
_FEWEST_QUIET = 6

Call = Callable[[], object]
Timed = Callable[[Call], float]

# The yardstick's least time in this process so far, by device and number of threads.
_least: dict[tuple[str, int], float] = {}


class Latency(NamedTuple):
    """The latency of a call in seconds: its median and 95th percentile, and how sure they are.

    Attributes:
        median: The median.
        p95: The 95th percentile.
        spread: Half the distance between the quartiles of the blocks' medians.
        p95_spread: The same of their 95th percentiles.
        quiet: Whether enough blocks were quiet.
    """

    median: float
    p95: float
    spread: float
    p95_spread: float
    quiet: bool


class _Block(NamedTuple):
    """The seconds of calls timed in a row, and of the yardstick beside them."""

    yardstick: float
    calls: list[float]


class Timing(NamedTuple):
    """Settings of a measurement: how long to look for quiet moments, and what tells that one is quiet.

    Attributes:
        fewest_seconds: The time that a measurement takes at least.
        most_seconds: The time that it takes at most, for lack of quiet blocks; bursts of other work are
            shorter.
        yardstick: Makes a short call for a device, whose time shows what else the machine does.
        yardstick_calls: How often that is called; the median counts.
    """

    fewest_seconds: float = 0.5
    most_seconds: float = 4.0
    yardstick: Callable[[torch.device], Call] = lambda device: _product(torch.ones(64, 64, device=device))
    yardstick_calls: int = 20


def _product(x: torch.Tensor) -> Call:
    return lambda: x @ x


def latency(
    call: Call,
    device: torch.device,
    timing: Timing = Timing(),  # noqa: B008 - immutable
    least: dict[tuple[str, int], float] = _least,
) -> Latency:
    """Measure the latency of ``call``, which computes on ``device`` and need not wait for the result.

    After a warm-up, short blocks of calls are timed with pauses between them, each call by itself: by
    CUDA events on CUDA, with nothing else in the queue, and by the clock elsewhere. Other work on a
    machine comes in bursts of up to seconds. So a yardstick, a small matrix product, is timed before and
    after every block, and a block counts only if its yardstick is about as fast as the fastest in this
    process. On a quiet machine this takes half a second, except for the first time. For lack of quiet
    blocks it takes four seconds, and the quietest blocks count. Work that never pauses is no burst and
    stays in the figures.

    Args:
        call: What is timed.
        device: Where it computes.
        timing: How long to look for quiet blocks.
        least: The yardstick's least time so far by device and number of threads; updated.
    """
    timed = _on_cuda if device.type == "cuda" else _by_the_clock
    yardstick = timing.yardstick(device)
    _warm_up(call, timed)
    _warm_up(yardstick, timed)
    here = (str(device), torch.get_num_threads())
    if here not in least:
        least[here] = _watched(yardstick, timed, timing)
    blocks: list[_Block] = []
    quiet, started = 0, time.perf_counter()
    while len(blocks) < _FEWEST_QUIET or _goes_on(timing, quiet, time.perf_counter() - started):
        time.sleep(_PAUSE_SECONDS)
        with _no_collection():
            blocks.append(_block(call, yardstick, timed, timing))
        least[here] = min(least[here], blocks[-1].yardstick)
        quiet = sum(block.yardstick <= _QUIET * least[here] for block in blocks)
    blocks.sort(key=lambda block: block.yardstick)
    used = [sorted(block.calls) for block in blocks[: max(quiet, _FEWEST_QUIET)]]
    calls = sorted(itertools.chain(*used))
    return Latency(
        statistics.median(calls),
        _p95(calls),
        _spread([statistics.median(block) for block in used]),
        _spread([_p95(block) for block in used]),
        quiet >= _FEWEST_QUIET,
    )


def _p95(ascending: list[float]) -> float:
    return ascending[int(0.95 * len(ascending))]


def _spread(figures: list[float]) -> float:
    low, _, high = statistics.quantiles(figures, n=4)
    return (high - low) / 2


def _goes_on(timing: Timing, quiet: int, seconds: float) -> bool:
    return seconds < (timing.fewest_seconds if quiet >= _FEWEST_QUIET else timing.most_seconds)


def _watched(yardstick: Call, timed: Timed, timing: Timing) -> float:
    """Return the least time of the yardstick over a period as long as a burst of other work."""
    least, started = math.inf, time.perf_counter()
    while time.perf_counter() - started < timing.most_seconds:
        least = min(least, _median(yardstick, timed, timing))
        time.sleep(_PAUSE_SECONDS)
    return least


def _median(yardstick: Call, timed: Timed, timing: Timing) -> float:
    return statistics.median(timed(yardstick) for _ in range(timing.yardstick_calls))


def _warm_up(call: Call, timed: Timed) -> None:
    """Repeat ``call`` until one-off work (choosing kernels, allocating, raising clocks) is done."""
    started, calls = time.perf_counter(), 0
    while calls < _FEWEST_WARM_UPS or time.perf_counter() - started < _WARM_UP_SECONDS:
        timed(call)
        calls += 1


def _block(call: Call, yardstick: Call, timed: Timed, timing: Timing) -> _Block:
    before = _median(yardstick, timed, timing)
    timed(call)  # not counted, as it bears the cost of the pause
    calls: list[float] = []
    started = time.perf_counter()
    while len(calls) < _FEWEST_IN_BLOCK or time.perf_counter() - started < _BLOCK_SECONDS:
        calls.append(timed(call))
    return _Block(max(before, _median(yardstick, timed, timing)), calls)


def _by_the_clock(call: Call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _on_cuda(call: Call) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    begin.record()
    call()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1000


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Disable Python's garbage collector inside this context."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
