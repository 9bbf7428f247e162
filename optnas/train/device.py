"""Which device to train on, and with how many threads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager

import torch

from optnas.errors import UserError

__all__ = ["cores", "default_device", "forked_random", "training_environment", "use_threads"]


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_device(name: str = "auto") -> torch.device:
    """Return the device called ``name``; ``"auto"`` is CUDA where there is one, else the CPU.

    Of several GPUs it is this process's current one, unless the name says which.

    Raises:
        UserError: If there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"device {name!r} cannot be used: {reason}") from None
    return torch.device("cuda", torch.cuda.current_device()) if device == torch.device("cuda") else device


def forked_random() -> AbstractContextManager[None]:
    """Let what is drawn and seeded while within leave PyTorch's generators as they were."""
    # Left to itself it takes all GPUs as well, but warns where there are several.
    return torch.random.fork_rng(list(range(torch.cuda.device_count())))


def use_threads(count: int | None = None) -> int:
    """Let this process compute with ``count`` threads, by default 1, and return how many it is.

    One is the right number for the small networks a search trains on a CPU: their kernels take
    microseconds, and waiting for a second thread at each of them costs more than it helps (5 to 9
    times slower with two on a machine of two cores). Cores are better used by more workers.
    """
    torch.set_num_threads(count or 1)
    return torch.get_num_threads()


# For glibc: keep what is freed, and ask the kernel for huge pages.
_KEEP_MEMORY = ("hugetlb=1", "mmap_threshold=1073741824", "trim_threshold=4294967296", "top_pad=67108864")


def training_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for a process that is to train.

    A training step on the CPU frees all that it has allocated. By default glibc hands large pieces
    back to the kernel, which then has to clear every page anew at the next step.
    """
    tunables = [t for t in environment.get("GLIBC_TUNABLES", "").split(":") if t]
    named = {t.partition("=")[0] for t in tunables}
    ours = [f"glibc.malloc.{setting}" for setting in _KEEP_MEMORY]
    tunables += [t for t in ours if t.partition("=")[0] not in named]
    return {**environment, "GLIBC_TUNABLES": ":".join(tunables)}
