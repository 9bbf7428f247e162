"""The truth of a small space: every cell trained with several seeds, in a CSV file that is added to."""

from __future__ import annotations

import csv
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch
from one_shot_space import EDGES, OPS, study
from rich.progress import track

from optnas.train import fit

__all__ = ["cell_of", "cells", "params_of", "read", "train_out"]

_COLUMNS = [*EDGES, "flops", "seed", "accuracy"]
_BY_TEXT = {str(op): name for name, op in OPS.items()}


def cells() -> Iterator[tuple[str, ...]]:
    """Yield all cells: the op of each edge by name."""
    yield from itertools.product(OPS, repeat=len(EDGES))


def params_of(cell: tuple[str, ...]) -> dict[str, str]:
    """Return the study's parameters of a cell."""
    return {edge: str(OPS[name]) for edge, name in zip(EDGES, cell, strict=True)}


def cell_of(params: dict[str, str]) -> tuple[str, ...]:
    """Return the cell of the study's parameters."""
    return tuple(_BY_TEXT[params[edge]] for edge in EDGES)


def trained(cell: tuple[str, ...], seed: int) -> tuple[float, float]:
    """Train a cell's network and return its FLOPs and its validation accuracy."""
    torch.set_num_threads(1)
    candidate = study.candidate(params_of(cell))
    torch.manual_seed(seed)
    module = candidate.architecture.build(study.shape, **study.context)
    found = fit(module, study.task, candidate.training, device=torch.device("cpu"), seed=seed)
    return study.costs(candidate)["flops"], found["accuracy"]


def train_out(file: Path, seeds: int = 2, workers: int = 2, most_seconds: float = float("inf")) -> int:
    """Train what is missing in ``file`` and return how many trainings are still missing."""
    done = {(tuple(row[edge] for edge in EDGES), int(row["seed"])) for row in _rows(file)}
    missing = [(cell, seed) for seed in range(seeds) for cell in cells() if (cell, seed) not in done]
    started = time.monotonic()
    with file.open("a", newline="") as stream, ProcessPoolExecutor(workers) as pool:
        writer = csv.writer(stream, lineterminator="\n")
        if not done:
            writer.writerow(_COLUMNS)
        left = len(missing)
        for begin in track(range(0, len(missing), 8 * workers), description="training out"):
            if time.monotonic() - started > most_seconds:
                break
            some = missing[begin : begin + 8 * workers]
            running = {pool.submit(trained, *each): each for each in some}
            for future in as_completed(running):
                (cell, seed), (flops, accuracy) = running[future], future.result()
                writer.writerow([*cell, int(flops), seed, round(accuracy, 5)])
                stream.flush()
                left -= 1
    return left


def read(file: Path) -> dict[tuple[str, ...], tuple[float, float]]:
    """Return the FLOPs and the mean accuracy of each cell."""
    found: dict[tuple[str, ...], list[tuple[float, float]]] = {}
    for row in _rows(file):
        cell = tuple(row[edge] for edge in EDGES)
        found.setdefault(cell, []).append((float(row["flops"]), float(row["accuracy"])))
    return {
        cell: (each[0][0], sum(accuracy for _, accuracy in each) / len(each)) for cell, each in found.items()
    }


def _rows(file: Path) -> list[dict[str, str]]:
    if not file.exists():
        return []
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))
