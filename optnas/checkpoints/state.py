"""The state of a training between two steps, and its storage in files.

A file is complete or not there. Tensors are in the safetensors format and everything else is JSON in that
file's header, so that reading a file executes nothing. The header also has a checksum of all the rest: what
is damaged is not trained on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from optnas.checkpoints.plain import TENSOR, from_plain, to_plain
from optnas.errors import UserError
from optnas.files import replace_file

__all__ = ["Resumable", "State", "pack", "read_tensors", "unpack", "write_tensors"]

# A safetensors file begins with the length of its JSON header, as an integer of this many bytes.
_LENGTH = 8
# The checksum in the header is that of the file with zeros in its place. Other text in the header cannot look
# like this: it is in JSON strings, where quotes are escaped.
_SUM, _ZEROS = b'"sha256":"', b"0" * 64


class Resumable(Protocol):
    """Interface of what can be resumed, as of PyTorch's optimisers and modules."""

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state: Any, /) -> object: ...


@dataclasses.dataclass(frozen=True)
class State:
    """The state of a training; resuming from it gives the exact values of an undisturbed one (on the CPU).

    Its tensors are the training's own, which keep changing: write or copy them to keep their values.

    Attributes:
        epoch: The number of epochs done.
        module: The network's state dict, with the weights that were evaluated.
        trained: The weights that the optimiser changes, if the evaluated ones are an average; else empty.
        optimizer: The optimiser's state dict; ``None`` for a task with a training step of its own.
        generators: The states of random generators: of the samples' order and augmentation (``order``), and
            PyTorch's own on the CPU and the device, which layers such as dropout draw from; in the middle of
            an epoch also those that the rest of it is made from.
        metrics: The metrics on the validation part, when they were measured last.
        losses: The mean loss of each epoch so far, on the training part.
        batches: The number of batches done of the next epoch.
        lost: The sum of their losses, a scalar; ``None`` between two epochs.
        step: The state of a training step of the task's own, as :func:`~optnas.checkpoints.plain.to_plain`
            returns it; ``None`` if it has none, or does not tell it.
    """

    epoch: int
    module: dict[str, Tensor]
    trained: list[Tensor]
    optimizer: dict[str, Any] | None
    generators: dict[str, Tensor]
    metrics: dict[str, float]
    losses: list[float]
    batches: int = 0
    lost: Tensor | None = None
    step: dict[str, Any] | None = None

    @property
    def resumable(self) -> bool:
        """Whether a training can be resumed from it: all that changes in a step is in it."""
        return self.optimizer is not None or self.step is not None

    @classmethod
    def read(cls, stored: Any) -> State:
        """Return the state whose fields ``stored`` are, as :func:`unpack` returns them.

        Raises:
            ValueError: If they are of another version, or none.
        """
        try:
            state = cls(**stored)
            numbers = (state.epoch, state.batches, *state.metrics.values(), *state.losses)
            tensors = (*state.module.values(), *state.trained, *state.generators.values())
        except (TypeError, AttributeError):
            raise ValueError("it holds no state of a training") from None
        if (
            not all(isinstance(each, int | float) for each in numbers)
            or not all(isinstance(each, Tensor) for each in tensors)
            or not isinstance(state.step, dict | None)
        ):
            raise ValueError("it holds no state of a training")
        return state

    @classmethod
    def of(
        cls,
        epoch: int,
        module: nn.Module,
        trained: list[Tensor],
        optimizer: torch.optim.Optimizer | None,
        order: torch.Generator,
        metrics: dict[str, float],
        losses: list[float],
        step: Resumable | None = None,
    ) -> State:
        """Return the state of a training after an epoch.

        Args:
            epoch: The number of epochs done.
            module: The network, with the weights that are evaluated.
            trained: The weights that the optimiser changes, where these are others.
            optimizer: The optimiser; ``None`` for a step of the task's own.
            order: The generator of the samples' order.
            metrics: The last metrics.
            losses: The mean loss of each epoch.
            step: A training step of the task's own, if it tells its state.

        Raises:
            UserError: If the step's state holds what no checkpoint can hold.
        """
        generators = {"order": order.get_state(), "cpu": torch.get_rng_state()}
        if (device := _cuda_device(module)) is not None:
            generators["cuda"] = torch.cuda.get_rng_state(device)
        moments = None if optimizer is None else optimizer.state_dict()
        own = None if step is None else to_plain(step.state_dict())
        return cls(epoch, module.state_dict(), trained, moments, generators, metrics, list(losses), step=own)

    def restore(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer | None,
        order: torch.Generator,
        step: Resumable | None = None,
    ) -> None:
        """Load this state, except :attr:`trained`, into a training that has not begun.

        Raises:
            ValueError: If there is neither an optimiser nor a step that takes its state.
            Exception: If it is of another network; the training is partly changed then.
        """
        if optimizer is not None and self.optimizer is not None:
            # JSON keys are strings; the optimiser's keys are numbers.
            moments = {int(index): state for index, state in self.optimizer["state"].items()}
            module.load_state_dict(self.module)
            optimizer.load_state_dict({**self.optimizer, "state": moments})
        elif step is not None and self.step is not None:
            module.load_state_dict(self.module)
            step.load_state_dict(from_plain(self.step))
        else:
            raise ValueError("a training whose step does not tell its state cannot be resumed")
        order.set_state(self.generators["order"])
        torch.set_rng_state(self.generators["cpu"])
        device = _cuda_device(module)
        if "cuda" in self.generators and device is not None:
            torch.cuda.set_rng_state(self.generators["cuda"], device)


