"""Searches of a table with a warm start by published scores, with them as features, with both and neither."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import gzip
import math
import statistics
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
from rich.console import Console
from rich.progress import track
from rich.table import Table as Printed
from volume import Found, Volume

from optnas import Study, ZeroCost, maximize, minimize, tables

SHARES = (0.97, 0.99)
# Beyond this below the best of a table, an error counts as no worse: a network that learned nothing.
POINTS = 0.3
USES: dict[str, dict[str, str]] = {
    "neither": {},
    "warm start": {"warm_start": "zero-cost"},
    "features": {"features": "zero-cost"},
    "both": {"warm_start": "zero-cost", "features": "zero-cost"},
}


def table_of(arguments: argparse.Namespace) -> tables.Table:
    """Return the rows of the table, with further columns of ``--join`` where that has the same row."""
    known = [arguments.minimize, *arguments.published]
    wanted = [arguments.maximize, *known]
    if arguments.join is None:
        return tables.read(arguments.table, choices=arguments.choices, metrics=wanted, known=known)
    opened = gzip.open if arguments.join.suffix == ".gz" else open
    with opened(arguments.join, "rt", newline="") as file:
        columns = next(csv.reader(file))
    joined = [name for name in wanted if name in columns]
    own = [name for name in wanted if name not in joined]
    left = tables.read(arguments.table, choices=arguments.choices, metrics=own)
    right = tables.read(arguments.join, choices=arguments.choices, metrics=joined)
    rows = {key: {**row, **right.rows[key]} for key, row in left.rows.items() if key in right.rows}
    return tables.Table(rows, left.choices, known)


def study_of(table: tables.Table, use: Mapping[str, str], seed: int, arguments: argparse.Namespace) -> Study:
    if not use:
        table = tables.Table(table.rows, table.choices, [arguments.minimize])  # scores are not known of it
    settings = ZeroCost(
        scores=arguments.published, candidates=arguments.candidates, proposals=arguments.proposals
    )
    study = Study(
        name=f"seed {seed}",
        space=table.space,
        evaluate=table,
        costs=table.costs,
        objectives=[maximize(arguments.maximize), minimize(arguments.minimize)],
        sampler=arguments.sampler,
        pruner="none",
        seed=seed,
        zero_cost=settings if use else None,
        **use,
    )
    if arguments.as_if_built and study.domain.screening is not None:
        study.domain.screening = dataclasses.replace(study.domain.screening, computed=True)
    return study


def curve_of(study: Study, volume: Volume, evaluations: int) -> tuple[list[float], float]:
    """Return the share of the hypervolume after each evaluation, and the seconds that a suggestion took."""
    opened = study.open(optuna.storages.InMemoryStorage())
    found, shares = Found(volume), []
    started = time.perf_counter()
    while len(shares) < evaluations:
        opened.optimize(study.objective, n_trials=1)
        trial = opened.trials[-1]
        # A cell that the table lacks is no evaluation.
        if trial.state == TrialState.COMPLETE:
            shares.append(found.add((-trial.values[0], trial.values[1])))
    return shares, (time.perf_counter() - started) / evaluations


def searches(arguments: argparse.Namespace) -> dict[str, Any]:
    table = table_of(arguments)
    every = np.array(
        [[-row[arguments.maximize], row[arguments.minimize]] for row in table.rows.values()], dtype=float
    )
    best = -every[:, 0].min()
    volume = Volume(every, clip=POINTS * (100 if best > 1 else 1))
    figures: dict[str, Any] = {}
    for name, use in USES.items():
        if arguments.uses and name not in arguments.uses:
            continue
        shown = track(range(arguments.seeds), name, console=Console(stderr=True), transient=True)
        runs = [
            curve_of(study_of(table, use, seed, arguments), volume, arguments.evaluations) for seed in shown
        ]
        figures[name] = {"seconds": statistics.mean(seconds for _, seconds in runs)}
        for share in SHARES:
            reached = [_first(curve, share) for curve, _ in runs]
            figures[name][f"to {share:.0%}"] = _finite(statistics.median(reached))
            figures[name][f"to {share:.0%} each"] = [_finite(count) for count in reached]
        figures[name]["hypervolume"] = statistics.mean(curve[-1] for curve, _ in runs)
    _print(figures, len(table), arguments)
    return {"searches": figures, "rows": len(table)}


def _first(curve: list[float], share: float) -> float:
    return next((i + 1.0 for i, reached in enumerate(curve) if reached >= share), math.inf)


def _finite(count: float) -> float | None:
    return count if math.isfinite(count) else None


def _print(figures: Mapping[str, Any], rows: int, arguments: argparse.Namespace) -> None:
    printed = Printed(
        title=f"{arguments.maximize} against {arguments.minimize} of {rows} rows, {arguments.seeds} seeds"
    )
    printed.add_column(f"{arguments.sampler} with")
    last = f"hypervolume at {arguments.evaluations}"
    for column in (*(f"to {share:.0%}" for share in SHARES), last, "ms an evaluation"):
        printed.add_column(column, justify="right")
    for name, found in figures.items():
        counts = [found[f"to {share:.0%}"] for share in SHARES]
        printed.add_row(
            name,
            *(f"> {arguments.evaluations}" if count is None else f"{count:g}" for count in counts),
            f"{found['hypervolume']:.4f}",
            f"{1e3 * found['seconds']:.0f}",
        )
    Console().print(printed)
