"""How many evaluations samplers need on a table of recorded architectures, or on a mixed problem.

Each row of a table is one architecture, told from others by its columns ``--choices``; a column of
numbers is an ordered choice, any other an unordered one. What is minimised is known of any candidate
beforehand, as FLOPs are, and what is maximised only once it has been evaluated. Samplers of optnas are
told what is known; Optuna's, which have no place for it, are not.

Two objectives are judged by hypervolume: error and log10 of what is minimised, each scaled to [0, 1]
over the whole table (error clipped at best + 30 points: 30 for percentages, 0.3 for shares), reference
(1, 1), as a share of the hypervolume of the table's true front. The figures of a sampler are the
numbers of evaluations to 97 % and 99 % of it, medians over seeds. Without ``--minimize`` it is judged
by regret: what the best value found lacks to the table's best.

Instead of a table, ``--problem`` names one of mixed_problems.py: continuous, integer and categorical
variables together, two objectives, nothing known beforehand.

Every proposal counts as an evaluation, repeated ones too; the table that is printed says how many of a
search's proposals had been made before, and how far it was after each number of ``--evaluations``. With
``--parallel 8`` eight trials are always running: asked, and told only when seven later ones have been
asked.

Optuna's ``random``, ``tpe`` (its default), ``tpe-multivariate``, ``nsga2`` (population 50), ``nsga2-20``
and ``gp`` go by these names; any other is one of optnas.

    python examples/benchmarks/samplers.py --table nasbench201.csv.gz --choices e0,e1,e2,e3,e4,e5 \\
        --maximize val200 --minimize macs --samplers ehvi tpe-multivariate --plot curves.html

takes about five minutes. A suggestion takes from 1 ms (random) to seconds (gp, from 100 trials on: an
hour for ten seeds of 200 evaluations).
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from mixed_problems import PROBLEMS, MixedProblem
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import TrialState
from rich.console import Console
from rich.progress import track
from rich.table import Table as Printed
from volume import Volume
from written import write_figures

from optnas import UserError, tables
from optnas.pareto import front
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
class TableProblem:
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

    def evaluated(self, params: Mapping[str, Any]) -> tuple[float, ...] | None:
        """Return the objectives of a candidate; none where the table has no such row."""
        row = self.row(params)
        return None if row is None else self.values(row)

    def row(self, params: Mapping[str, Any]) -> Mapping[str, float] | None:
        """Return what is recorded of a candidate; none where the table has no such row."""
        return self.table.rows.get(self.key(params))

    def key(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return a candidate by its values in the columns of choices."""
        return tuple(
            params[name] if isinstance(values[0], str) else values[params[name]]
            for name, values in self.table.choices.items()
        )

    def known(self, params: Mapping[str, Any]) -> tuple[float | None, ...] | None:
        row = self.row(params)
        if row is None:
            return None
        return (None, row[self.minimize]) if self.minimize else (None,)

    def values(self, row: Mapping[str, float]) -> tuple[float, ...]:
        """Return the objectives of a row of the table."""
        return (row[self.maximize], row[self.minimize]) if self.minimize else (row[self.maximize],)

    @cached_property
    def best(self) -> float:
        return max(row[self.maximize] for row in self.table.rows.values())

    @cached_property
    def _volume(self) -> Volume:
        points = 30.0 if self.best > 1 else 0.3
        return Volume(np.array([self.values(row) for row in self.table.rows.values()]) * (-1, 1), clip=points)

    def volume(self, values: NDArray[np.float64]) -> float:
        """Return the hypervolume of values, shape (trials, 2), as a share of the table's."""
        return self._volume.share(values * (-1, 1))


Problem = TableProblem | MixedProblem


def curve_of(problem: Problem, told: list[tuple[float, ...] | None]) -> list[float]:
    """Return how far a search was after each evaluation: share of hypervolume, or regret."""
    if isinstance(problem, TableProblem) and not problem.minimize:
        best = -math.inf
        return [problem.best - (best := max(best, values[0] if values else best)) for values in told]
    signs = [-1.0 if direction == "maximize" else 1.0 for direction in problem.directions]
    shares, found = [], np.zeros((0, 2))
    for values in told:
        if values:
            found = np.concatenate([found, [values]])
            found = found[front(found * signs)]
        shares.append(problem.volume(found))
    return shares


