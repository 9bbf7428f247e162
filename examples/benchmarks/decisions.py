"""How long a pruner takes to decide, by how many trials the study has.

    python examples/benchmarks/decisions.py --trials 1000 10000

takes some seconds; with ``--storages sqlite`` minutes, as the trials have to be written. Trials report at
epochs 1, 3 and 9, of which a third goes on from each, random values that grow better. Measured is
``should_prune`` as an objective calls it after ``report``, its reading of the storage included: the first
decision of a process that has just come to the study and has yet to read all trials, and the next
``--decisions``, each of a new trial, as their median and their worst.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.trial import TrialState, create_trial
from rich.console import Console
from rich.table import Table as Printed

from optnas import report, should_prune
from optnas.pruners import PRUNERS, make_pruner
from optnas.storages.opening import open_storage

RUNGS = (1, 3, 9)


def values_at(rung: int, number: int, objectives: int, rng: random.Random) -> list[float]:
    """Return a trial's values: the later trial is a little better, the costs are random."""
    return [rng.random() / rung - number / 1e5, *(rng.random() for _ in range(objectives - 1))]


def fill(study: optuna.Study, trials: int, rng: random.Random) -> None:
    objectives = len(study.directions)
    for number in range(trials):
        values = values_at(27, number, objectives, rng)
        reached = [rung for place, rung in enumerate(RUNGS) if number % 3**place == 0]
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if number % 27 == 0 else TrialState.PRUNED,
                values=values if number % 27 == 0 else None,
                user_attrs={
                    f"rung:{rung}": [values_at(rung, number, objectives, rng)[0], *values[1:]]
                    for rung in reached
                },
            )
        )


def decide(study: optuna.Study, number: int, rng: random.Random) -> float:
    """Return the seconds that a pruner takes to decide on a new trial."""
    trial = study.ask()
    values = values_at(1, number, len(study.directions), rng)
    report(trial, 1, values)
    started = time.perf_counter()
    stopped = should_prune(trial)
    took = time.perf_counter() - started
    study.tell(trial, None if stopped else values, TrialState.PRUNED if stopped else TrialState.COMPLETE)
    return took


def measured(
    pruner: BasePruner, storage: str | None, trials: int, objectives: int, decisions: int
) -> dict[str, float]:
    rng = random.Random(0)
    directions = ["minimize"] * objectives
    sampler = optuna.samplers.RandomSampler(seed=0)

    def opened() -> optuna.Study:
        return optuna.create_study(
            study_name="decisions", storage=place, directions=directions, sampler=sampler, pruner=pruner,
            load_if_exists=True,
        )  # fmt: skip

    place = open_storage(storage) if storage else optuna.storages.InMemoryStorage()
    fill(opened(), trials, rng)
    if storage:
        place = open_storage(storage)  # as a process that has read nothing yet
    study = opened()
    first, *others = (decide(study, trials + i, rng) for i in range(1 + decisions))
    return {
        "first_ms": 1e3 * first,
        "median_ms": 1e3 * statistics.median(others),
        "worst_ms": 1e3 * max(others),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--pruners", nargs="+", default=["pareto-halving"], help=", ".join(PRUNERS))
    parser.add_argument("--objectives", type=int, nargs="+", default=[2, 3])
    parser.add_argument(
        "--storages", nargs="+", choices=["memory", "sqlite"], default=["memory"], help="(default: memory)"
    )
    parser.add_argument("--decisions", type=int, default=100)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = Printed(title="Milliseconds a decision")
    for column in ("pruner", "storage", "trials", "objectives", "median", "worst", "first"):
        table.add_column(column, justify="left" if column in ("pruner", "storage") else "right")
    figures: list[dict[str, Any]] = []
    for name in arguments.pruners:
        for trials in arguments.trials:
            for objectives in arguments.objectives:
                for kind in arguments.storages:
                    with tempfile.TemporaryDirectory() as folder:
                        storage = f"sqlite:///{folder}/study.db" if kind == "sqlite" else None
                        found = measured(make_pruner(name), storage, trials, objectives, arguments.decisions)
                    figures.append(
                        {"pruner": name, "storage": kind, "trials": trials, "objectives": objectives, **found}
                    )
                    table.add_row(
                        name, kind, f"{trials:,}", str(objectives),
                        *(f"{found[key]:.1f}" for key in ("median_ms", "worst_ms", "first_ms")),
                    )  # fmt: skip
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
