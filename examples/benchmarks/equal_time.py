"""What pruning gains a real search: the same study for the same seconds with and without its pruner.

    python examples/benchmarks/equal_time.py studies/digits.py --seconds 25 --seeds 10

takes twice the seconds for each seed (8 minutes). Each search is one worker on a new SQLite storage;
which of the two comes first alternates. Only trials that ended within the seconds count. Hypervolume is
judged as in samplers.py, over what the searches of all seeds found together, and of complete trials only.
Architectures are the different candidates that were trained at least to the first rung.

On a machine with other work ``--processor-time`` counts the seconds that this process was computing, which
for one worker with one thread is the wall time of an idle machine.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.trial import FrozenTrial, TrialState
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table as Printed
from volume import Volume
from written import write_figures

from optnas import Study, UserError
from optnas.run.files import load_study
from optnas.run.worker import work
from optnas.storages.opening import open_storage
from optnas.trials.record import KEY
from optnas.trials.rungs import rungs_of

NEVER = 10**9


@dataclass(frozen=True)
class Searched:
    """What one search did.

    Attributes:
        points: The results of complete trials, shape (trials, 2), to be minimised.
        trained: How many different candidates were trained at least to the first rung.
        complete: How many of them to the end.
        trials: How many trials ended, those not trained included.
    """

    points: np.ndarray
    trained: int
    complete: int
    trials: int


def search(study: Study, seed: int, seconds: float, clock: Callable[[], float], *, pruned: bool) -> Searched:
    study = copy.copy(study)
    study.seed = seed
    if not pruned:
        study.pruner = None
    with tempfile.TemporaryDirectory() as folder:
        opened = study.open(open_storage(f"sqlite:///{folder}/study.db"))
        end = clock() + seconds
        work(study, opened, NEVER, should_continue=lambda: clock() < end)
        in_time = opened.get_trials(deepcopy=False)[:-1]  # the last one ended too late
    complete = [trial for trial in in_time if trial.state == TrialState.COMPLETE and feasible(trial)]
    signs = [-1 if direction == "maximize" else 1 for direction in study.directions]
    points = np.array([trial.values for trial in complete]).reshape(-1, 2) * signs
    trained = {KEY.of(trial) for trial in in_time if rungs_of(trial)}
    whole = {KEY.of(trial) for trial in complete}
    return Searched(points, len(trained | whole), len(whole), len(in_time))


def feasible(trial: FrozenTrial) -> bool:
    return all(violation <= 0 for violation in trial.constraints.values())


def volume_of(study: Study, searches: Sequence[Searched]) -> Volume:
    """Return what judges: the error within 30 points of the best where one is maximised."""
    every = np.concatenate([searched.points for searched in searches])
    clip = np.inf
    if study.directions[0] == "maximize":
        clip = 30.0 if -every[:, 0].min() > 1 else 0.3
    return Volume(every, clip)


def figures_of(study: Study, searches: dict[str, list[Searched]]) -> dict[str, dict[str, Any]]:
    volume = volume_of(study, [searched for group in searches.values() for searched in group])
    return {
        name: {
            "hypervolume": [volume.share(searched.points) for searched in group],
            "trained": [searched.trained for searched in group],
            "complete": [searched.complete for searched in group],
            "trials": [searched.trials for searched in group],
        }
        for name, group in searches.items()
    }


def printed(figures: dict[str, dict[str, Any]], seconds: float, seeds: int) -> Printed:
    table = Printed(
        title=f"In {seconds:g} seconds with one worker, medians of {seeds} seeds", box=SIMPLE_HEAD
    )
    table.add_column("search")
    for column in ("volume", "seeds won", "architectures", "as many", "complete", "trials"):
        table.add_column(column, justify="right")
    for name, found in figures.items():
        other = figures["unpruned" if name == "pruned" else "pruned"]
        pairs = zip(found["hypervolume"], other["hypervolume"], strict=True)
        trained = statistics.median(found["trained"])
        table.add_row(
            name,
            f"{statistics.median(found['hypervolume']):.2%}",
            str(sum(mine > theirs for mine, theirs in pairs)),
            f"{trained:g}",
            f"{trained / statistics.median(other['trained']):.2f}×",
            f"{statistics.median(found['complete']):g}",
            f"{statistics.median(found['trials']):g}",
        )
    return table


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", metavar="FILE", help="a study of two objectives, the second its cost")
    parser.add_argument("--seconds", type=float, default=25, help="of each search")
    parser.add_argument("--seeds", type=int, default=10, help="how many; they are 0, 1, …")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="begin with another than 0")
    parser.add_argument("--processor-time", action="store_true", help="in place of wall time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    if arguments.seeds < 1 or arguments.seconds <= 0:
        parser.error("--seeds is at least 1, --seconds above 0")
    return arguments


def main() -> None:
    arguments = arguments_of()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(1)
    study = load_study(arguments.study)
    if len(study.objectives) != 2:
        raise UserError(f"study {study.name!r}: hypervolume is measured of two objectives")
    clock = time.process_time if arguments.processor_time else time.perf_counter
    search(study, arguments.first_seed, 1.0, clock, pruned=True)  # data and libraries are loaded by now
    searches: dict[str, list[Searched]] = {"pruned": [], "unpruned": []}
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    for seed in track(seeds, "searching", console=Console(stderr=True), transient=True):
        for name in sorted(searches, reverse=bool(seed % 2)):
            found = search(study, seed, arguments.seconds, clock, pruned=name == "pruned")
            searches[name].append(found)
    figures = figures_of(study, searches)
    Console().print(printed(figures, arguments.seconds, arguments.seeds))
    write_figures(arguments, searches=figures)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
