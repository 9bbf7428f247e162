"""Assignment of workers to GPUs, and the number of workers that fit on one GPU.

Workers are processes. Those on one GPU take turns; their kernels run at the same time only under
NVIDIA's Multi-Process Service (MPS), which they use without further settings if its daemon is up
(``nvidia-cuda-mps-control -d``): https://docs.nvidia.com/deploy/mps/
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from optnas.data.trees import Tree, leaves, mapped
from optnas.errors import UserError
from optnas.measure.peak_memory import peak_memory
from optnas.space import Node, SpaceError
from optnas.study import Study
from optnas.train import cores, default_device
from optnas.train.allowed import possible_values
from optnas.train.batches import block_bytes
from optnas.train.loop import evaluated_at_once

__all__ = [
    "fitting_workers",
    "gpu_of",
    "gpus_of",
    "has_room",
    "held_bytes",
    "mps_is_up",
    "network_bytes",
    "workers_on_gpu",
]

# Memory of CUDA's context with its kernels, and of the workspaces of cuBLAS and cuDNN; an estimate.
_CONTEXT_BYTES = 800 * 2**20

# The step's CUDA graph has memory of its own beside that of the eager steps before it.
_STEP_COPIES = 2

# Copies of weights that a training holds: they, their gradients, the moments of Adam, and an average.
_WEIGHT_COPIES = 5

# Share of a GPU's memory that is left free: allocators leave gaps.
_SHARE_LEFT = 0.1

# More processes than this take turns on a GPU rather than fill it; an estimate.
_MOST_ON_GPU = 8

# Of so many random networks those of the most activations are tried.
_SAMPLED, _TRIED = 32, 3


def gpus_of(study: Study) -> list[int]:
    """Return the indices of the GPUs for workers of ``study``: the one it names, or all; none on the CPU."""
    device = default_device(study.training.device)
    if device.type != "cuda":
        return []
    return [device.index] if ":" in study.training.device else list(range(torch.cuda.device_count()))


def gpu_of(worker: int, gpus: Sequence[int]) -> int | None:
    """Return the GPU of worker number ``worker``, counted from 0; ``None`` if ``gpus`` is empty."""
    return gpus[worker % len(gpus)] if gpus else None


def workers_on_gpu(free: int, total: int, cores: int, held: int, network: int) -> int:
    """Return the number of workers that fit on a GPU by its memory and the CPU cores, at least one.

    Args:
        free: Bytes of its memory that are free.
        total: Bytes of its memory.
        cores: CPU cores for the workers of this GPU: each keeps one busy with launching kernels.
        held: Bytes of the data, of which each worker has its own copy.
        network: Bytes that the training of the largest network holds at once.
    """
    needed = _CONTEXT_BYTES + held + network
    room = int(free - _SHARE_LEFT * total) // needed
    return max(1, min(cores, room, _MOST_ON_GPU))


def fitting_workers(study: Study, gpus: Sequence[int]) -> int:
    """Return the number of workers that fit on each of ``gpus``, by random networks of the study's space.

    Raises:
        UserError: If the study has a user-defined evaluation, whose memory is unknown.
    """
    if study.task is None:
        raise UserError("--workers-per-gpu auto: evaluate= may hold anything; give a number instead")
    memory = [torch.cuda.mem_get_info(gpu) for gpu in gpus]
    free, total = min(memory)
    return workers_on_gpu(free, total, cores() // len(gpus), held_bytes(study), network_bytes(study))


def has_room(study: Study) -> bool:
    """Return whether the memory of this process's GPU has room for twice what is in use; as on the CPU."""
    device = default_device(study.training.device)
    if device.type != "cuda":
        return True
    free, total = torch.cuda.mem_get_info(device)
    return 2 * (total - free) <= (1 - _SHARE_LEFT) * total


def held_bytes(study: Study) -> int:
    """Return the bytes that the data of ``study`` takes in each worker; 0 for streamed parts."""
    assert study.task is not None
    parts = study.task.data.splits
    held = [part.x for part in (parts.train, parts.validation, parts.test) if hasattr(part, "x")]
    return sum(tensor.nbytes for tensor in leaves(tuple(held)))


def network_bytes(study: Study) -> int:
    """Return the most bytes that training and evaluation of the larger random networks of the space hold.

    They are tried without memory, on PyTorch's device ``"meta"``. In float32: bfloat16 takes less.
    """
    assert study.task is not None
    assert study.shape is not None
    parts, largest = study.task.data.splits, 0
    batch = min(int(max(possible_values(study.training.batch_size))), len(parts.train))
    evaluated = min(evaluated_at_once("cuda", study.shape), len(parts.validation))
    sample = mapped(lambda each: each.to("meta"), parts.first_sample())
    for architecture in _of_most_activations(study):
        # What cannot be tried so is not counted, such as an op of someone's own that looks at numbers.
        with contextlib.suppress(Exception), torch.device("meta"):
            module = architecture.build(study.shape, **study.context)
            largest = max(largest, _held_in(module, sample, batch, evaluated))
    return largest + block_bytes(parts.train)


def _of_most_activations(study: Study) -> list[Node]:
    assert study.shape is not None
    found: list[tuple[int, int, Node]] = []
    for seed in range(_SAMPLED):
        architecture = study.space.sample(seed)
        with contextlib.suppress(SpaceError):  # it cannot be built
            cost = architecture.cost(study.shape, **study.context)
            found.append((cost.activations, seed, architecture))
    return [architecture for *_, architecture in sorted(found, reverse=True)[:_TRIED]]


def _held_in(module: nn.Module, sample: Tree, batch: int, evaluated: int) -> int:
    def of(count: int) -> Tree:
        return mapped(lambda each: each.expand(count, *each.shape[1:]), sample)

    def step() -> None:
        sums = [each.float().sum() for each in leaves(module.train()(of(batch)))]
        torch.stack(sums).sum().backward()  # type: ignore[no-untyped-call]

    def evaluation() -> None:
        with torch.inference_mode():
            module.eval()(of(evaluated))

    weights = sum(each.nbytes for each in module.parameters())
    meta = torch.device("meta")
    held = max(_STEP_COPIES * peak_memory(step, meta), peak_memory(evaluation, meta))
    return held + _WEIGHT_COPIES * weights


def mps_is_up(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether NVIDIA's Multi-Process Service is running on this machine."""
    return (Path(environment.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps")) / "control").exists()
