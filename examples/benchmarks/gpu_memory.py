"""Parts of gpu_report.py about memory that ends: of processes, and of trials at once in one of them."""

from __future__ import annotations

import contextlib
import math
import resource
import tempfile
from collections.abc import Iterator
from typing import Any

import optuna
import psutil
import torch
from gpu_trials import FORK, work_together
from gpu_workload import Row, Setting, architectures, enqueued, study_of, task
from optuna.trial import TrialState

from optnas import ops
from optnas.space import Node

__all__ = ["out_of_memory", "out_of_memory_packed"]

# Four contexts, what three small trainings hold, and some for a large one.
_FREE_BYTES = 12 * 2**30
_LIMIT_BYTES = 512 * 2**20  # of each process, on the CPU


def out_of_memory(setting: Setting, workers: int = 4, at_once: int = 1) -> Iterator[Row]:
    """Four workers, of which one gets a network that fits in pieces only, and one that never will."""
    on_cuda = setting.device == "cuda"
    room, size = (_FREE_BYTES, 2) if on_cuda else (_LIMIT_BYTES, 4)
    # Of activations that a batch takes twice the room, and a pair of samples one and a half times.
    numbers = math.prod(task(setting).data.splits.train.shape[1:])
    too_large = _deep(4096 if on_cuda else 256, 2 * room / (setting.batch * numbers * size))
    hopeless = _deep(16384 if on_cuda else 1024, 1.5 * room / (2 * numbers * size))
    usual = [architecture for _, architecture in architectures(setting, 4 if setting.small else 10)]
    candidates = [too_large, hopeless, *usual]
    study = study_of(setting, candidates, samples=200 if setting.small else 6_000)
    with tempfile.TemporaryDirectory() as folder, _little_memory(setting):
        url = f"sqlite:///{folder}/study.db"
        enqueued(study, url, candidates)
        work_together(setting, study, url, len(candidates), workers, at_once)
        trials = optuna.load_study(study_name=study.name, storage=url).trials
    for trial in trials:
        yield {
            "trial": trial.number,
            "network": {0: "too large", 1: "hopeless"}.get(trial.number, "usual"),
            "state": trial.state.name,
            "pieces": trial.user_attrs.get("pieces", 1),
            "accuracy": trial.values[0] if trial.values else None,
            "seconds": trial.duration.total_seconds() if trial.duration else None,
            "said": trial.user_attrs.get("reason", ""),
        }
    wrong = [trial.number for trial in trials if (trial.state == TrialState.COMPLETE) == (trial.number == 1)]
    if wrong or trials[0].user_attrs.get("pieces", 1) == 1:
        raise AssertionError(f"all but trial 1 should be complete, and trial 0 in pieces; wrong: {wrong}")


def out_of_memory_packed(setting: Setting) -> Iterator[Row]:
    """The same of eight trials at once in one process."""
    if setting.device == "cpu":
        yield {"said": "what a thread has freed on the CPU is no room for others: tests/run/test_lanes.py"}
        return
    yield from out_of_memory(setting, 1, 8)


def _deep(width: int, layers: float) -> Node:
    return ops.seq(ops.conv(width), *[ops.gelu()] * math.ceil(layers / width), ops.head())


@contextlib.contextmanager
def _little_memory(setting: Setting) -> Iterator[None]:
    """Let little memory be free while within: of the GPU, or on the CPU for each process."""
    if setting.device == "cuda":
        taken, done = FORK.Event(), FORK.Event()
        process = FORK.Process(target=_take_memory, args=(taken, done))
        process.start()
        taken.wait(60)
        try:
            yield
        finally:
            done.set()
            process.join()
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = psutil.Process().memory_info().vms + _LIMIT_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _take_memory(taken: Any, done: Any) -> None:
    free, _ = torch.cuda.mem_get_info(0)
    held = torch.empty(max(0, free - _FREE_BYTES), dtype=torch.uint8, device="cuda:0")
    taken.set()
    done.wait()
    del held
