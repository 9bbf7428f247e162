"""How long the exact cost of an architecture takes, from the tree alone.

Measures the median time of `architecture.cost(shape)` over random architectures of a ready space, on
one core, in the situations that a study meets:

  again           the same architecture once more
  subtrees known  an architecture whose subtrees were all counted before
  another         the next random architecture, after many others
  cold            no cost of anything is known
  first           nor what composite ops are short for: the first architecture of a process

No tensor is allocated in any of them. Takes about 20 seconds.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from optnas import spaces
from optnas.ops.cell import graph_of
from optnas.space import Node, Shape, Site
from optnas.space.memo import forget
from optnas.space.op import _cost

# What a study can afford beside Optuna's own work on a trial, in microseconds.
LIMITS = {"again": 100, "subtrees known": 100, "cold": 3_000}

SHAPES: dict[str, tuple[Shape, dict[str, int]]] = {
    "chain": ((3, 32, 32), {"outputs": 10}),
    "darts": ((3, 32, 32), {"outputs": 10}),
    "mobile": ((3, 224, 224), {"outputs": 1000}),
    "nasbench201": ((3, 32, 32), {"outputs": 10}),
    "resnet": ((3, 32, 32), {"outputs": 10}),
    "mlp": ((30,), {"outputs": 2}),
    "recurrent": ((128,), {"outputs": 2, "vocabulary": 1000}),
    "transformer": ((128,), {"outputs": 2, "vocabulary": 1000}),
}


def microseconds(call: Callable[..., object], *args: Any, **kwargs: Any) -> float:
    start = time.perf_counter()
    call(*args, **kwargs)
    return (time.perf_counter() - start) * 1e6


def forget_costs() -> None:
    for memory in (_cost, graph_of):
        memory.cache_clear()  # type: ignore[attr-defined]


def measure(name: str, architectures: int, seed: int) -> dict[str, float]:
    """Return the median microseconds in each situation."""
    shape, context = SHAPES[name]
    space, rng = getattr(spaces, name)(), random.Random(seed)
    trees: list[Node] = [space.sample(rng) for _ in range(architectures)]
    site = Site.of(shape, context)
    times: dict[str, list[float]] = {s: [] for s in ("again", "subtrees known", "another", "cold", "first")}
    gc.disable()
    for tree in trees:
        forget()
        times["first"].append(microseconds(tree.cost, shape, **context))
        forget_costs()
        times["cold"].append(microseconds(tree.cost, shape, **context))
        times["again"].append(microseconds(tree.cost, shape, **context))
        # The root's own memory is passed by; its subtrees' is not.
        times["subtrees known"].append(microseconds(tree.op.cost, tree, site))
    for tree in trees:
        tree.cost(shape, **context)
    for _ in range(architectures):
        another = space.sample(rng)
        times["another"].append(microseconds(another.cost, shape, **context))
    gc.enable()
    return {situation: statistics.median(taken) for situation, taken in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spaces", nargs="+", choices=sorted(SHAPES), default=sorted(SHAPES), metavar="NAME",
                        help="ready spaces to measure: %(choices)s (default: all)")  # fmt: skip
    parser.add_argument("--architectures", type=int, default=100, help="random ones of each space")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions; the median of them is printed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    arguments = parser.parse_args()

    figures: dict[str, dict[str, Any]] = {}
    for name in arguments.spaces:
        runs = [measure(name, arguments.architectures, seed) for seed in range(arguments.seeds)]
        figures[name] = {
            situation: statistics.median(run[situation] for run in runs) for situation in runs[0]
        }

    table = Table(title="Median µs for architecture.cost(shape)")
    table.add_column("space")
    for situation in next(iter(figures.values())):
        limit = LIMITS.get(situation)
        table.add_column(situation + (f"\n≤ {limit:,}" if limit else ""), justify="right")
    for name, row in figures.items():
        cells = [
            f"[{'red' if value > LIMITS.get(situation, value) else 'green'}]{value:,.1f}"
            for situation, value in row.items()
        ]
        table.add_row(name, *cells)
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"microseconds": figures, "limits": LIMITS}, indent=2))


if __name__ == "__main__":
    main()
