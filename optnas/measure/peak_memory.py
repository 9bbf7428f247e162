"""The peak memory of training a network."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["peak_memory"]


def peak_memory(train: Callable[[], object], device: torch.device) -> int:
    """Return the peak bytes that ``train`` holds on ``device``, beyond those held before.

    On CUDA this is the allocator's own count, which is one for the whole process. Elsewhere it counts the
    tensors that PyTorch's operations create; memory that kernels allocate internally is not counted.
    """
    if device.type == "cuda":
        return _allocated(train, device)
    held = _Held()
    with held:
        train()
    return held.most


def _allocated(train: Callable[[], object], device: torch.device) -> int:
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    train()
    torch.cuda.synchronize(device)
    return int(torch.cuda.max_memory_allocated(device) - before)


class _Held(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counter of the bytes of living storages that PyTorch's operations created.

    Attributes:
        now: Bytes held now.
        most: The most bytes held so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        # An in-place operation returns one of its inputs, whose storage may be older than this counter.
        given = {leaf.untyped_storage()._cdata for leaf in tree_leaves(args) if isinstance(leaf, Tensor)}
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor) and leaf.untyped_storage()._cdata not in given:
                self._hold(leaf.untyped_storage())
        return made

    def _hold(self, storage: UntypedStorage) -> None:
        if storage._cdata in self._known:
            return
        self._known.add(storage._cdata)
        self.now += storage.nbytes()
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._free, storage._cdata, storage.nbytes())

    def _free(self, storage: int, size: int) -> None:
        self._known.discard(storage)
        self.now -= size
