"""Default numbers of workers, and of threads in each, for a study on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import psutil
import torch
from torch import nn

from optnas.data.trees import Tree, leaves
from optnas.run.gpus import gpus_of, held_bytes
from optnas.space import SpaceError
from optnas.space.shapes import is_image
from optnas.study import Study
from optnas.train import cores, default_device, use_threads
from optnas.train.batches import InOrder

__all__ = ["default_threads", "default_workers", "fastest_threads", "too_many"]

# Memory of a process with PyTorch that trains a small network, measured; its data comes on top.
_WORKER_BYTES = 400 * 2**20

# Share of the memory free now that workers may take: the user may have plans for the rest.
_SHARE = 0.8

_CALIBRATION_SECONDS = 1.0
_ARCHITECTURES = 4
_BATCH = 64
# A smaller speed-up by more threads is not worth the loss to other processes.
_WORTHWHILE = 1.15


def default_workers(study: Study, *, worker_bytes: int = _WORKER_BYTES) -> int:
    """Return the default number of workers for ``study`` on this machine.

    On the CPU one for each core, since each computes with one thread, or as many as fit in memory with
    their data and ``worker_bytes`` of their own. One on each GPU, and one for a user-defined evaluation,
    whose memory is unknown.
    """
    if study.task is None:
        return 1
    if default_device(study.training.device).type != "cpu":
        return max(1, len(gpus_of(study)))
    free = psutil.virtual_memory().available
    return max(1, min(cores(), int(free * _SHARE / (worker_bytes + held_bytes(study)))))


def too_many(study: Study, workers: int, threads: int) -> str | None:
    """Return why so many workers, of so many threads each, slow this machine down; ``None`` if they do not.

    Told in words, of trainings on the CPU that ask for twice the cores or more, or for more memory than is
    free.
    """
    if study.task is None or default_device(study.training.device).type != "cpu":
        return None
    here = "1 core" if cores() == 1 else f"{cores()} cores"
    usual = default_workers(study)
    if workers * threads >= 2 * cores():
        if workers == 1:
            return (
                f"{threads} threads on {here} slow each other down; without --threads there are the fastest"
            )
        each = "" if threads == 1 else f" of {threads} threads each"
        # Where memory is for fewer workers than cores, each may have more threads than one.
        of = " of one thread" if usual == cores() else ""
        return (
            f"{workers} workers{each} on {here} slow each other down; without --workers and --threads there"
            f" {'is' if usual == 1 else 'are'} {usual}{of}"
        )
    needed, free = workers * (_WORKER_BYTES + held_bytes(study)), psutil.virtual_memory().available
    # The only one is this process, whose data is no longer free, and there cannot be fewer.
    if workers > 1 and needed > free:
        return (
            f"{workers} workers need about {needed / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} GiB are"
            f" free; without --workers there {'is' if usual == 1 else 'are'} {usual}"
        )
    return None


def default_threads(study: Study, workers: int) -> int:
    """Return the number of threads with which each of ``workers`` trains networks of ``study`` fastest.

    One if there is a worker for each core. Otherwise the fastest in a second of training some networks
    of the space: the kernels of small networks take microseconds, and waiting for a second thread at
    each of them costs more than it helps.
    """
    spare = cores() // workers
    if study.task is None or spare < 2 or default_device(study.training.device).type != "cpu":
        return 1
    steps = _steps(study)
    return fastest_threads(lambda: [step() for step in steps], spare) if steps else 1


def fastest_threads(step: Callable[[], object], most: int, seconds: float = _CALIBRATION_SECONDS) -> int:
    """Return the number of threads, among 1, 2, 4, … and ``most``, with which ``step`` is fastest.

    The numbers take turns for ``seconds``, so that other work on the machine disturbs all alike, and
    the best time of each counts. More threads are taken only if they are clearly faster.
    """
    counts = sorted({1, most, *(2**i for i in range(1, most.bit_length()) if 2**i <= most)})
    before = torch.get_num_threads()
    best = dict.fromkeys(counts, float("inf"))
    try:
        end = time.perf_counter() + seconds
        first = True
        while first or time.perf_counter() < end:
            for count in counts:
                use_threads(count)
                if first:
                    step()  # creates whatever is created once, such as the threads
                started = time.perf_counter()
                step()
                best[count] = min(best[count], time.perf_counter() - started)
            first = False
    finally:
        use_threads(before)
    chosen = 1
    for count in counts:
        if best[count] * _WORTHWHILE < best[chosen]:
            chosen = count
    return chosen


def _steps(study: Study) -> list[Callable[[], object]]:
    """Return a training step for each of some random networks of the space that can be built and trained."""
    assert study.task is not None
    assert study.shape is not None
    parts = study.task.data.splits
    inputs, _ = next(iter(InOrder(parts.train, min(_BATCH, len(parts.train)), parts.prepare)))
    steps: list[Callable[[], object]] = []
    for seed in range(10 * _ARCHITECTURES):
        try:
            module = study.space.sample(seed).build(study.shape, **study.context)
        except SpaceError:
            continue
        if is_image(study.shape):
            module.to(memory_format=torch.channels_last)
        step = partial(_step, module, inputs)
        try:
            step()
        except Exception:  # its trials will say why
            continue
        steps.append(step)
        if len(steps) == _ARCHITECTURES:
            break
    return steps


def _step(module: nn.Module, inputs: Tree) -> None:
    sizes = [each.float().square().mean() for each in leaves(module(inputs))]
    torch.stack(sizes).sum().backward()  # type: ignore[no-untyped-call]
