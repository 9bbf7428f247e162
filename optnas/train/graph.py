"""The training step as a CUDA graph: recorded once, then launched as a whole.

A step of a small network is dozens of kernels that take microseconds, and the GPU waits for Python to
launch each of them. A graph holds all of them, on tensors with fixed addresses: each batch is copied there,
and so is the learning rate. A branch in a module's Python code is taken once, while the step is recorded.

https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, Protocol

import torch
from torch import Tensor

from optnas.data import Part, Split
from optnas.data.trees import Tree, device_of, leaves, mapped, samples_in
from optnas.errors import chain
from optnas.train.lanes import lane_stream

__all__ = ["CudaRecorder", "GraphedStep", "Recorder", "reason_not_to_record"]

# Recording takes as long as one or two eager steps (3 to 30 ms on an H200), and the warm-up three.
_FEWEST_STEPS = 10

# Eager steps before the recording, as in PyTorch's notes: they make and choose what is made and chosen
# once (optimiser state, cuDNN's algorithms, workspaces).
_WARM_UPS = 3

Call = Callable[[], Tensor]


class Recorder(Protocol):
    """Interface of a recorder of training steps, which can then be replayed."""

    def warm_up(self, step: Call) -> Tensor:
        """Run ``step`` eagerly, on the stream of the later recording, and return its result."""
        ...

    def record(self, step: Call) -> Call:
        """Record ``step`` without running it, and return a function that replays it.

        Raises:
            Exception: If it cannot be recorded; nothing has changed then.
        """
        ...


def reason_not_to_record(part: Part, full_batches: int, pieces: int, *, own_step: bool) -> str | None:
    """Return the reason, in words, not to train by a CUDA graph; ``None`` if there is none.

    Args:
        part: The training part of the data.
        full_batches: The number of batches of the full size still to come.
        pieces: The number of micro-batches that a batch is split into.
        own_step: Whether the step is the task's own, about which nothing is known.
    """
    if own_step:
        return "the task has a training step of its own"
    if pieces > 1:
        return f"batches in {pieces} pieces"
    if not isinstance(part, Split):
        return "streamed data"
    if full_batches < _FEWEST_STEPS:
        return f"only {full_batches} full batches, too few to be worth it"
    return None


class GraphedStep:
    """A training step that is recorded after a few batches, and replayed from then on.

    The step runs eagerly on those first batches, on batches of another size, and on all batches if it
    cannot be recorded.

    Args:
        step: Takes inputs, targets and the learning rate as a share of the largest one (a number or a
            scalar tensor), and returns the loss.
        size: The number of samples in a batch to record.
        recorder: Records the step.
        give_up: Called with the reason, in words, if the step cannot be recorded.
    """

    def __init__(
        self,
        step: Callable[[Tree, Tree, Any], Tensor],
        size: int,
        recorder: Recorder,
        give_up: Callable[[str], None],
    ) -> None:
        self._step = step
        self._size = size
        self._recorder = recorder
        self._give_up = give_up
        self._warmed_up = 0
        self._fixed: tuple[Tree, Tree, Tensor] | None = None
        self._replay: Call | None = None
        self._given_up = False

    def __call__(self, inputs: Tree, targets: Tree, rate: float) -> Tensor:
        if self._given_up or samples_in(inputs) != self._size:
            return self._step(inputs, targets, rate)
        if self._fixed is None:
            like = mapped(_like, inputs), mapped(_like, targets)
            self._fixed = *like, torch.zeros((), device=device_of(inputs))
        fixed_inputs, fixed_targets, fixed_rate = self._fixed
        if _shapes(inputs, targets) != _shapes(fixed_inputs, fixed_targets):
            return self._step(inputs, targets, rate)
        mapped(Tensor.copy_, fixed_inputs, inputs)
        mapped(Tensor.copy_, fixed_targets, targets)
        fixed_rate.fill_(rate)
        again = partial(self._step, *self._fixed)
        if self._warmed_up < _WARM_UPS:
            self._warmed_up += 1
            return self._recorder.warm_up(again)
        if self._replay is None:
            self._replay = self._recorded(again)
        return self._step(inputs, targets, rate) if self._replay is None else self._replay()

    def _recorded(self, again: Call) -> Call | None:
        try:
            return self._recorder.record(again)
        except Exception as error:
            self._given_up = True
            self._give_up(_in_words(error))
            return None


class CudaRecorder:
    """Recorder on the current CUDA device, in a stream of its own as CUDA graphs require."""

    def __init__(self) -> None:
        self._device = torch.cuda.current_device()
        self._stream = lane_stream() or _side_stream(self._device)
        self._waits = False

    def warm_up(self, step: Call) -> Tensor:
        main = torch.cuda.current_stream()
        self._stream.wait_stream(main)
        try:
            with torch.cuda.stream(self._stream), _noticed_waits() as waits:
                return step()
        finally:
            main.wait_stream(self._stream)
            self._waits = bool(waits)

    def record(self, step: Call) -> Call:
        # Recording such a step would fail too, but leave PyTorch's allocator and generator in disorder.
        if self._waits:
            raise RuntimeError("it waits for the GPU, as .item() and branches on a tensor's values do")
        graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
        generator = torch.cuda.default_generators[self._device]
        before = generator.clone_state()
        try:
            # The outer context restores the stream, as the inner one does not if it fails. "thread_local"
            # lets other threads keep using CUDA, as those that pin memory do.
            with (
                torch.cuda.stream(self._stream),
                torch.cuda.graph(graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"),
            ):
                loss = step()
        except Exception:
            generator.graphsafe_set_state(before)
            _end_recording(self._device, pool)
            raise

        def replay() -> Tensor:
            graph.replay()
            return loss

        return replay


def _shapes(inputs: Tree, targets: Tree) -> list[torch.Size]:
    return [each.shape for each in leaves((inputs, targets))]


def _like(tensor: Tensor) -> Tensor:
    """Return an uninitialised tensor like ``tensor``, with equal strides, as they select kernels."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=tensor.device)


@cache
def _side_stream(device: int) -> torch.cuda.Stream:
    # One stream for all trainings outside of lanes: PyTorch's allocator keeps the memory of each apart.
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _noticed_waits() -> Iterator[list[str]]:
    """Collect PyTorch's warnings about this thread's waits for the GPU in the yielded list.

    Other lanes may wait meanwhile.
    """
    waits: list[str] = []
    here, before = threading.get_ident(), torch.cuda.get_sync_debug_mode()

    def notice(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if "synchronizing CUDA operation" in str(message):
            if threading.get_ident() == here:
                waits.append(str(message))
        elif "Synchronization debug mode" not in str(message):
            show(message, category, *where, **more)

    with warnings.catch_warnings():
        show, warnings.showwarning = warnings.showwarning, notice
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield waits
        finally:
            torch.cuda.set_sync_debug_mode(before)


def _end_recording(device: int, pool: Any) -> None:
    """End the allocator's recording mode, which a failed recording may have left on."""
    # PyTorch has no public name for it; the second name is the one before 2.8.
    names = ("_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool")
    end = next((getattr(torch._C, name) for name in names if hasattr(torch._C, name)), None)
    if end is None:
        return
    try:
        end(device, pool)
    except RuntimeError:  # the mode had ended already: the error was in Python alone
        return
    torch._C._cuda_releasePool(device, pool)


def _in_words(error: BaseException) -> str:
    """Return the message of the first error in a chain of exceptions, as one line."""
    first = chain(error)[-1]
    line = (str(first).strip().splitlines() or [""])[0]
    return f"it could not be recorded: {line or type(first).__name__}"
