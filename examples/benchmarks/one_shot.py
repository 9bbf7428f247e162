"""Strategies on shared weights against the truth of a space that was trained out in full.

    python examples/benchmarks/one_shot.py --truth examples/benchmarks/one_shot_truth.csv
    python examples/benchmarks/one_shot.py --strategies darts gdas --seeds 10 --json figures.json

The space (one_shot_space.py) has 729 cells of NAS-Bench-201's kind for digits. ``--truth FILE`` trains what
is missing of them, with 2 seeds, some 20 minutes on 2 cores, and goes on where it was stopped. Then each
strategy searches, and is compared with the truth:

- the rank of the cell that it derives for accuracy alone, as a share of all cells;
- for single-path: Spearman's correlation of accuracies with inherited weights and the truth, over all cells;
- the share of the true front's hypervolume (error and log FLOPs) that a study by it reaches with ten trials,
  and after how many epochs of training, those of the supernet and of the trials together, it reaches 97 %;
  beside it those of samplers from nothing.

A strategy takes from half a minute to a minute a seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from one_shot_space import EPOCHS, study
from one_shot_truth import cell_of, cells, params_of, read, train_out
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from optnas import pareto
from optnas.one_shot.strategies import STRATEGIES, make_strategy
from optnas.samplers import make_sampler
from optnas.samplers.one_shot import OneShotSampler

HERE = Path(__file__).resolve().parent

Truth = Mapping[tuple[str, ...], tuple[float, float]]

_GOAL = 0.97
_MOST_TRIALS = 729
_DIRECTIONS = ["maximize", "minimize"]  # accuracy and FLOPs


def points(truth: Truth) -> dict[tuple[str, ...], np.ndarray]:
    """Return error and log10(FLOPs) of each cell, scaled to [0, 1]; errors up to 30 points above the best."""
    flops = np.log10([each[0] for each in truth.values()])
    errors = 1 - np.array([each[1] for each in truth.values()])
    scaled = np.clip((errors - errors.min()) / 0.3, 0, 1)
    costs = (flops - flops.min()) / (flops.max() - flops.min())
    return dict(zip(truth, np.stack([scaled, costs], axis=1), strict=True))


def volume(chosen: Iterable[np.ndarray]) -> float:
    """Return the hypervolume of points within the unit square."""
    return float(pareto.hypervolume(np.array(list(chosen)), np.ones(2)))


def searched(name: str, epochs: int, seed: int, truth: Truth) -> dict[str, Any]:
    """Run one strategy and compare it with the truth."""
    torch.set_num_threads(1)
    started = time.perf_counter()
    strategy = make_strategy(name, study.domain.problem, epochs=epochs, seed=seed)
    strategy.train()
    trained = time.perf_counter() - started
    accuracies = {cell: accuracy for cell, (_, accuracy) in truth.items()}
    found: dict[str, Any] = {"told": strategy.told}
    if name == "single-path":
        inherited = {cell: strategy.inherited(params_of(cell))["accuracy"] for cell in cells()}
        order = list(inherited)
        found["spearman"] = float(
            spearmanr([inherited[cell] for cell in order], [accuracies[cell] for cell in order]).statistic
        )
        derived = max(inherited, key=lambda cell: inherited[cell])
    else:
        derived = cell_of(strategy.chosen.derived(0))
    better = sum(accuracy > accuracies[derived] for accuracy in accuracies.values())
    found |= {
        "rank": better / len(accuracies),
        "accuracy": accuracies[derived],
        "cell": list(derived),
        "seconds": trained,
    }
    sampler = OneShotSampler(name, study.domain, seed=seed)
    run = optuna.create_study(directions=_DIRECTIONS, sampler=sampler)
    sampler.hand_over(run, strategy)
    return found | sampled(run, truth, epochs)


def sampled(run: optuna.Study, truth: Truth, before: int = 0) -> dict[str, Any]:
    """Run trials on the truth; return after how many epochs, with those before, the goal is reached."""
    where = points(truth)
    full, chosen = volume(where.values()), dict[tuple[str, ...], np.ndarray]()
    shares: list[float] = []
    while len(shares) < _MOST_TRIALS and (not shares or shares[-1] < _GOAL):
        trial = run.ask(study.distributions())
        cell = cell_of(trial.params)
        flops, accuracy = truth[cell]
        run.tell(trial, [accuracy, flops])
        chosen[cell] = where[cell]
        shares.append(volume(chosen.values()) / full)
    epochs = before + EPOCHS * len(shares)
    return {"trials": len(shares), "epochs": epochs, "after 10": shares[:10][-1]}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians over the seeds."""
    numbers = ("rank", "accuracy", "spearman", "trials", "epochs", "after 10", "seconds")
    return {name: statistics.median(row[name] for row in rows) for name in numbers if name in rows[0]}


def show(results: Mapping[str, list[dict[str, Any]]]) -> None:
    """Print the medians as a table."""
    table = Table(
        title=f"{len(next(iter(results.values())))} seeds, medians; to {_GOAL:.0%} of the hypervolume"
    )
    names = ("rank", "accuracy", "spearman", "after 10", "trials", "epochs", "seconds")
    for name in ("search", *names):
        table.add_column(name, justify="left" if name == "search" else "right")
    for name, rows in results.items():
        told = summary(rows)
        table.add_row(name, *(f"{told[key]:.4g}" if key in told else "" for key in names))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--truth", type=Path, default=HERE / "one_shot_truth.csv", metavar="FILE")
    parser.add_argument("--strategies", nargs="*", default=list(STRATEGIES), choices=list(STRATEGIES))
    parser.add_argument("--samplers", nargs="*", default=["ehvi", "random"], metavar="SAMPLER")
    parser.add_argument("--epochs", type=int, default=60, help="of each supernet")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1, help="processes that train the space out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    train_out(given.truth, workers=given.workers)
    truth = read(given.truth)
    results: dict[str, list[dict[str, Any]]] = {}
    for seed in range(given.seeds):
        for name in given.strategies:
            results.setdefault(name, []).append(searched(name, given.epochs, seed, truth))
        for name in given.samplers:
            sampler = make_sampler(name, seed, study.domain)
            run = optuna.create_study(directions=_DIRECTIONS, sampler=sampler)
            results.setdefault(name, []).append(sampled(run, truth))
    show(results)
    whole = len(truth) * 2 * EPOCHS
    print(f"the whole space: {whole} epochs; a supernet: {given.epochs}, {given.epochs / whole:.1%} of them")
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
