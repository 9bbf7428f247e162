"""What weights of parents gain a search: evolution for the same seconds with and without them.

    python examples/benchmarks/inherit.py --seconds 60 --seeds 10 --json figures.json

takes twice the seconds for each seed (20 minutes). The study is studies/digits.py, or another one of two
objectives, the second its cost, with ``--sampler`` and without pruning, and ``Training(inherit="parent")`` or
not; ``--epochs`` trains more or less briefly. Each search is one worker on a new SQLite storage with a folder
of checkpoints; which of the two comes first alternates. Only trials that ended within the seconds count; all
that handing down takes is among these.

Hypervolume is judged as in equal_time.py, over what the searches of all seeds found together. The ratio is
that of a seed with inheritance over without. What a trial inherits was trained before, so that its accuracy
rests on more epochs than its own; ``optnas train`` begins with fresh weights.

On a machine with other work ``--processor-time`` counts the seconds that this process was computing.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from equal_time import NEVER, Searched, feasible, volume_of
from optuna.trial import FrozenTrial, TrialState
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table
from written import write_figures

from optnas import Study, UserError
from optnas.run.files import load_study
from optnas.run.worker import work
from optnas.storages.opening import open_storage
from optnas.trials.record import INHERITED, KEY

STUDY = Path(__file__).resolve().parents[2] / "studies" / "digits.py"
WAYS: dict[str, str | None] = {"inherit": "parent", "fresh": None}


@dataclasses.dataclass(frozen=True)
class Found:
    """What one search found.

    Attributes:
        searched: Its trials.
        heirs: The number of trials that began with the weights of a parent.
        preserved: How many of them computed at first what their parents did.
        best: The best value of the first objective.
    """

    searched: Searched
    heirs: int
    preserved: int
    best: float


def search(
    study: Study, given: argparse.Namespace, inherit: str | None, seed: int, clock: Callable[[], float]
) -> Found:
    settings = {} if given.epochs is None else {"epochs": given.epochs}
    study = copy.copy(study)
    study.seed, study.sampler, study.pruner = seed, given.sampler, None
    study.training = dataclasses.replace(study.training, inherit=inherit, **settings)
    with tempfile.TemporaryDirectory() as folder:
        study.artifacts = f"{folder}/store"
        opened = study.open(open_storage(f"sqlite:///{folder}/study.db"))
        end = clock() + given.seconds
        work(study, opened, NEVER, should_continue=lambda: clock() < end)
        in_time = opened.get_trials(deepcopy=False)[:-1]  # the last one ended too late
    return found_of(study, in_time)


def found_of(study: Study, trials: Sequence[FrozenTrial]) -> Found:
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE and feasible(trial)]
    signs = [objective.sign for objective in study.objectives]
    points = np.array([trial.values for trial in complete]).reshape(-1, 2) * signs
    whole = {KEY.of(trial) for trial in complete}
    heirs = [record for trial in trials if (record := INHERITED.of(trial)) and "share" in record]
    return Found(
        Searched(points, len(whole), len(whole), len(trials)),
        len(heirs),
        sum(record["preserved"] for record in heirs),
        float(points[:, 0].min() * signs[0]) if len(points) else float("nan"),
    )


def figures_of(study: Study, found: dict[str, list[Found]]) -> dict[str, Any]:
    volume = volume_of(study, [each.searched for group in found.values() for each in group])
    figures: dict[str, Any] = {
        name: {
            "hypervolume": [volume.share(each.searched.points) for each in group],
            "trials": [each.searched.trials for each in group],
            "heirs": [each.heirs for each in group],
            "preserved": [each.preserved for each in group],
            "best": [each.best for each in group],
        }
        for name, group in found.items()
    }
    pairs = zip(figures["inherit"]["hypervolume"], figures["fresh"]["hypervolume"], strict=True)
    figures["ratios"] = [mine / theirs if theirs else float("inf") for mine, theirs in pairs]
    return figures


def printed(figures: dict[str, Any], given: argparse.Namespace) -> Table:
    ratios = figures["ratios"]
    table = Table(
        title=f"In {given.seconds:g} seconds with one worker, medians of {given.seeds} seeds; ratio"
        f" {statistics.median(ratios):.3f}, in {sum(ratio >= 1 for ratio in ratios)} seeds at least 1",
        box=SIMPLE_HEAD,
    )
    columns = ("hypervolume", "best", "trials", "heirs", "preserved")
    for column in ("search", *columns):
        table.add_column(column, justify="left" if column == "search" else "right")
    for name in WAYS:
        table.add_row(name, *(f"{statistics.median(figures[name][column]):.4g}" for column in columns))
    return table


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", default=str(STUDY), metavar="FILE", help="a study of two objectives")
    parser.add_argument("--sampler", default="evolution", choices=["evolution", "local"])
    parser.add_argument("--epochs", type=int, help="of each training; by default those of the study")
    parser.add_argument("--seconds", type=float, default=60, help="of each search")
    parser.add_argument("--seeds", type=int, default=10, help="how many; they are 0, 1, …")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="begin with another than 0")
    parser.add_argument("--processor-time", action="store_true", help="in place of wall time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    given = parser.parse_args()
    if given.seeds < 1 or given.seconds <= 0:
        parser.error("--seeds is at least 1, --seconds above 0")
    return given


def main() -> None:
    given = arguments_of()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(1)
    study = load_study(given.study)
    if len(study.objectives) != 2:
        raise UserError(f"study {study.name!r}: hypervolume is measured of two objectives")
    clock = time.process_time if given.processor_time else time.perf_counter
    warm = argparse.Namespace(**{**vars(given), "seconds": 1.0})
    search(study, warm, "parent", given.first_seed, clock)  # data and libraries are loaded by now
    found: dict[str, list[Found]] = {name: [] for name in WAYS}
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    for seed in track(seeds, "searching", console=Console(stderr=True), transient=True):
        for name in sorted(WAYS, reverse=bool(seed % 2)):
            found[name].append(search(study, given, WAYS[name], seed, clock))
    figures = figures_of(study, found)
    console = Console()
    console.print(printed(figures, given))
    for name in WAYS:
        console.print(name, *(f"{share:.4f}" for share in figures[name]["hypervolume"]))
    write_figures(given, **figures)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
