"""What only the built network tells: its file, its memory in training, its latency, its energy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn

from optnas.data import Data, Split
from optnas.errors import UserError
from optnas.measure.energy import energy, energy_meter
from optnas.measure.file_size import file_size
from optnas.measure.latency import latency
from optnas.measure.machine import alone, name_of
from optnas.measure.peak_memory import peak_memory
from optnas.tasks import Task
from optnas.train import Training, default_device, fit

__all__ = ["MEASURED", "Measuring", "measure"]

MEASURED = ("size", "peak_memory", "latency_ms", "latency_p95_ms", "energy")
"""What can be measured of a network before it is trained, by the names of objectives and constraints."""

_OF_THE_DEVICE = frozenset(MEASURED) - {"size"}


@dataclasses.dataclass(frozen=True)
class Measuring:
    """How a network is measured, before it is trained and only where an objective or constraint asks.

    ``latency_ms`` and ``latency_p95_ms`` are the milliseconds of one forward pass, the median and the
    95th percentile; ``energy`` is the joules of a sample's part in it. Both are of the network as
    PyTorch runs it without more ado: as built, in eval mode, in float32. ``peak_memory`` is the bytes
    that training holds at most (weights, gradients, optimiser, activations of a batch of the
    training's size), and ``size`` those of its safetensors file.

    Attributes:
        device: Such as ``"cpu"``; by default the training's.
        batch: Samples in a forward pass.
        threads: Of the CPU, in a forward pass.

    Raises:
        UserError: If a number is not at least 1.
    """

    device: str | None = None
    batch: int = 1
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("batch", "threads"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UserError(f"Measuring({name}={value!r}): give a whole number of at least 1")

    def place(self, names: Collection[str], training: Training) -> str | None:
        """Return where and how ``names`` are measured here, the same wherever figures compare.

        ``None`` stands for anywhere.

        Raises:
            UserError: If one of them cannot be measured here.
        """
        if not _OF_THE_DEVICE & set(names):
            return None
        device = self._device(training)
        if "energy" in names:
            energy_meter(device)
        threads = "" if device.type == "cuda" else f", {self.threads} thread{'s' * (self.threads > 1)}"
        return f"{name_of(device)}{threads}, batch {self.batch}"

    def _device(self, training: Training) -> torch.device:
        return default_device(self.device or training.device)


def measure(
    names: Collection[str],
    make: Callable[[], nn.Module],
    task: Task,
    training: Training,
    measuring: Measuring,
) -> dict[str, float]:
    """Measure ``names``, all of :data:`MEASURED`, and return them by name.

    Args:
        names: What is wanted.
        make: Builds the network.
        task: What it is going to learn; some of its samples go through the network.
        training: How it is going to be trained, without holes.
        measuring: How to measure.

    Raises:
        UserError: If one of them cannot be measured here.
    """
    found: dict[str, float] = {}
    device = measuring._device(training)
    if "size" in names:
        with torch.device("meta"):
            found["size"] = file_size(make())
    with alone(measuring.threads):
        if "peak_memory" in names:
            found["peak_memory"] = _peak_memory(make, task, training, device)
        if {"latency_ms", "latency_p95_ms", "energy"} & set(names):
            forward = _forward(make().to(device), _inputs(task, measuring.batch, device))
            if {"latency_ms", "latency_p95_ms"} & set(names):
                median, p95 = latency(forward, device)
                found |= {"latency_ms": _rounded(1e3 * median), "latency_p95_ms": _rounded(1e3 * p95)}
            if "energy" in names:
                found["energy"] = _rounded(
                    energy(_awaited(forward, device), energy_meter(device)) / measuring.batch
                )
    return found


def _rounded(value: float) -> float:
    """Return ``value`` to four digits: more than are the same twice."""
    return float(f"{value:.4g}")


# Remembered, since a data set that is streamed starts processes to read them.
@lru_cache(maxsize=8)
def _samples(data: Data, count: int) -> tuple[Tensor, Tensor]:
    """Return ``count`` of the training part's samples as they are stored, over again if there are fewer."""
    part = data.splits.train
    x, y = next(iter(part.blocks(count, torch.arange(min(count, len(part))))))
    again = torch.arange(count) % len(x)
    return x[again], y[again]


def _inputs(task: Task, count: int, device: torch.device) -> Tensor:
    x, _ = _samples(task.data, count)
    return task.data.splits.prepare(x.to(device)).contiguous()


def _forward(module: nn.Module, x: Tensor) -> Callable[[], object]:
    """Return what puts ``x`` through ``module``."""
    module.eval()

    def call() -> None:
        with torch.inference_mode():
            module(x)

    return call


def _awaited(call: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """Return what returns only when ``call`` has been computed."""
    if device.type != "cuda":
        return call

    def wait() -> None:
        call()
        torch.cuda.synchronize(device)

    return wait


def _peak_memory(make: Callable[[], nn.Module], task: Task, training: Training, device: torch.device) -> int:
    """Return the bytes that the trainer itself holds at most, over two steps.

    One batch is as good as all of them, and the second step has all that an optimiser keeps.
    """
    splits = task.data.splits
    batch = Split(*_samples(task.data, max(2, min(training.batch_size, len(splits.train)))))
    few = dataclasses.replace(splits, train=batch, validation=batch, test=batch)
    one_batch = cast(Task, _OnOtherData(task, Data(task.data.name, lambda: few)))
    short = dataclasses.replace(training, epochs=2, rungs=())
    return peak_memory(lambda: fit(make(), one_batch, short, device=device, seed=0), device)


class _OnOtherData:
    """A task as it is, but for its data."""

    def __init__(self, task: Task, data: Data) -> None:
        self._task = task
        self.data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)