def sampler_of(name: str, seed: int, problem: Problem) -> BaseSampler:
    if name not in OPTUNA:
        return make_sampler(name, seed, problem.domain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return OPTUNA[name](seed)


@dataclass(frozen=True)
class Run:
    """One search.

    Attributes:
        told: What each evaluation found, in the order told.
        repeated: How many proposals were of a candidate that had been proposed before.
        seconds: What a suggestion took on average.
    """

    told: list[tuple[float, ...] | None]
    repeated: int
    seconds: float


def search(problem: Problem, sampler: BaseSampler, evaluations: int, parallel: int) -> Run:
    study = optuna.create_study(directions=problem.directions, sampler=sampler)
    running: deque[optuna.Trial] = deque()
    told: list[tuple[float, ...] | None] = []
    proposed: set[Hashable] = set()
    asked, seconds = 0, 0.0
    while len(told) < evaluations:
        while asked < evaluations and len(running) < parallel:
            started = time.perf_counter()
            running.append(study.ask(problem.distributions))
            seconds += time.perf_counter() - started
            asked += 1
            proposed.add(problem.domain.key(running[-1].params))
        trial = running.popleft()
        told.append(problem.evaluated(trial.params))
        study.tell(trial, told[-1], None if told[-1] else TrialState.FAIL)
    return Run(told, evaluations - len(proposed), seconds / evaluations)


def first(curve: list[float], share: float) -> float:
    """Return the number of evaluations after which a curve reaches ``share``; infinite if never."""
    return next((i + 1.0 for i, reached in enumerate(curve) if reached >= share), math.inf)


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and its standard error; none of a single value."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return statistics.mean(values), error


def summary(problem: Problem, runs: list[Run], evaluations: list[int]) -> dict[str, Any]:
    """Return the figures of one sampler."""
    curves = [curve_of(problem, run.told) for run in runs]
    figures: dict[str, Any] = {"at": {}}
    for count in evaluations:
        mean, error = mean_and_error([curve[count - 1] for curve in curves])
        figures["at"][str(count)] = {"mean": mean, "standard_error": error}
    figures |= {"final_mean": mean, "final_standard_error": error}
    if len(problem.directions) == 2:
        for share in SHARES:
            each = [first(curve, share) for curve in curves]
            median = statistics.median(each)
            figures[f"to_{share:.0%}"] = median if math.isfinite(median) else None
            figures[f"to_{share:.0%}_each"] = [n if math.isfinite(n) else None for n in each]
    figures["repeated"] = statistics.mean(run.repeated for run in runs)
    figures["seconds_per_suggestion"] = statistics.mean(run.seconds for run in runs)
    return {**figures, "curves": curves}


def printed(title: str, figures: dict[str, dict[str, Any]]) -> Printed:
    some = next(iter(figures.values()))
    shares = [f"to_{share:.0%}" for share in SHARES if f"to_{share:.0%}" in some]
    measured = "hypervolume" if shares else "regret"
    table = Printed(title=title, caption="evaluations to …; ms a suggestion" if shares else "ms a suggestion")
    table.add_column("sampler")
    for share in shares:
        table.add_column(share.replace("_", " "), justify="right")
    for count in some["at"]:
        table.add_column(f"{measured} at {count}", justify="right")
    table.add_column("repeated", justify="right")
    table.add_column("ms", justify="right")
    most = max(map(int, some["at"]))
    for name, figure in figures.items():
        means = [(found["mean"], found["standard_error"]) for found in figure["at"].values()]
        table.add_row(
            name,
            *(f"> {most}" if figure[s] is None else f"{figure[s]:g}" for s in shares),
            *(f"{mean:.4f}" + (f" ± {error:.4f}" if error is not None else "") for mean, error in means),
            f"{figure['repeated']:g}",
            f"{1e3 * figure['seconds_per_suggestion']:.0f}",
        )
    return table


def figure_of(figures: dict[str, dict[str, Any]]) -> Figure:
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
    volume = "to_99%" in next(iter(figures.values()))
    told = "share of the true hypervolume" if volume else "regret"
    lowest = max(0.0, min(min(curve[len(curve) // 20] for curve in f["curves"]) for f in figures.values()))
    figure.update_layout(
        template="plotly_white", width=800, height=480, font={"color": "#1f2933", "size": 14},
        title={"text": "Median over seeds; the band holds the middle half"},
        xaxis={"title": {"text": "evaluations"}},
        yaxis={"title": {"text": told}, **({"range": [lowest, 1.005]} if volume else {})},
    )  # fmt: skip
    return figure


def names(texts: list[str]) -> list[str]:
    """Return names given with commas, spaces or both between them."""
    return [name for text in texts for name in text.split(",") if name]


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problem", choices=PROBLEMS, help="of mixed_problems.py, in the place of a table")
    parser.add_argument("--table", type=Path, metavar="FILE", help="a .csv, or .csv.gz")
    parser.add_argument("--choices", nargs="+", metavar="COLUMN")
    parser.add_argument("--maximize", metavar="COLUMN")
    parser.add_argument("--minimize", metavar="COLUMN", help="known beforehand; none: one objective")
    known = ", ".join([*OPTUNA, *(name for name in SAMPLERS if name not in OPTUNA)])
    parser.add_argument("--samplers", nargs="+", default=["ehvi", "tpe-multivariate"], help=known)
    parser.add_argument("--evaluations", type=int, nargs="+", default=[200], metavar="N")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="how many, one after the other")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N")
    parser.add_argument("--parallel", type=int, default=1, metavar="N", help="trials always running")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and curves there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves: .html, .svg, .png, .pdf")
    arguments = parser.parse_args()
    if bool(arguments.problem) == bool(arguments.table):
        parser.error("either --problem or --table")
    if arguments.table and not (arguments.choices and arguments.maximize):
        parser.error("--table needs --choices and --maximize")
    for option in ("evaluations", "seeds", "parallel"):
        if np.min(getattr(arguments, option)) < 1:
            parser.error(f"--{option} is at least 1")
    return arguments


def problem_of(arguments: argparse.Namespace) -> Problem:
    if arguments.problem:
        return PROBLEMS[arguments.problem]
    cost = [arguments.minimize] if arguments.minimize else []
    metrics = [arguments.maximize, *cost]
    table = tables.read(arguments.table, choices=names(arguments.choices), metrics=metrics, known=cost)
    return TableProblem(table, arguments.maximize, arguments.minimize)


def main() -> None:
    arguments = arguments_of()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem, figures = problem_of(arguments), {}
    evaluations = sorted(arguments.evaluations)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    for name in names(arguments.samplers):
        progress = track(seeds, description=name, console=Console(stderr=True), transient=True)
        runs = [
            search(problem, sampler_of(name, seed, problem), evaluations[-1], arguments.parallel)
            for seed in progress
        ]
        figures[name] = summary(problem, runs, evaluations)
    title = arguments.problem or " against ".join(filter(None, (arguments.maximize, arguments.minimize)))
    Console().print(printed(title, figures))
    write_figures(arguments, samplers=figures)
    if arguments.plot:
        write_figure(figure_of(figures), arguments.plot)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
