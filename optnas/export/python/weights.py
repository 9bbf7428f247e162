"""The weights of a network by the names that they have in its written code."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import module as hooks

from optnas.export.python.code import CannotExport

__all__ = ["Registered", "imported", "renamed"]


class Registered:
    """Context that notes in which order modules get their weights and their parts.

    ``state_dict`` has a module's own weights first, wherever it got them: two networks of the same parts in
    other classes agree in the order of registration alone.
    """

    def __init__(self) -> None:
        self._names: dict[int, dict[str, None]] = {}
        self._alive: list[nn.Module] = []  # as an id is free again once its object is gone

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Note what is registered in the context."""

        def note(module: nn.Module, name: str, _: Any) -> None:
            if id(module) not in self._names:
                self._alive.append(module)
            self._names.setdefault(id(module), {}).setdefault(name)

        handles = [
            hooks.register_module_parameter_registration_hook(note),
            hooks.register_module_buffer_registration_hook(note),
            hooks.register_module_module_registration_hook(note),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def state(
        self, module: nn.Module, prefix: str = "", *, without: Collection[nn.Module] = ()
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the names and values of a module's state dict in the order of registration.

        Those of modules in ``without`` are left out.
        """
        for name in self._names.get(id(module), ()):
            own: Tensor | None = module._parameters.get(name)
            if own is None and name not in module._non_persistent_buffers_set:
                own = module._buffers.get(name)
            if own is not None:
                yield f"{prefix}{name}", own
            elif (inner := module._modules.get(name)) is not None and inner not in without:
                yield from self.state(inner, f"{prefix}{name}.", without=without)


def renamed(
    weights: dict[str, Tensor],
    before: list[tuple[str, Tensor]],
    after: list[tuple[str, Tensor]],
) -> dict[str, Tensor]:
    """Return weights by their names in the written code.

    Args:
        weights: The trained weights by the names in ``before``.
        before: The state of the network, in the order of registration.
        after: That of the written code.

    Raises:
        CannotExport: If the two have other weights.
    """
    if missing := [name for name, _ in before if name not in weights]:
        raise CannotExport(
            f"its weights have no {missing[0]!r}: it is not one network of its architecture alone"
        )
    if [value.shape for _, value in before] != [value.shape for _, value in after]:
        raise CannotExport(
            "the written code has other weights than the network: an op registers them otherwise"
        )
    return {new: weights[old].clone().contiguous() for (old, _), (new, _) in zip(before, after, strict=True)}


def imported(path: Path) -> Any:
    """Return the module that a file of Python holds, which is not kept among the imported ones."""
    spec = importlib.util.spec_from_file_location(f"_optnas_export_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where what is defined in it looks for its names
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module
