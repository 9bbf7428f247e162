"""Which workers compute on which GPU, and how many of them one GPU bears.

Workers are processes. Those on one GPU take turns on it, kernel by kernel at the same time only under
NVIDIA's Multi-Process Service (MPS), which they use without more ado where its daemon is up
(``nvidia-cuda-mps-control -d``): https://docs.nvidia.com/deploy/mps/
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from optnas.errors import UserError
from optnas.space import SpaceError
from optnas.study import Study
from optnas.train import cores, default_device
from optnas.train.batches import block_bytes
from optnas.train.loop import evaluated_at_once
from optnas.train.training import possible

__all__ = ["fitting_workers", "gpu_of", "gpus_of", "held_bytes", "mps_is_up", "workers_on_gpu"]

# CUDA's context with its kernels, and the workspaces of cuBLAS and cuDNN; an estimate.
_CONTEXT_BYTES = 800 * 2**20

# What a training step holds for each number that layers write: itself, its gradient, and both once
# more, as a graph of the step has memory of its own; an estimate.
_STEP_COPIES = 4

# Of a card's memory, what is not planned with: allocators leave gaps.
_SHARE_LEFT = 0.1

# More processes take turns on a GPU rather than fill it; an estimate.
_MOST_ON_GPU = 8

_SAMPLED = 32


def gpus_of(study: Study) -> list[int]:
    """Return the GPUs that workers of ``study`` are spread over: one it names, or all; none for the CPU."""
    device = default_device(study.training.device)
    if device.type != "cuda":
        return []
    return [device.index] if ":" in study.training.device else list(range(torch.cuda.device_count()))


def gpu_of(worker: int, gpus: Sequence[int]) -> int | None:
    """Return the GPU of the worker of that number, counted from 0; ``None`` where there are none."""
    return gpus[worker % len(gpus)] if gpus else None


def workers_on_gpu(free: int, total: int, cores: int, held: int, activations: int) -> int:
    """Return how many workers a GPU bears by its memory, at least one.

    Args:
        free: Bytes of its memory that are free.
        total: Bytes of its memory.
        cores: Of the CPU, for the workers of this GPU: each keeps one busy with launching kernels.
        held: Bytes of the data, which each worker has for itself.
        activations: Numbers that the largest network writes for all samples it sees at once.
    """
    needed = _CONTEXT_BYTES + held + 4 * activations
    room = int(free - _SHARE_LEFT * total) // needed
    return max(1, min(cores, room, _MOST_ON_GPU))


def fitting_workers(study: Study, gpus: Sequence[int]) -> int:
    """Return how many workers each of ``gpus`` bears, by networks drawn from the space of ``study``.

    Raises:
        UserError: If the study has an evaluation of its own, of which nothing is known.
    """
    if study.task is None:
        raise UserError("--workers-per-gpu auto: evaluate= may hold anything; give a number instead")
    memory = [torch.cuda.mem_get_info(gpu) for gpu in gpus]
    free, total = min(memory)
    return workers_on_gpu(free, total, cores() // len(gpus), held_bytes(study), _activations(study))


def held_bytes(study: Study) -> int:
    """Return how many bytes the data of ``study`` takes in each worker."""
    assert study.task is not None
    parts = study.task.data.splits
    held = sum(part.x.nbytes for part in (parts.train, parts.validation, parts.test) if hasattr(part, "x"))
    return int(held)


def _activations(study: Study) -> int:
    """Return how many numbers the largest of some networks of the space writes at once."""
    assert study.task is not None
    assert study.shape is not None
    largest: int = 0
    for seed in range(_SAMPLED):
        try:
            cost = study.space.sample(seed).cost(study.shape, **study.context)
        except SpaceError:
            continue
        largest = max(largest, cost.activations)
    parts = study.task.data.splits
    batch = min(int(max(possible(study.training.batch_size))), len(parts.train))
    evaluated = min(evaluated_at_once("cuda", study.shape), len(parts.validation))
    return largest * max(_STEP_COPIES * batch, evaluated) + block_bytes(parts.train) // 4


def mps_is_up(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether NVIDIA's Multi-Process Service waits for processes of this machine."""
    return (Path(environment.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps")) / "control").exists()
