"""How long it takes to draw a random architecture of each ready space, nothing of it being remembered.

A drawing is to take less than 50 ms. ``first`` is with all costs and curves forgotten, ``another`` with those
of the architectures drawn before, as in a dashboard. It is processor time, so other processes do not count.
About a minute for 500 architectures of each space.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from written import write_figures

from optnas import spaces
from optnas.space import Node
from optnas.space.memo import forget

LIMIT = 50.0
IMAGE, TOKENS = (3, 32, 32), (64,)
SHAPES: dict[str, tuple[tuple[int, ...], dict[str, int]]] = {
    "chain": (IMAGE, {"outputs": 10}),
    "darts": (IMAGE, {"outputs": 10}),
    "mlp": ((30,), {"outputs": 2}),
    "mobile": (IMAGE, {"outputs": 10}),
    "nasbench201": (IMAGE, {"outputs": 10}),
    "recurrent": (TOKENS, {"vocabulary": 1000, "outputs": 2}),
    "resnet": (IMAGE, {"outputs": 10}),
    "transformer": (TOKENS, {"vocabulary": 1000, "outputs": 2}),
}


def milliseconds(tree: Node, shape: tuple[int, ...], context: dict[str, int], *, expand: bool) -> float:
    """Return the processor time of one drawing."""
    start = time.process_time()
    tree.draw(shape, expand=expand, **context)
    return (time.process_time() - start) * 1e3


def measure(name: str, architectures: int, seed: int, *, expand: bool) -> dict[str, float]:
    """Return the median and the longest milliseconds in each situation."""
    shape, context = SHAPES[name]
    space: Node = getattr(spaces, name)()
    rng = random.Random(seed)
    taken: dict[str, list[float]] = {"first": [], "another": []}
    space.sample(rng).draw(shape, expand=expand, **context)  # imports what it needs
    gc.disable()
    for situation in taken:
        for _ in range(architectures):
            if situation == "first":
                forget()
            taken[situation].append(milliseconds(space.sample(rng), shape, context, expand=expand))
    gc.enable()
    return {
        f"{situation} {what}": figure(times)
        for situation, times in taken.items()
        for what, figure in (("median", statistics.median), ("longest", max))
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spaces", nargs="+", choices=sorted(SHAPES), default=sorted(SHAPES), metavar="NAME",
                        help="ready spaces to measure: %(choices)s (default: all)")  # fmt: skip
    parser.add_argument("--architectures", type=int, default=500, help="random ones of each space")
    parser.add_argument("--seed", type=int, default=0, help="which random ones")
    parser.add_argument("--expand", action="store_true", help="with all blocks opened")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    arguments = parser.parse_args()

    figures = {
        name: measure(name, arguments.architectures, arguments.seed, expand=arguments.expand)
        for name in arguments.spaces
    }
    table = Table(title=f"Milliseconds for architecture.draw(shape), to be under {LIMIT:.0f}")
    table.add_column("space")
    for column in next(iter(figures.values())):
        table.add_column(column, justify="right")
    for name, row in figures.items():
        table.add_row(name, *(f"[{'red' if v > LIMIT else 'green'}]{v:.2f}" for v in row.values()))
    Console().print(table)
    write_figures(arguments, milliseconds=figures, limit=LIMIT)


if __name__ == "__main__":
    main()
