"""Computes a causal network position by position, each position once.

Generation needs the outputs at the newest position only. Self-attention keeps the keys and values of the
positions before it, convolutions their last inputs, recurrent layers their state; what depends on other
inputs alone, such as an encoder, is computed at the first step and kept.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from optnas.ops.decoder import CrossAttention
from optnas.ops.merges import Merge
from optnas.ops.modules import Applied, DropPath, Gated, Merged, Positionwise, Residual
from optnas.ops.pointwise import Pointwise
from optnas.ops.sequence_modules import LearnedPositions, SelfAttention, Sequence1d, Sinusoids, States
from optnas.ops.several import Forked, Input

__all__ = ["NotStepwiseError", "Stepwise"]

Kind = bool | dict[str, Any]
"""Whether a tensor grows by the generated positions; of several by name."""


class NotStepwiseError(ValueError):
    """A network that cannot be computed position by position."""


class Stepwise:
    """Context in which a network computes only the positions that it is given next.

    Within it, calls take further positions of the input ``growing``, and return the outputs there; the other
    inputs stay as they were in the first call. The network is as before when the context is left.

    Args:
        module: A network of optnas's ops, in evaluation mode.
        growing: The input that grows; where the network takes one tensor, that.

    Raises:
        NotStepwiseError: If an output may depend on later positions, or a module is not known.
    """

    def __init__(self, module: nn.Module, growing: str | None = None) -> None:
        self._module = module
        self._steps: list[tuple[nn.Module, _Step]] = []
        self._replaced: list[tuple[nn.Module, Any]] = []
        grows = self._walk(module, True if growing is None else _Names(growing))
        if grows is not True:
            raise NotStepwiseError(f"its output is not one for each position of {growing or 'its input'}")

    def __enter__(self) -> Stepwise:
        for module, step in self._steps:
            self._replaced.append((module, vars(module).get("forward")))  # as training replaces some, too
            module.forward = step
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._replaced:
            module, forward = self._replaced.pop()
            if forward is None:
                del module.forward
            else:
                module.forward = forward
        for _, step in self._steps:
            step.forget()

    def __call__(self, inputs: Any) -> Tensor:
        """Return the outputs at the positions of ``inputs``, which follow those of the calls before."""
        output: Tensor = self._module(inputs)
        return output

    def reorder(self, rows: Tensor) -> None:
        """Let each sample of a batch go on from another one, of the same other inputs."""
        for _, step in self._steps:
            step.reorder(rows)

    # What each module does to what grows.

    def _walk(self, module: nn.Module, given: Kind) -> Kind:
        """Note the steps of ``module``, and return whether what it returns grows."""
        match module:
            case nn.Sequential():
                for part in module:
                    given = self._walk(part, given)
                return given
            case Input():
                if isinstance(given, bool):
                    raise NotStepwiseError(f"{module} takes one of several tensors, and one comes in")
                grows: Kind = given[module.name]
                return grows
            case Forked():
                made = {
                    name: self._branch(branch, given)
                    for name, branch in zip(module.names, module.branches, strict=True)
                }
                return {**given, **made} if module.keeps and isinstance(given, dict) else made
            case Merged():
                return self._merged(module, given)
        if given is False:
            return False
        if given is not True:
            raise NotStepwiseError(f"{type(module).__name__} takes several tensors")
        self._single(module)
        return True

    def _branch(self, module: nn.Module, given: Kind) -> Kind:
        """Note the steps of a branch; one that does not grow is computed once."""
        before = len(self._steps)
        grows = self._walk(module, given)
        if grows is False and len(self._steps) == before and not isinstance(module, Input):
            self._steps.append((module, _Once(module.forward)))
        return grows

    def _merged(self, module: Merged, given: Kind) -> Kind:
        grows = [self._branch(branch, given) for branch in module.branches]
        merging = module.merging
        if not any(grows):
            return False
        if isinstance(merging, CrossAttention) and grows == [True, False]:
            self._steps.append((merging, _Crossing(merging)))
        elif isinstance(merging, Applied) and isinstance(merging.op, Merge):
            # Number by number, or features side by side: of what does not grow, what is at those positions.
            places = [place for place, each in enumerate(grows) if each is False]
            if places:
                self._steps.append((merging, _Aligned(merging.forward, places, grows.index(True))))
        else:
            raise NotStepwiseError(f"{type(merging).__name__} may look at several positions of what grows")
        return True

    def _single(self, module: nn.Module) -> None:
        match module:
            case Residual() if module.shortcut is None:
                self._walk(module.body, True)
            case Gated():
                self._walk(module.gate, True)
            case SelfAttention() if module.causal:
                self._steps.append((module, _Attending(module)))
            case Sequence1d() if module.padding[1] == 0 and module.convolution.stride == (1,):
                self._steps.append((module, _Convolving(module)))
            case States() if not module.recurrent.bidirectional:
                self._steps.append((module, _Recurring(module)))
            case LearnedPositions():
                self._steps.append((module, _Placing(module, "vectors")))
            case Sinusoids():
                self._steps.append((module, _Placing(module, "waves")))
            case _ if not _by_position(module):
                raise NotStepwiseError(f"{type(module).__name__} may look at later positions")


class _Names(dict[str, Any]):
    """Which of a network's inputs grow: one."""

    def __init__(self, growing: str) -> None:
        super().__init__({growing: True})

    def __missing__(self, name: str) -> bool:
        return False


