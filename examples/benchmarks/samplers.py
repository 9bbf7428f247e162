"""How many evaluations samplers need on a table of recorded architectures.

Each row of the table is one architecture, told from others by its columns ``--choices``; a column of
numbers is an ordered choice, any other an unordered one. What is minimised is known of any candidate
beforehand, as FLOPs are, and what is maximised only once it has been evaluated. Samplers of optnas are
told what is known; Optuna's, which have no place for it, are not.

Two objectives are judged by hypervolume: error and log10 of what is minimised, each scaled to [0, 1]
over the whole table (error clipped at best + 30 points: 30 for percentages, 0.3 for shares), reference
(1, 1), as a share of the hypervolume of the table's true front. The figures of a sampler are the
numbers of evaluations to 97 % and 99 % of it, medians over seeds. Without ``--minimize`` it is judged
by regret: what the best value found lacks to the table's best.

Every proposal counts as an evaluation, repeated ones too. With ``--parallel 8`` eight trials are always
running: asked, and told only when seven later ones have been asked.

Optuna's ``random``, ``tpe`` (its default), ``tpe-multivariate``, ``nsga2`` (population 50), ``nsga2-20``
and ``gp`` go by these names; any other is one of optnas.

    python examples/benchmarks/samplers.py --table nasbench201.csv.gz --choices e0,e1,e2,e3,e4,e5 \\
        --maximize val200 --minimize macs --samplers ehvi tpe-multivariate --plot curves.html

takes about five minutes. A suggestion takes from 1 ms (random) to seconds (gp, from 100 trials on: an
hour for ten seeds of 200 evaluations).
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import TrialState
from rich.console import Console
from rich.progress import track
from rich.table import Table as Printed
from volume import Volume

from optnas import UserError, tables
from optnas.reports.figures import write_figure
from optnas.samplers import SAMPLERS, make_sampler
from optnas.samplers.domain import FlatDomain

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SHARES = (0.97, 0.99)
COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7c3aed", "#b8860b", "#be185d", "#475569", "#0f766e")

OPTUNA: dict[str, Callable[[int], BaseSampler]] = {
    "random": lambda seed: RandomSampler(seed=seed),
    "tpe": lambda seed: TPESampler(seed=seed),
    "tpe-multivariate": lambda seed: TPESampler(seed=seed, multivariate=True),
    "nsga2": lambda seed: NSGAIISampler(seed=seed),
    "nsga2-20": lambda seed: NSGAIISampler(seed=seed, population_size=20),
    "gp": lambda seed: GPSampler(seed=seed),
}


@dataclass(frozen=True)
class Problem:
    """The search of a table.

    Attributes:
        table: The recorded architectures.
        maximize: The column to be maximised, told by an evaluation only.
        minimize: The column to be minimised, known beforehand; none for a search with one objective.
    """

    table: tables.Table
    maximize: str
    minimize: str | None

    @property
    def directions(self) -> list[str]:
        return ["maximize", "minimize"] if self.minimize else ["maximize"]

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """A parameter for each column of choices: the place among its values where those are numbers."""
        return {
            name: CategoricalDistribution(values)
            if isinstance(values[0], str)
            else IntDistribution(0, len(values) - 1)
            for name, values in self.table.choices.items()
        }

    @cached_property
    def domain(self) -> FlatDomain:
        return FlatDomain(self.distributions, self.known)

    def key(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return a candidate by its values in the columns of choices."""
        return tuple(
            params[name] if isinstance(values[0], str) else values[params[name]]
            for name, values in self.table.choices.items()
        )

    def row(self, params: Mapping[str, Any]) -> Mapping[str, float] | None:
        """Return what is recorded of a candidate; none where the table has no such row."""
        return self.table.rows.get(self.key(params))

    def known(self, params: Mapping[str, Any]) -> tuple[float | None, ...] | None:
        row = self.row(params)
        if row is None:
            return None
        return (None, row[self.minimize]) if self.minimize else (None,)

    def values(self, row: Mapping[str, float]) -> tuple[float, ...]:
        """Return the objectives of a row of the table."""
        return (row[self.maximize], row[self.minimize]) if self.minimize else (row[self.maximize],)

    @cached_property
    def _best(self) -> float:
        return max(row[self.maximize] for row in self.table.rows.values())

    @cached_property
    def _volume(self) -> Volume:
        points = 30.0 if self._best > 1 else 0.3
        every = np.array([self.values(row) for row in self.table.rows.values()])
        return Volume(every * (-1, 1), clip=points)

    def curve(self, told: list[tuple[float, ...] | None]) -> list[float]:
        """Return how far the search was after each evaluation: share of hypervolume, or regret."""
        if not self.minimize:
            best = -math.inf
            return [self._best - (best := max(best, values[0] if values else best)) for values in told]
        return self._volume.shares((-values[0], values[1]) if values else None for values in told)


