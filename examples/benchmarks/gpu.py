"""How busy a GPU is, by ``nvidia-smi``, and how fast it multiplies matrices."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import time
from collections.abc import Iterator

import torch

_SAMPLE_MILLISECONDS = 200
_MATRIX = 8192
_PRODUCTS = 30


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


def matrix_rate(device: torch.device, size: int = _MATRIX) -> float:
    """Return the FLOP/s of the product of two square matrices of that size in bfloat16, the median of 30."""
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(3 + _PRODUCTS):
        _wait(device)
        started = time.perf_counter()
        a @ b
        _wait(device)
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / statistics.median(seconds[3:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