_BY_POSITION = (nn.Linear, nn.LayerNorm, nn.Embedding, nn.Identity, nn.Dropout, DropPath, Positionwise)
_NOT_BY_POSITION = (nn.MultiheadAttention, nn.Softmax, nn.Softmin, nn.LogSoftmax, nn.Softmax2d, nn.GLU)
# Where PyTorch's activations are, and optnas's.
_ACTIVATIONS = ("torch.nn.modules.activation", "optnas.ops.swish_mish", "optnas.ops.expressions")


def _by_position(module: nn.Module) -> bool:
    """Return whether a module makes each position's output of that position alone."""
    if isinstance(module, nn.Softmax):
        return module.dim in (2, -1)
    if isinstance(module, nn.PReLU):
        return module.num_parameters == 1
    if isinstance(module, Applied):
        return isinstance(module.op, Pointwise)
    activation = type(module).__module__ in _ACTIVATIONS and not isinstance(module, _NOT_BY_POSITION)
    return isinstance(module, _BY_POSITION) or activation


class _Step:
    """The forward of a module while a network is computed position by position."""

    def __call__(self, *given: Any) -> Any:
        raise NotImplementedError

    def reorder(self, rows: Tensor) -> None:
        """Put what is kept of each sample in another order."""

    def forget(self) -> None:
        """Forget all positions."""


class _Once(_Step):
    """Computes what depends on other inputs alone, at the first call."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        self._forward = forward
        self._made: Any = None

    def __call__(self, *given: Any) -> Any:
        if self._made is None:
            self._made = self._forward(*given)
        return self._made

    def forget(self) -> None:
        self._made = None


class _Aligned(_Step):
    """Merges what grows with what the other branches have at its positions."""

    def __init__(self, forward: Callable[..., Tensor], places: list[int], growing: int) -> None:
        self._forward = forward
        self._places = places
        self._growing = growing
        self._position = 0

    def __call__(self, *given: Tensor) -> Tensor:
        start, self._position = self._position, self._position + given[self._growing].shape[1]
        taken = list(given)
        for place in self._places:
            taken[place] = given[place][:, start : self._position]
        return self._forward(*taken)

    def forget(self) -> None:
        self._position = 0


class _Placing(_Step):
    """Adds the encodings of the next positions."""

    def __init__(self, module: nn.Module, name: str) -> None:
        self._module = module
        self._name = name
        self._position = 0

    def __call__(self, *given: Tensor) -> Tensor:
        (x,) = given
        encodings: Tensor = getattr(self._module, self._name)
        start, self._position = self._position, self._position + x.shape[1]
        if self._position > len(encodings):
            raise ValueError(
                f"the network was built for {len(encodings)} positions, and {self._position} come in"
            )
        return x + encodings[start : self._position].to(x.dtype)

    def forget(self) -> None:
        self._position = 0


class _Attending(_Step):
    """Self-attention of the next positions to themselves and all before them."""

    def __init__(self, module: SelfAttention) -> None:
        self._module = module
        self._before: tuple[Tensor, Tensor] | None = None

    def __call__(self, *given: Tensor) -> Tensor:
        (x,), module = given, self._module
        split = module.queries_keys_values(x).unflatten(-1, (3, module.heads, -1))
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        if self._before is not None:
            keys = torch.cat((self._before[0], keys), 2)
            values = torch.cat((self._before[1], values), 2)
        self._before = keys, values
        new, known = queries.shape[2], keys.shape[2]
        seen = None
        if new > 1:
            seen = torch.ones(new, known, dtype=torch.bool, device=x.device).tril(known - new)
        attended = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=seen)
        projected: Tensor = module.out(attended.transpose(1, 2).flatten(2))
        return projected

    def reorder(self, rows: Tensor) -> None:
        if self._before is not None:
            keys, values = self._before
            self._before = keys[rows], values[rows]

    def forget(self) -> None:
        self._before = None


class _Crossing(_Step):
    """Cross-attention to a memory, whose keys and values are computed once."""

    def __init__(self, module: CrossAttention) -> None:
        self._module = module
        self._memory: tuple[Tensor, Tensor] | None = None

    def __call__(self, *given: Tensor) -> Tensor:
        x, memory = given
        if self._memory is None:
            self._memory = self._module.remembered(memory)
        return self._module.attend(x, *self._memory)

    def forget(self) -> None:
        self._memory = None


class _Convolving(_Step):
    """Causal convolution of the next positions, which keeps the inputs within its reach."""

    def __init__(self, module: Sequence1d) -> None:
        self._module = module
        self._before: Tensor | None = None

    def __call__(self, *given: Tensor) -> Tensor:
        (x,), reach = given, self._module.padding[0]
        before = self._before
        if before is None:
            before = x.new_zeros(x.shape[0], reach, x.shape[2])
        x = torch.cat((before, x), 1)
        self._before = x[:, x.shape[1] - reach :]
        convolved: Tensor = self._module.convolution(x.transpose(1, 2))
        return convolved.transpose(1, 2)

    def reorder(self, rows: Tensor) -> None:
        if self._before is not None:
            self._before = self._before[rows]

    def forget(self) -> None:
        self._before = None


class _Recurring(_Step):
    """Recurrent layers that go on from their state."""

    def __init__(self, module: States) -> None:
        self._module = module
        self._state: Any = None

    def __call__(self, *given: Tensor) -> Tensor:
        outputs: Tensor
        outputs, self._state = self._module.recurrent(*given, self._state)
        return outputs

    def reorder(self, rows: Tensor) -> None:
        if isinstance(self._state, Tensor):
            self._state = self._state[:, rows]
        elif self._state is not None:  # of an LSTM two
            self._state = tuple(each[:, rows] for each in self._state)

    def forget(self) -> None:
        self._state = None