def sampler_of(name: str, seed: int, problem: Problem) -> BaseSampler:
    if name not in OPTUNA:
        return make_sampler(name, seed, problem.domain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return OPTUNA[name](seed)


def search(
    problem: Problem, sampler: BaseSampler, evaluations: int, parallel: int
) -> tuple[list[tuple[float, ...] | None], float]:
    """Return what each evaluation found, in the order told, and the mean seconds of a suggestion."""
    study = optuna.create_study(directions=problem.directions, sampler=sampler)
    running: deque[optuna.Trial] = deque()
    told: list[tuple[float, ...] | None] = []
    asked, seconds = 0, 0.0
    while len(told) < evaluations:
        while asked < evaluations and len(running) < parallel:
            started = time.perf_counter()
            running.append(study.ask(problem.distributions))
            seconds += time.perf_counter() - started
            asked += 1
        trial = running.popleft()
        row = problem.row(trial.params)
        told.append(problem.values(row) if row else None)
        study.tell(trial, told[-1], None if row else TrialState.FAIL)
    return told, seconds / evaluations


def first(curve: list[float], share: float) -> float:
    """Return the number of evaluations after which a curve reaches ``share``; infinite if never."""
    return next((i + 1.0 for i, reached in enumerate(curve) if reached >= share), math.inf)


def summary(problem: Problem, curves: list[list[float]], seconds: list[float]) -> dict[str, Any]:
    """Return the figures of one sampler."""
    last = [curve[-1] for curve in curves]
    figures: dict[str, Any] = {
        "final_mean": statistics.mean(last),
        "final_standard_error": statistics.stdev(last) / math.sqrt(len(last)) if len(last) > 1 else None,
        "seconds_per_suggestion": statistics.mean(seconds),
    }
    if problem.minimize:
        for share in SHARES:
            each = [first(curve, share) for curve in curves]
            median = statistics.median(each)
            figures[f"to_{share:.0%}"] = median if math.isfinite(median) else None
            figures[f"to_{share:.0%}_each"] = [n if math.isfinite(n) else None for n in each]
    return {**figures, "curves": curves}


def printed(problem: Problem, figures: dict[str, dict[str, Any]], evaluations: int) -> Printed:
    measured = "hypervolume" if problem.minimize else "regret"
    table = Printed(title=f"{problem.maximize} against {problem.minimize}" if problem.minimize else None)
    table.add_column("sampler")
    shares = [f"to_{share:.0%}" for share in SHARES] if problem.minimize else []
    for column in (*(f"evaluations {s.replace('_', ' ')}" for s in shares), f"{measured} at {evaluations}"):
        table.add_column(column, justify="right")
    table.add_column("ms a suggestion", justify="right")
    for name, figure in figures.items():
        error = figure["final_standard_error"]
        table.add_row(
            name,
            *(f"> {evaluations}" if figure[s] is None else f"{figure[s]:g}" for s in shares),
            f"{figure['final_mean']:.4f}" + (f" ± {error:.4f}" if error is not None else ""),
            f"{1e3 * figure['seconds_per_suggestion']:.0f}",
        )
    return table


def figure_of(problem: Problem, figures: dict[str, dict[str, Any]]) -> Figure:
    """Return each sampler's median curve, in a band of the middle half of its seeds."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for i, (name, found) in enumerate(figures.items()):
        low, median, high = np.quantile(found["curves"], (0.25, 0.5, 0.75), axis=0)
        colour, x = COLOURS[i % len(COLOURS)], np.arange(1, len(median) + 1)
        figure.add_scatter(
            x=np.concatenate([x, x[::-1]]), y=np.concatenate([high, low[::-1]]), fill="toself",
            fillcolor=colour, opacity=0.15, line={"width": 0}, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        figure.add_scatter(x=x, y=median, mode="lines", name=name, line={"color": colour, "width": 2})
    told = "share of the true hypervolume" if problem.minimize else "regret"
    lowest = max(0.0, min(min(curve[len(curve) // 20] for curve in f["curves"]) for f in figures.values()))
    figure.update_layout(
        template="plotly_white", width=800, height=480, font={"color": "#1f2933", "size": 14},
        title={"text": "Median over seeds; the band holds the middle half"},
        xaxis={"title": {"text": "evaluations"}},
        yaxis={"title": {"text": told}, **({"range": [lowest, 1.005]} if problem.minimize else {})},
    )  # fmt: skip
    return figure


def names(texts: list[str]) -> list[str]:
    """Return names given with commas, spaces or both between them."""
    return [name for text in texts for name in text.split(",") if name]


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="a .csv, or .csv.gz")
    parser.add_argument("--choices", nargs="+", required=True, metavar="COLUMN")
    parser.add_argument("--maximize", required=True, metavar="COLUMN")
    parser.add_argument("--minimize", metavar="COLUMN", help="known beforehand; none: one objective")
    known = ", ".join([*OPTUNA, *(name for name in SAMPLERS if name not in OPTUNA)])
    parser.add_argument("--samplers", nargs="+", default=["ehvi", "tpe-multivariate"], help=known)
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=10, help="how many; they are 0, 1, …")
    parser.add_argument("--parallel", type=int, default=1, metavar="N", help="trials always running")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and curves there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves: .html, .svg, .png, .pdf")
    arguments = parser.parse_args()
    for option in ("evaluations", "seeds", "parallel"):
        if getattr(arguments, option) < 1:
            parser.error(f"--{option} is at least 1")
    return arguments


def main() -> None:
    arguments = arguments_of()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    cost = [arguments.minimize] if arguments.minimize else []
    table = tables.read(
        arguments.table, choices=names(arguments.choices), metrics=[arguments.maximize, *cost], known=cost
    )
    problem = Problem(table, arguments.maximize, arguments.minimize)
    console, figures = Console(), {}
    for name in names(arguments.samplers):
        curves, seconds = [], []
        for seed in track(
            range(arguments.seeds), description=name, console=Console(stderr=True), transient=True
        ):
            sampler = sampler_of(name, seed, problem)
            told, took = search(problem, sampler, arguments.evaluations, arguments.parallel)
            curves.append(problem.curve(told))
            seconds.append(took)
        figures[name] = summary(problem, curves, seconds)
    console.print(printed(problem, figures, arguments.evaluations))
    if arguments.json:
        options = {key: str(value) for key, value in vars(arguments).items()}
        arguments.json.write_text(json.dumps({"options": options, "samplers": figures}, indent=1) + "\n")
    if arguments.plot:
        write_figure(figure_of(problem, figures), arguments.plot)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
