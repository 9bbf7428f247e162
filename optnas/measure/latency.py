"""How long a forward pass takes, measured such that it comes out the same again."""

from __future__ import annotations

import contextlib
import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

__all__ = ["Latency", "latency"]

_WARM_UP_SECONDS = 0.1
_FEWEST_WARM_UPS = 3
_FEWEST_SECONDS = 0.5
_MOST_SECONDS = 4.0
_BLOCK_SECONDS = 0.01
_FEWEST_IN_BLOCK = 3
_PAUSE_SECONDS = 0.02

# A block is quiet where the yardstick beside it takes at most so many times its least time. Left
# alone that varies by some 7 %; a neighbour on the same core makes it 1.6 to 2 times.
_QUIET = 1.2
_FEWEST_QUIET = 6
_YARDSTICK_SIZE = 64
_YARDSTICK_CALLS = 20

Call = Callable[[], object]
Timed = Callable[[Call], float]

# The least time of the yardstick that this process has seen, by device and threads.
_least: dict[tuple[str, int], float] = {}


class Latency(NamedTuple):
    """How long a call takes, in seconds."""

    median: float
    p95: float


class _Block(NamedTuple):
    """Calls timed at once, and how long the yardstick took beside them, in seconds."""

    yardstick: float
    calls: list[float]


def latency(call: Call, device: torch.device) -> Latency:
    """Time ``call``, which computes on ``device`` and need not wait for it.

    After a warm-up, short blocks of calls are timed with pauses between them, each call by itself: by
    CUDA events on CUDA, with nothing else in the queue, and by the clock elsewhere. Whatever else a
    machine does comes in bursts of up to seconds, so a yardstick, a small matrix product, is timed
    before and after every block, and the figures are those of the blocks beside which it was about as
    fast as this process has ever seen it. On a quiet machine that takes half a second, but for the
    first time; for lack of quiet blocks it goes on for four, and takes the best there were. Work that
    never pauses is no burst and stays in the figures.
    """
    timed = _on_cuda if device.type == "cuda" else _by_the_clock
    yardstick = _yardstick(device)
    _warm_up(call, timed)
    _warm_up(yardstick, timed)
    here = (str(device), torch.get_num_threads())
    if here not in _least:
        _least[here] = _watched(yardstick, timed)
    blocks: list[_Block] = []
    quiet, started = 0, time.perf_counter()
    while len(blocks) < _FEWEST_QUIET or _goes_on(quiet, time.perf_counter() - started):
        time.sleep(_PAUSE_SECONDS)
        with _no_collection():
            blocks.append(_block(call, yardstick, timed))
        _least[here] = min(_least[here], blocks[-1].yardstick)
        quiet = sum(block.yardstick <= _QUIET * _least[here] for block in blocks)
    blocks.sort(key=lambda block: block.yardstick)
    calls = sorted(seconds for block in blocks[: max(quiet, _FEWEST_QUIET)] for seconds in block.calls)
    return Latency(statistics.median(calls), calls[int(0.95 * len(calls))])


def _goes_on(quiet: int, seconds: float) -> bool:
    return seconds < (_FEWEST_SECONDS if quiet >= _FEWEST_QUIET else _MOST_SECONDS)


def _yardstick(device: torch.device) -> Call:
    x = torch.ones(_YARDSTICK_SIZE, _YARDSTICK_SIZE, device=device)
    return lambda: x @ x


def _watched(yardstick: Call, timed: Timed) -> float:
    """Return the least time of the yardstick within as long as a burst may take."""
    least, started = math.inf, time.perf_counter()
    while time.perf_counter() - started < _MOST_SECONDS:
        least = min(least, _median(yardstick, timed))
        time.sleep(_PAUSE_SECONDS)
    return least


def _median(yardstick: Call, timed: Timed) -> float:
    return statistics.median(timed(yardstick) for _ in range(_YARDSTICK_CALLS))


def _warm_up(call: Call, timed: Timed) -> None:
    """Call until what is done once (choosing kernels, allocating, raising clocks) has been done."""
    started, calls = time.perf_counter(), 0
    while calls < _FEWEST_WARM_UPS or time.perf_counter() - started < _WARM_UP_SECONDS:
        timed(call)
        calls += 1


def _block(call: Call, yardstick: Call, timed: Timed) -> _Block:
    before = _median(yardstick, timed)
    timed(call)  # what the pause has cost is not part of it
    calls: list[float] = []
    started = time.perf_counter()
    while len(calls) < _FEWEST_IN_BLOCK or time.perf_counter() - started < _BLOCK_SECONDS:
        calls.append(timed(call))
    return _Block(max(before, _median(yardstick, timed)), calls)


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
    """Keep Python's garbage collector from running while within."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
