"""What the tests of ops and spaces share: an architecture against its own module."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from optnas.space import Node, Shape


def batch(shape: Shape, *, size: int = 2, device: str = "cpu", vocabulary: int | None = None) -> torch.Tensor:
    """Return a batch of random samples: tokens where there is a vocabulary."""
    if vocabulary is None:
        return torch.randn(size, *shape, device=device)
    return torch.randint(vocabulary, (size, *shape), device=device)


def assert_cost_is_counted(architecture: Node, shape: Shape, *, train: bool = False, **context: Any) -> None:
    """Check FLOPs, parameters and shape against the module on the meta device."""
    with torch.device("meta"):
        module = architecture.build(shape, **context)
    _count(module.train(train), architecture, shape, context)


def _count(module: nn.Module, architecture: Node, shape: Shape, context: dict[str, Any]) -> None:
    cost = architecture.cost(shape, **context)
    # Batch norm takes no single sample of one position while it trains.
    size = 2 if module.training else 1
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        out = module(batch(shape, size=size, device="meta", vocabulary=context.get("vocabulary")))
    assert tuple(out.shape[1:]) == cost.shape
    assert counter.get_total_flops() == size * cost.flops
    assert sum(parameter.numel() for parameter in module.parameters()) == cost.params


def assert_runs(architecture: Node, shape: Shape, **context: Any) -> nn.Module:
    """Check that the module runs forward and backward on a batch of two, and return it."""
    module: nn.Module = architecture.build(shape, **context).train()
    out = module(batch(shape, vocabulary=context.get("vocabulary")))
    assert out.isfinite().all()
    if out.requires_grad:
        out.sum().backward()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    return module


def assert_sound(architecture: Node, shape: Shape, *, train: bool = False, **context: Any) -> None:
    """Check that one module runs, forward and backward, and is counted at what it costs."""
    module = assert_runs(architecture, shape, **context)
    module.zero_grad()
    _count(module.to("meta").train(train), architecture, shape, context)
