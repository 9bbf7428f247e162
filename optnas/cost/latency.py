"""How long a forward pass takes, measured such that it comes out the same again."""

from __future__ import annotations

import contextlib
import gc
import statistics
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch

__all__ = ["Latency", "latency"]

_WARM_UP_SECONDS = 0.1
_FEWEST_WARM_UPS = 3
_SECONDS = 1.0
_FEWEST_BLOCKS = 4
_BLOCK_SECONDS = 0.01
_FEWEST_IN_BLOCK = 3
# Long enough for whatever disturbs one block to be over at the next ones.
_PAUSE_SECONDS = 0.03


class Latency(NamedTuple):
    """How long a call takes, in seconds."""

    median: float
    p95: float


def latency(call: Callable[[], object], device: torch.device) -> Latency:
    """Time ``call``, which computes on ``device`` and need not wait for it, for about a second.

    After a warm-up, short blocks of calls are timed with pauses between them, each call by itself: by
    CUDA events on CUDA, with nothing else in the queue, and by the clock elsewhere. Whatever else a
    machine does only ever adds time, and comes in bursts. So the figures are those of the calls in the
    quarter of the blocks with the lowest medians: the network's own time as long as one block in four
    was left alone. Work that goes on beside all of them, such as other workers that train, is in them.
    """
    timed = _on_cuda if device.type == "cuda" else _by_the_clock
    _warm_up(call, timed)
    blocks: list[list[float]] = []
    started = time.perf_counter()
    while len(blocks) < _FEWEST_BLOCKS or time.perf_counter() - started < _SECONDS:
        time.sleep(_PAUSE_SECONDS)
        timed(call)  # what the pause has cost is not part of it
        with _no_collection():
            blocks.append(_block(call, timed))
    blocks.sort(key=statistics.median)
    calls = sorted(seconds for block in blocks[: len(blocks) // 4] for seconds in block)
    return Latency(statistics.median(calls), calls[int(0.95 * len(calls))])


def _warm_up(call: Callable[[], object], timed: Callable[[Callable[[], object]], float]) -> None:
    """Call until what is done once (choosing kernels, allocating, raising clocks) has been done."""
    started, calls = time.perf_counter(), 0
    while calls < _FEWEST_WARM_UPS or time.perf_counter() - started < _WARM_UP_SECONDS:
        timed(call)
        calls += 1


def _block(call: Callable[[], object], timed: Callable[[Callable[[], object]], float]) -> list[float]:
    block: list[float] = []
    started = time.perf_counter()
    while len(block) < _FEWEST_IN_BLOCK or time.perf_counter() - started < _BLOCK_SECONDS:
        block.append(timed(call))
    return block


def _by_the_clock(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _on_cuda(call: Callable[[], object]) -> float:
    import torch

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
