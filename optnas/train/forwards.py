"""Other forward functions for some layers of a network, for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from torch import Tensor, nn

__all__ = ["Forward", "forwards"]

Forward = Callable[..., Tensor]


@contextlib.contextmanager
def forwards(module: nn.Module, choose: Callable[[nn.Module], Forward | None]) -> Iterator[None]:
    """Give layers of ``module`` another forward function while within, and then the one they had.

    Args:
        module: The network; it is one of its layers itself.
        choose: Returns a layer's function, or ``None`` to leave it alone.
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