def _cuda_device(module: nn.Module) -> torch.device | None:
    return next((weight.device for weight in module.parameters() if weight.is_cuda), None)


def pack(content: Mapping[str, Any]) -> bytes:
    """Serialise dictionaries and lists of tensors, numbers, strings and ``None`` as one safetensors file."""
    tensors: dict[str, Tensor] = {}
    rest = json.dumps(_set_apart(content, "", tensors))
    packed = save(tensors, {"json": rest, "sha256": _ZEROS.decode()})
    start = packed.index(_SUM + _ZEROS) + len(_SUM)
    digest = hashlib.sha256(packed).hexdigest().encode()
    return b"".join((packed[:start], digest, packed[start + len(digest) :]))


def unpack(packed: bytes, name: str) -> dict[str, Any]:
    """Return the content that :func:`pack` serialised, on the CPU; number keys become strings.

    Raises:
        UserError: If ``packed`` is no such file, or damaged; the message calls it ``name``.
    """
    try:
        length = _LENGTH + int.from_bytes(packed[:_LENGTH], "little")
        metadata = json.loads(packed[_LENGTH:length])["__metadata__"]
        if metadata.keys() != {"json"}:  # as an earlier optnas wrote it, without a checksum
            _check_sum(packed, length)
        content = _put_back(json.loads(metadata["json"]), load(packed))
    except Exception as error:  # whatever a parser says to bytes of any kind
        raise UserError(f"{name} is damaged, or no checkpoint ({error}): remove it to begin anew") from None
    if not isinstance(content, dict):
        raise UserError(f"{name} is no checkpoint: remove it to begin anew")
    return content


def _check_sum(packed: bytes, length: int) -> None:
    """Raise if the checksum in the header, which ends after ``length`` bytes, is wrong or not there."""
    start = packed.index(_SUM, 0, length) + len(_SUM)
    end = start + len(_ZEROS)
    view, digest = memoryview(packed), hashlib.sha256()
    for part in (view[:start], _ZEROS, view[end:]):
        digest.update(part)
    if view[start:end] != digest.hexdigest().encode():
        raise ValueError("its checksum is wrong")


def write_tensors(path: Path, content: Mapping[str, Any]) -> None:
    """Serialise ``content`` as :func:`pack` does, and write it to a file.

    Raises:
        UserError: If it cannot be written; an existing file is untouched then.
    """
    replace_file(path, pack(content))


def read_tensors(path: Path) -> dict[str, Any]:
    """Return the content of a file that :func:`write_tensors` wrote, as :func:`unpack` does.

    Raises:
        UserError: If it is no such file, or damaged.
    """
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    return unpack(packed, str(path))


def _set_apart(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Return ``value`` with its tensors replaced by names; add the tensors to ``tensors`` by these names."""
    if isinstance(value, Tensor):
        # In the JSON it is a text: the prefix and its name.
        # A copy, as safetensors refuses tensors that share their memory.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return TENSOR + name
    if isinstance(value, Mapping):
        return {str(key): _set_apart(item, f"{name}/{key}", tensors) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_set_apart(item, f"{name}/{i}", tensors) for i, item in enumerate(value)]
    return value


def _put_back(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, str) and value.startswith(TENSOR):
        return tensors[value.removeprefix(TENSOR)]
    if isinstance(value, dict):
        return {key: _put_back(item, tensors) for key, item in value.items()}
    if isinstance(value, list):
        return [_put_back(item, tensors) for item in value]
    return value
