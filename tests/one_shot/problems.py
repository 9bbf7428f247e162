"""Small problems for strategies on shared weights, whose best choice is known by construction."""

from __future__ import annotations

from typing import Any

import torch

from optnas import Node, Training, choose, data, ops, tasks
from optnas.one_shot.problem import Problem

SIGNS = ("absolute", "linear('same')", "square")
"""Options of which only the second keeps the signs that the class depends on."""


def problem(space: Node, *, cost: str | None = None, classes: int = 4, **training: Any) -> Problem:
    """Return the problem of telling classes by the signs of the first numbers of a vector."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 8, generator=generator)
    y = (x[:, 0] + x[:, 1] > 0).long() + 2 * (x[:, 2] > 0).long()
    task = tasks.classification(data.tensors(x, y % classes))
    settings = {"epochs": 1, "batch_size": 32, "lr": 1e-2, **training}
    shape, context = (8,), dict(task.context)

    def costs(params: Any) -> float:
        return float(getattr(space.close(params).cost(shape, **context), cost or "flops"))

    def losses(params: Any, metrics: Any) -> list[float]:
        return [-metrics["accuracy"], *([costs(params)] if cost else [])]

    return Problem(
        space,
        shape,
        context,
        task,
        Training(**settings),
        torch.device("cpu"),
        costs if cost else None,
        losses,
    )


def signs() -> Node:
    """Return the space of one choice between the three options of :data:`SIGNS`."""
    op = choose(ops.absolute(), ops.linear("same"), ops.square(), name="op")
    return ops.seq(op, ops.relu(), ops.head())


def collapsing() -> Problem:
    """Return a problem on which DARTS comes to prefer skips, though only layers can solve it.

    The class is whether two numbers have one sign, which no linear function tells. Every tenth label is
    wrong, and the layers are wide enough to fit those that they learn from: so they look worse than skips.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(600, 8, generator=generator)
    wrong = torch.rand(600, generator=generator) < 0.1
    task = tasks.classification(data.tensors(x, ((x[:, 0] * x[:, 1] > 0) ^ wrong).long()))
    layers = ops.seq(ops.linear(64), ops.relu(), ops.linear(8))
    edges = [choose(ops.skip(), layers, name=f"edge{index}") for index in range(3)]
    return Problem(
        ops.seq(*edges, ops.head()),
        (8,),
        dict(task.context),
        task,
        Training(epochs=20, batch_size=32, lr=1e-2),
        torch.device("cpu"),
        None,
        lambda params, metrics: [-metrics["accuracy"]],
    )
