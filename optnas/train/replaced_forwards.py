"""Temporary replacement of the forward functions of some layers of a network."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from torch import Tensor, nn

__all__ = ["Forward", "replaced_forwards"]

Forward = Callable[..., Tensor]


@contextlib.contextmanager
def replaced_forwards(module: nn.Module, choose: Callable[[nn.Module], Forward | None]) -> Iterator[None]:
    """Replace the forward functions of layers of ``module`` inside this context, then restore them.

    Args:
        module: The network; ``choose`` is called with it as well as with its layers.
        choose: Returns a layer's new forward function, or ``None`` to leave the layer alone.
    """
    before: list[tuple[nn.Module, Forward | None]] = []
    for layer in module.modules():
        forward = choose(layer)
        if forward is not None:
            before.append((layer, layer.__dict__.get("forward")))
            layer.forward = forward
    try:
        yield
    finally:
        for layer, own in before:
            if own is None:
                del layer.forward
            else:
                layer.forward = own
