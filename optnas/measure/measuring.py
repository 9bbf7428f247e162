"""Measurement of a built network: file size, peak memory in training, latency, energy, zero-cost scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn

from optnas.data import Data, Split
from optnas.data.trees import Tree, mapped, samples_in
from optnas.errors import check_whole
from optnas.measure.energy import energy, energy_meter
from optnas.measure.file_size import file_size
from optnas.measure.latency import latency
from optnas.measure.machine import alone, name_of
from optnas.measure.peak_memory import peak_memory
from optnas.measure.rounds import Round
from optnas.measure.zero_cost.batch import Batch
from optnas.measure.zero_cost.scores import METRICS, zero_cost
from optnas.tasks import Task
from optnas.train import Training, default_device, fit

__all__ = ["MEASURED", "Measuring", "measure", "measure_round", "scores"]

MEASURED = ("size", "peak_memory", "latency_ms", "latency_p95_ms", "energy", *METRICS)
"""The quantities measured before training, by their names in objectives and constraints."""

_OF_THE_DEVICE = frozenset(MEASURED) - {"size", *METRICS}

# Samples that zero-cost scores are made of: the batch of most of their papers.
_SCORED = 64


@dataclasses.dataclass(frozen=True)
class Measuring:
    """Settings for measuring a network before training, if an objective or constraint needs that.

    ``latency_ms`` and ``latency_p95_ms`` are the milliseconds of one forward pass, the median and the
    95th percentile; ``energy`` is the joules of a forward pass per sample. Both are of the network in
    plain PyTorch: as built, in eval mode, in float32. ``peak_memory`` is the most bytes that training
    holds (weights, gradients, optimiser, activations of a batch of the training's size), and ``size``
    the bytes of its safetensors file. The zero-cost scores, of which higher is better, are of 64 samples of
    the training part: ``naswot``, ``jacob_cov``, ``synflow``, ``snip``, ``grad_norm``, ``grasp``, ``zico``,
    ``expressivity``, ``progressivity`` and ``trainability``.

    Attributes:
        device: The device to measure on, such as ``"cpu"``; by default the training's.
        batch: Samples per forward pass.
        threads: CPU threads of a forward pass.

    Raises:
        UserError: If a number is not at least 1.
    """

    device: str | None = None
    batch: int = 1
    threads: int = 1

    def __post_init__(self) -> None:
        check_whole("Measuring", batch=self.batch, threads=self.threads)

    def fingerprint(self, names: Collection[str], training: Training) -> str | None:
        """Return a fingerprint of hardware and settings; measurements compare only where it is equal.

        ``None`` if ``names`` are the same on all hardware.

        Raises:
            UserError: If one of ``names`` cannot be measured here.
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
    """Measure a network once and return the values by name.

    Args:
        names: The quantities to measure, a subset of :data:`MEASURED`.
        make: Builds the network.
        task: The task of the network; some of its samples go through the network.
        training: The network's training settings, with every value decided.
        measuring: The measuring settings.

    Raises:
        UserError: If one of ``names`` cannot be measured here.
    """
    found = measure_round(names, make, task, training, measuring)
    return {name: once.figure for name, once in found.items()}


def measure_round(
    names: Collection[str],
    make: Callable[[], nn.Module],
    task: Task,
    training: Training,
    measuring: Measuring,
) -> dict[str, Round]:
    """Measure a network once, as :func:`measure` does, and return how sure each value is as well."""
    found: dict[str, Round] = {}
    device = measuring._device(training)
    if "size" in names:
        with torch.device("meta"):
            found["size"] = Round(file_size(make()))
    with alone(measuring.threads):
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # other lanes may have launched something
        if "peak_memory" in names:
            found["peak_memory"] = Round(_peak_memory(make, task, training, device))
        if {"latency_ms", "latency_p95_ms", "energy"} & set(names):
            forward = _forward(make().to(device), _batch(task, measuring.batch, device).inputs)
            if {"latency_ms", "latency_p95_ms"} & set(names):
                took = latency(forward, device)
                found |= {
                    "latency_ms": _in_ms(took.median, took.spread, took.quiet),
                    "latency_p95_ms": _in_ms(took.p95, took.p95_spread, took.quiet),
                }
            if "energy" in names:
                spent = energy(_awaited(forward, device), energy_meter(device))
                found["energy"] = Round(_rounded(spent / measuring.batch))
    wanted = [name for name in METRICS if name in names]
    if wanted:
        found |= {name: Round(score) for name, score in scores(wanted, make, task, device).items()}
    return found


def scores(
    names: Collection[str], make: Callable[[], nn.Module], task: Task, device: torch.device
) -> dict[str, float]:
    """Build a network and return its zero-cost scores by name, of samples of the task's training part."""
    batch = _batch(task, _SCORED, device)
    return zero_cost(names, make().to(device), batch, task.loss)


def _in_ms(seconds: float, spread: float, quiet: bool) -> Round:
    return Round(_rounded(1e3 * seconds), float(f"{1e3 * spread:.2g}"), quiet)


def _rounded(value: float) -> float:
    """Return ``value`` rounded to four digits, which is more than repeated measurements agree in."""
    return float(f"{value:.4g}")


# Cached, as a streamed data set starts processes to read samples.
@lru_cache(maxsize=8)
def _samples(data: Data, count: int) -> tuple[Tree, Tree]:
    """Return ``count`` samples of the training part as stored, repeated if there are fewer."""
    part = data.splits.train
    x, y = next(iter(part.blocks(count, torch.arange(min(count, len(part))))))
    again = torch.arange(count) % samples_in(x)
    return mapped(lambda each: each[again], x), mapped(lambda each: each[again], y)


def _batch(task: Task, count: int, device: torch.device) -> Batch:
    x, y = _samples(task.data, count)
    prepared = task.data.splits.prepare(mapped(lambda each: each.to(device), x))
    return Batch(mapped(Tensor.contiguous, prepared), mapped(lambda each: each.to(device), y))


def _forward(module: nn.Module, x: Tree) -> Callable[[], object]:
    """Return a function that runs the forward pass of ``module`` on ``x``."""
    module.eval()

    def call() -> None:
        with torch.inference_mode():
            module(x)

    return call


def _awaited(call: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """Return a function that runs ``call`` and waits until ``device`` has computed it."""
    if device.type != "cuda":
        return call

    def wait() -> None:
        call()
        torch.cuda.synchronize(device)

    return wait


def _peak_memory(make: Callable[[], nn.Module], task: Task, training: Training, device: torch.device) -> int:
    """Return the peak bytes that the training loop itself holds, over two steps.

    One batch has the peak of all of them, and from the second step on the optimiser's state is there.
    """
    splits = task.data.splits
    batch = Split(*_samples(task.data, max(2, min(training.batch_size, len(splits.train)))))
    few = dataclasses.replace(splits, train=batch, validation=batch, test=batch)
    one_batch = cast(Task, _OnOtherData(task, Data(task.data.name, lambda: few)))
    short = dataclasses.replace(training, epochs=2, rungs=())
    return peak_memory(lambda: fit(make(), one_batch, short, device=device, seed=0), device)


class _OnOtherData:
    """A task with its data replaced."""

    def __init__(self, task: Task, data: Data) -> None:
        self._task = task
        self.data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)
