"""The training step as a CUDA graph: recorded once, then launched as a whole.

A step of a small network is dozens of kernels of microseconds, and a GPU waits for Python to launch each
of them. A graph holds all of them, on tensors that stay where they are: a batch is copied there, and so
is the learning rate. What a module decides in Python, it decides once, while the step is recorded.

https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, Protocol

import torch
from torch import Tensor

from optnas.data import Part, Split

__all__ = ["CudaRecorder", "GraphedStep", "Recorder", "why_not"]

# Recording takes as long as one or two eager steps (3 to 30 ms on an H200), and warming up three.
_FEWEST_STEPS = 10

# As in PyTorch's notes: what is made or chosen once (optimiser state, cuDNN's algorithms, workspaces)
# is there after that.
_WARM_UPS = 3

Call = Callable[[], Tensor]


class Recorder(Protocol):
    """Records a step such that it can be run again."""

    def warm_up(self, step: Call) -> Tensor:
        """Run ``step`` where it is going to be recorded, and return its result."""
        ...

    def record(self, step: Call) -> Call:
        """Return what runs ``step`` again, without running it now.

        Raises:
            Exception: If it cannot be recorded; nothing has changed then.
        """
        ...


def why_not(part: Part, full_batches: int, pieces: int, *, own_step: bool) -> str | None:
    """Return why a training's steps are not to be a graph, in words; ``None`` where they are.

    Args:
        part: What is trained on.
        full_batches: How many batches of the full size are to come.
        pieces: In how many parts a batch goes through the network.
        own_step: Whether the step is the task's own, of which nothing is known.
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

    Those first batches are trained on as any others, and so are batches of another size. A step that
    cannot be recorded goes on without.

    Args:
        step: Takes inputs, targets and the share of the largest learning rate, a number or a tensor of
            one, and returns the loss.
        size: Samples in a batch that is worth recording.
        recorder: By which means.
        give_up: Called with the reason, in words, if the step cannot be recorded.
    """

    def __init__(
        self,
        step: Callable[[Tensor, Tensor, Any], Tensor],
        size: int,
        recorder: Recorder,
        give_up: Callable[[str], None],
    ) -> None:
        self._step = step
        self._size = size
        self._recorder = recorder
        self._give_up = give_up
        self._warmed_up = 0
        self._fixed: tuple[Tensor, Tensor, Tensor] | None = None
        self._replay: Call | None = None
        self._given_up = False

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        if self._given_up or len(inputs) != self._size:
            return self._step(inputs, targets, rate)
        if self._fixed is None:
            self._fixed = _like(inputs), _like(targets), torch.zeros((), device=inputs.device)
        fixed_inputs, fixed_targets, fixed_rate = self._fixed
        fixed_inputs.copy_(inputs)
        fixed_targets.copy_(targets)
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
    """Records on the current CUDA device, in a stream of its own as recording demands."""

    def __init__(self) -> None:
        self._device = torch.cuda.current_device()
        self._stream = _side_stream(self._device)
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
        # Recording it would fail as well, but leave PyTorch's allocator and generator in disorder.
        if self._waits:
            raise RuntimeError("it waits for the GPU, as .item() and branches on a tensor's values do")
        graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
        generator = torch.cuda.default_generators[self._device]
        before = generator.clone_state()
        try:
            # The outer context is there because the inner one leaves its stream in use if it fails.
            # Other threads may go on using CUDA: those that pin memory do.
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


def _like(tensor: Tensor) -> Tensor:
    """Return an empty tensor as ``tensor`` is, strides included, which choose kernels."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=tensor.device)


@cache
def _side_stream(device: int) -> torch.cuda.Stream:
    # One for all trainings: PyTorch's allocator keeps the memory of each stream apart.
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _noticed_waits() -> Iterator[list[str]]:
    """Give a list that, in the end, has what made Python wait for the GPU while within."""
    waits: list[str] = []
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield waits
        finally:
            torch.cuda.set_sync_debug_mode(before)
    for warning in caught:
        if "synchronizing CUDA operation" in str(warning.message):
            waits.append(str(warning.message))
        elif "Synchronization debug mode" not in str(warning.message):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def _end_recording(device: int, pool: Any) -> None:
    """Let the allocator go on as if nothing had been recorded, which a failed recording may not do."""
    # PyTorch has no public name for it; the second is the one before 2.8.
    names = ("_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool")
    end = next((getattr(torch._C, name) for name in names if hasattr(torch._C, name)), None)
    if end is None:
        return
    try:
        end(device, pool)
    except RuntimeError:  # it was ended in order, by an error of Python's alone
        return
    torch._C._cuda_releasePool(device, pool)


def _in_words(error: BaseException) -> str:
    """Return what went wrong first, as one line."""
    while error.__context__ is not None:
        error = error.__context__
    line = (str(error).strip().splitlines() or [""])[0]
    return f"it could not be recorded: {line or type(error).__name__}"
