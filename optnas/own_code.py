"""Code of someone's own, such as an op: it may do anything to the process, and only in its turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from optnas.turn import turn

__all__ = ["Flags", "own_code"]


class Flags:
    """Flags that hold for the whole process: the default type of numbers, and what is deterministic."""

    def __init__(self) -> None:
        cudnn = torch.backends.cudnn
        self._dtype = torch.get_default_dtype()
        self._deterministic = _deterministic()
        self._cudnn = cudnn.deterministic, cudnn.benchmark

    def install(self) -> None:
        """Set them so again."""
        cudnn = torch.backends.cudnn
        torch.set_default_dtype(self._dtype)
        if _deterministic() != self._deterministic:  # to set it brings a compiler along, for seconds
            enabled, warn_only = self._deterministic
            torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        cudnn.deterministic, cudnn.benchmark = self._cudnn


def _deterministic() -> tuple[bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


@contextmanager
def own_code() -> Iterator[None]:
    """Run code of someone's own inside this context: in this lane's turn, and without what it leaves set."""
    with turn():
        # The last two are this thread's own, and so not among the flags that a lane keeps.
        before, grad, threads = Flags(), torch.is_grad_enabled(), torch.get_num_threads()
        try:
            yield
        finally:
            before.install()
            torch.set_grad_enabled(grad)
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
