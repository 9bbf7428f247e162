"""Ranks of the cells of NAS-Bench-201 by zero-cost scores.

Cells of a table are built as networks of ``spaces.nasbench201()`` and scored before training by
``optnas.measure.zero_cost``, on 64 patches of scikit-learn's two photographs, or on noise. Printed are
Spearman's rank correlations with the accuracy in the table, of all cells and of those that are in the best
fifth, the same of FLOPs for scale, and the seconds that a score takes. The aggregate is the sum of the
logarithms of the ranks by the scores that need no loss. Scores of finished cells stay in
``--scores FILE.csv``: a run that was stopped goes on there.

    python examples/benchmarks/zero_cost.py --table nasbench201_zero_cost.csv.gz --cells 1000 \\
        --scores scores.csv

takes about 1.5 seconds a cell on one core with images of 16 x 16 pixels (which rank the cells as those of
32 x 32 do, and take an eighth of the time).

With ``--search`` the table is searched by ``ehvi`` with a warm start by scores that the table has, with them
as features, with both and with neither. Printed are the evaluations to 97 % and to 99 % of the hypervolume,
medians over seeds:

    python examples/benchmarks/zero_cost.py --search --table nasbench201_zero_cost.csv.gz \\
        --join nasbench201_cifar10.csv.gz --maximize val200 --minimize macs --seeds 10

takes some 10 minutes. ``--as-if-built`` gives scores to no more candidates than if each had to be built.
There the medians were 25.5 and 53.5 with neither, 24.5 and 52 with the warm start, 15 and 45.5 with features,
14.5 and 33.5 with both, and 16 and 39.5 with both as if built.

That images are photographs, and which scores the aggregate has, was decided by some hundred cells of
NAS-Bench-201 itself: on these cells its figures are optimistic. ``--images noise`` shows the difference.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table as Printed
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate
from written import write_figures
from zero_cost_search import USES, searches

from optnas import UserError, ZeroCost, parse, spaces, tables
from optnas.measure.zero_cost.aggregate import log_ranks
from optnas.measure.zero_cost.batch import Batch
from optnas.measure.zero_cost.scores import AGGREGATED, SCORES, zero_cost
from optnas.samplers import SAMPLERS
from optnas.space import Node

EDGES = [f"e{i}" for i in range(6)]
SAMPLES = 64
# The part of the cells whose order matters to who looks for the best.
BEST = 0.2


def cell_of(edges: tuple[str, ...], width: int, cells: int) -> Node:
    """Return the benchmark's network with a cell of these ops."""
    a, b, c, d, e, f = edges
    network = parse(f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|")
    return spaces.nasbench201_network(network.arguments["cell"], width=width, cells=cells)


def patches(size: int) -> Tensor:
    """Return normalised patches of scikit-learn's two photographs, shape (samples, 3, size, size)."""
    from sklearn.datasets import load_sample_images

    photographs = [torch.tensor(each).movedim(2, 0).float() for each in load_sample_images().images]
    rng, found, whole = random.Random(0), [], 4 * 32
    for _ in range(SAMPLES):
        image = rng.choice(photographs)
        top, left = (rng.randrange(length - whole) for length in image.shape[1:])
        patch = image[None, :, top : top + whole, left : left + whole]
        found.append(interpolate(patch, size=size, mode="area"))
    images = torch.cat(found)
    return (images - images.mean((0, 2, 3), keepdim=True)) / images.std((0, 2, 3), keepdim=True)


def batch_of(arguments: argparse.Namespace) -> Batch:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(SAMPLES, 3, arguments.size, arguments.size, generator=generator)
    images = patches(arguments.size) if arguments.images == "photographs" else noise
    return Batch(images, torch.randint(0, 10, (SAMPLES,), generator=generator))


def scored(arguments: argparse.Namespace, cells: list[tuple[str, ...]], names: list[str]) -> Iterator[None]:
    """Append the scores of each cell, and the seconds that they took, to the file of scores."""
    path, batch = arguments.scores, batch_of(arguments)
    columns = [*EDGES, *names, *(f"{name}_seconds" for name in names)]
    done = {tuple(row[edge] for edge in EDGES) for row in read_scores(path)} if path.exists() else set()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if not done:
            writer.writerow(columns)
        for edges in cells:
            if edges not in done:
                torch.manual_seed(len(done))
                architecture = cell_of(edges, arguments.width, arguments.depth)
                module = architecture.build((3, arguments.size, arguments.size), outputs=10)
                found, seconds = [], []
                for name in names:
                    started = time.perf_counter()
                    found.append(zero_cost([name], module, batch, cross_entropy)[name])
                    seconds.append(time.perf_counter() - started)
                writer.writerow([*edges, *found, *seconds])
                file.flush()
                done.add(edges)
            yield


def read_scores(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def correlations(scores: Any, accuracy: Any) -> dict[str, float]:
    """Return Spearman's correlation of scores with accuracy, of all cells and within the best ones."""
    best = accuracy >= np.quantile(accuracy, 1 - BEST)
    return {
        "all": float(spearmanr(scores, accuracy).statistic),
        "best": float(spearmanr(scores[best], accuracy[best]).statistic),
    }


def ranks(arguments: argparse.Namespace) -> dict[str, Any]:
    cost = arguments.minimize
    table = tables.read(arguments.table, choices=EDGES, metrics=[arguments.maximize, cost])
    every = sorted(table.rows)
    cells = random.Random(0).sample(every, min(arguments.cells, len(every)))
    names = [name for text in arguments.names for name in text.split(",")]
    for name in names:
        if name not in SCORES:
            raise UserError(f"no score is called {name!r}: {', '.join(SCORES)}")
    console = Console(stderr=True)
    for _ in track(scored(arguments, cells, names), "cells", len(cells), console=console, transient=True):
        pass
    rows = {tuple(row[edge] for edge in EDGES): row for row in read_scores(arguments.scores)}
    accuracy = np.array([table.rows[cell][arguments.maximize] for cell in cells])
    columns = {name: np.array([float(rows[cell][name]) for cell in cells]) for name in names}
    figures = {cost: correlations(np.array([table.rows[cell][cost] for cell in cells]), accuracy)}
    for name, column in columns.items():
        seconds = float(np.mean([float(rows[cell][f"{name}_seconds"]) for cell in cells]))
        figures[name] = {**correlations(column, accuracy), "seconds": seconds}
    together = {name: columns[name] for name in AGGREGATED if name in columns}
    if len(together) > 1:
        figures[f"aggregate of {len(together)}"] = {
            **correlations(log_ranks(together), accuracy),
            "seconds": sum(figures[name]["seconds"] for name in together),
        }
    printed = Printed(title=f"Spearman with {arguments.maximize} of {len(cells)} cells")
    for column in ("score", "all", f"best {BEST:.0%}", "seconds a cell"):
        printed.add_column(column, justify="left" if column == "score" else "right")
    for name, found in figures.items():
        seconds = f"{found['seconds']:.2f}" if "seconds" in found else ""
        printed.add_row(name, f"{found['all']:.3f}", f"{found['best']:.3f}", seconds)
    Console().print(printed)
    return {"ranks": figures, "cells": len(cells)}


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="a .csv, or .csv.gz")
    parser.add_argument("--maximize", default="accuracy", metavar="COLUMN")
    parser.add_argument("--minimize", default="mflops", metavar="COLUMN", help="known beforehand")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    searching = parser.add_argument_group("search")
    searching.add_argument("--search", action="store_true", help="search the table, in the place of ranks")
    searching.add_argument("--seeds", type=int, default=10, metavar="N")
    searching.add_argument("--evaluations", type=int, default=150, metavar="N")
    searching.add_argument("--join", type=Path, metavar="FILE", help="a table with further columns")
    searching.add_argument("--choices", nargs="+", default=EDGES, metavar="COLUMN")
    searching.add_argument(
        "--published", nargs="+", default=["nwot", "jacov", "synflow"], metavar="COLUMN",
        help="scores, of which higher are better",
    )  # fmt: skip
    searching.add_argument("--uses", nargs="+", choices=USES, help="by default all")
    searching.add_argument("--sampler", default="ehvi", choices=SAMPLERS, metavar="NAME")
    searching.add_argument("--candidates", type=int, default=ZeroCost.candidates, metavar="N")
    searching.add_argument("--proposals", type=int, default=ZeroCost.proposals, metavar="N")
    searching.add_argument("--as-if-built", action="store_true")
    ranking = parser.add_argument_group("ranks")
    ranking.add_argument("--cells", type=int, default=100, metavar="N", help="how many, drawn at random")
    ranking.add_argument("--scores", type=Path, default=Path("scores.csv"), metavar="FILE")
    ranking.add_argument("--names", nargs="+", default=[*AGGREGATED], help=", ".join(SCORES))
    ranking.add_argument("--images", choices=("photographs", "noise"), default="photographs")
    ranking.add_argument("--size", type=int, default=16, metavar="N", help="height and width of images")
    ranking.add_argument("--width", type=int, default=16, metavar="N", help="channels of the first stage")
    ranking.add_argument("--depth", type=int, default=5, metavar="N", help="cells of a stage")
    return parser.parse_args()


def main() -> None:
    arguments = arguments_of()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    figures: Mapping[str, Any] = searches(arguments) if arguments.search else ranks(arguments)
    write_figures(arguments, **figures)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
