"""The device to train on, and the number of CPU threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from optnas.errors import UserError
from optnas.own_code import own_code

__all__ = ["cores", "default_device", "forked_random", "training_environment", "use_threads"]


def cores() -> int:
    """Return the number of CPU cores that this process may use; a container's quota counts, rounded up."""
    import joblib  # takes time to import

    return int(joblib.cpu_count())


def default_device(name: str = "auto") -> torch.device:
    """Return the device called ``name``; ``"auto"`` is CUDA if available, else the CPU.

    Of several GPUs it is this process's current one, unless the name has an index.

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


@contextmanager
def forked_random() -> Iterator[None]:
    """Restore PyTorch's random generators, and flags that ops of someone's own may set, at the end."""
    # By default it forks the generators of all GPUs as well, but warns if there are several GPUs.
    with own_code(), torch.random.fork_rng(list(range(torch.cuda.device_count()))):
        yield


def use_threads(count: int | None = None) -> int:
    """Set the number of CPU threads that PyTorch uses in this process, by default 1, and return it.

    One thread is best for the small networks that a search trains on a CPU. Their kernels take
    microseconds, and waiting for a second thread in each of them costs more than it helps (5 to 9
    times slower with two on a machine of two cores). Cores are better used by more workers.
    """
    torch.set_num_threads(count or 1)
    return torch.get_num_threads()


# Settings of glibc's allocator: keep freed memory, and ask the operating system for huge pages.
_KEEP_MEMORY = ("hugetlb=1", "mmap_threshold=1073741824", "trim_threshold=4294967296", "top_pad=67108864")


def training_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return ``environment`` with glibc's allocator set to keep freed memory, for a training process.

    A training step on the CPU frees all memory that it has allocated. By default glibc hands large
    blocks back to the operating system, which has to clear every page anew at the next step.

    The sampler's small matrices, which NumPy and SciPy multiply, get one thread, as ``use_threads`` gives
    PyTorch: with one for each core in every worker a suggestion takes four times as long.
    """
    tunables = [t for t in environment.get("GLIBC_TUNABLES", "").split(":") if t]
    named = {t.partition("=")[0] for t in tunables}
    ours = [f"glibc.malloc.{setting}" for setting in _KEEP_MEMORY]
    tunables += [t for t in ours if t.partition("=")[0] not in named]
    return {"OPENBLAS_NUM_THREADS": "1", **environment, "GLIBC_TUNABLES": ":".join(tunables)}
