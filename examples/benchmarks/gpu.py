"""How busy a GPU is, by ``nvidia-smi``, and how fast it multiplies matrices and copies memory."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator

import torch

_SAMPLE_MILLISECONDS = 200
_MATRIX = 8192
_COPIED_BYTES = 2**31
_REPETITIONS = 30


@contextlib.contextmanager
def watched(gpu: str) -> Iterator[list[float]]:
    """Give a list that, in the end, has the share of the time with a kernel at work, 0 to 1, now and then.

    It stays empty where there is no ``nvidia-smi``, or nothing of it.

    Args:
        gpu: Its UUID, as in ``nvidia-smi -L``.
    """
    busy: list[float] = []
    query = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", f"--id={gpu}"]
    try:
        process = subprocess.Popen(
            ["nvidia-smi", *query, f"--loop-ms={_SAMPLE_MILLISECONDS}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except OSError:
        yield busy
        return
    try:
        yield busy
    finally:
        process.terminate()
        told, _ = process.communicate()
        busy += [float(line) / 100 for line in told.splitlines() if line.strip().isdecimal()]


def uuid(device: torch.device) -> str:
    """Return by what name ``nvidia-smi`` knows a device of CUDA."""
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}"


def matrix_rate(device: torch.device, size: int = _MATRIX, dtype: torch.dtype = torch.bfloat16) -> float:
    """Return the FLOP/s of the product of two square matrices of that size, the median of 30."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / _seconds(lambda: a @ b, device)


def memory_rate(device: torch.device, size: int = _COPIED_BYTES) -> float:
    """Return the bytes a second, read and written, of copying ``size`` bytes, the median of 30."""
    source = torch.randint(0, 256, (size,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / _seconds(lambda: target.copy_(source), device)


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    """Return the median time of a call that computes on ``device``."""
    seconds = []
    for _ in range(3 + _REPETITIONS):
        wait(device)
        started = time.perf_counter()
        call()
        wait(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[3:])


def wait(device: torch.device) -> None:
    """Wait until all that was asked of ``device`` is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
