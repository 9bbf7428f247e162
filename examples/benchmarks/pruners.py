"""How many training epochs a search needs with pruning, on recorded trainings.

Judged by hypervolume as in samplers.py, but against the epochs spent: the figures of a pruner are the
epochs to 97 % and 99 % of the true hypervolume, medians over seeds, how many times fewer that is than
the same sampler needs without pruning, and in how many seeds it is fewer. Only trainings that went to
their end count.

What is recorded is a CSV table with a column for each rung, or a JSON list of learning curves:

    python examples/benchmarks/pruners.py --curves nasbench_nlp_wt2.json.gz --loss val_losses \\
        --minimize num_params --seeds 20 --plot curves.html
    python examples/benchmarks/pruners.py --table nasbench201.csv.gz --choices e0,e1,e2,e3,e4,e5 \\
        --maximize 12=val12,200=val200 --minimize macs --samplers tpe ehvi --seeds 20 --until 0.97

Twenty seeds take half a minute for the first, and for the second a minute with tpe and ten with ehvi.
How long a decision takes is measured by decisions.py, what pruning gains a real search by equal_time.py.

What counts as spent: the epochs of the last value of a trial that was looked at. Where rungs are
schedules of their own, as the 12 and the 200 epochs of NAS-Bench-201, 12 epochs cost 12 and going on to
200 costs 188 more, so that a trial without pruning costs 200. A training that diverged costs its epochs
and has no result; one that ended early with a number has that for its result. A candidate that is
proposed again is not trained again, as in a study of optnas: it ends at once as it did before.

With ``--parallel 8`` eight trials are always running, each as fast as the others. The sampler
``random`` takes the architectures in a random order, none twice, and is the only one for curves without
``--choices``; any other name is one of optnas, and with ``optuna-`` before it one of samplers.py.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from recorded import Recording, read_curves, read_table
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table as Printed
from samplers import COLOURS, SHARES, names, sampler_of
from simulated import Budget, Search
from written import write_figures

from optnas import UserError
from optnas.pruners import PRUNERS, make_pruner
from optnas.reports.figures import write_figure
from optnas.samplers import SAMPLERS, make_sampler

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Of a search that proposes what it has had over and over, and so spends nothing.
MOST_TRIALS_AN_EVALUATION = 20


def sampler_by(name: str, seed: int, recording: Recording) -> BaseSampler | None:
    if name == "random":
        return None
    if recording.problem is None:
        raise UserError(f"sampler {name!r} needs --choices; without them there is only random")
    if name.startswith("optuna-"):
        return sampler_of(name.removeprefix("optuna-"), seed, recording.problem)
    return make_sampler(name, seed, recording.problem.domain)


def default_rungs(recording: Recording) -> list[int]:
    """Return the epochs of a table's columns but the last, or 1, 3, 9, … of a curve."""
    recorded = set().union(*(run.curve for run in recording.runs.values()))
    if len(recorded) < recording.epochs:
        return sorted(recorded - {recording.epochs})
    return [3**i for i in range(20) if 3**i < recording.epochs]


def summary(searches: Sequence[Search], unpruned: Sequence[Search] | None) -> dict[str, Any]:
    """Return the figures of one sampler with one pruner, beside those without pruning."""
    seconds = [taken for search in searches for taken in search.seconds]
    figures: dict[str, Any] = {
        "trials": statistics.median(len(search.spent) for search in searches),
        "pruned": statistics.mean(search.pruned / len(search.spent) for search in searches),
        "epochs": statistics.median(search.epochs for search in searches),
        "final": [search.shares[-1] for search in searches],
        "ms_per_decision": 1e3 * statistics.mean(seconds) if seconds else None,
    }
    for share in SHARES:
        name, each = f"to_{share:.0%}", [search.epochs_to(share) for search in searches]
        figures[name] = finite(statistics.median(each))
        figures[f"{name}_each"] = [finite(epochs) for epochs in each]
        if unpruned is not None:
            before = [search.epochs_to(share) for search in unpruned]
            pairs = list(zip(before, each, strict=True))
            figures[f"{name}_times_fewer"] = finite(times_fewer(*map(statistics.median, (before, each))))
            figures[f"{name}_times_fewer_each"] = [finite(times_fewer(b, e)) for b, e in pairs]
            figures[f"{name}_wins"] = sum(e < b for b, e in pairs)
    return figures


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def times_fewer(before: float, now: float) -> float:
    """Return how many times fewer ``now`` is; not a number if neither got there."""
    return before / now if math.isfinite(now) else math.nan if math.isinf(before) else 0.0


def printed(figures: dict[str, dict[str, dict[str, Any]]], seeds: int) -> Printed:
    table = Printed(
        title=f"Epochs to shares of the true hypervolume, medians of {seeds} seeds",
        caption="then: times fewer than without pruning, in how many seeds; end: the worst",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("search", no_wrap=True)
    for share in SHARES:
        table.add_column(f"to {share:.0%}", no_wrap=True)
    for column in ("end", "trials", "pruned"):
        table.add_column(column, justify="right", no_wrap=True)
    for sampler, pruners in figures.items():
        for pruner, found in pruners.items():
            table.add_row(
                sampler if pruner == "none" else f" {pruner}",
                *(in_words(found, f"to_{share:.0%}") for share in SHARES),
                f"{min(found['final']):.1%}",
                f"{found['trials']:g}",
                f"{found['pruned']:.0%}",
            )
        table.add_section()
    return table


def in_words(found: dict[str, Any], name: str) -> str:
    epochs = "never" if found[name] is None else f"{found[name]:,.0f}"
    if f"{name}_wins" not in found:
        return epochs
    times = found[f"{name}_times_fewer"]
    return f"{epochs} {'?' if times is None else f'{times:.1f}'}× {found[f'{name}_wins']}"


def figure_of(searches: dict[tuple[str, str], list[Search]]) -> Figure:
    """Return the median share by epochs spent, in a band of the middle half of the seeds."""
    import plotly.graph_objects as go

    figure = go.Figure()
    most = max(search.epochs for group in searches.values() for search in group)
    least = min(search.spent[0] for group in searches.values() for search in group)
    x = np.unique(np.geomspace(max(1, least), most, 400).astype(int))
    for i, ((sampler, pruner), group) in enumerate(searches.items()):
        until = x[x <= max(search.epochs for search in group)]
        curves = [
            np.array([0.0, *search.shares])[np.searchsorted(search.spent, until, side="right")]
            for search in group
        ]
        low, median, high = np.quantile(curves, (0.25, 0.5, 0.75), axis=0)
        colour = COLOURS[i % len(COLOURS)]
        figure.add_scatter(
            x=np.concatenate([until, until[::-1]]), y=np.concatenate([high, low[::-1]]), fill="toself",
            fillcolor=colour, opacity=0.15, line={"width": 0}, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=until, y=median, mode="lines", name=f"{sampler}, {pruner}",
            line={"color": colour, "width": 2, "dash": "dot" if pruner == "none" else "solid"},
        )  # fmt: skip
    figure.update_layout(
        template="plotly_white", width=800, height=480, font={"color": "#1f2933", "size": 14},
        title={"text": "Median over seeds; the band holds the middle half"},
        xaxis={"title": {"text": "epochs spent"}, "type": "log", "dtick": 1},
        yaxis={"title": {"text": "share of the true hypervolume"}, "range": [0.5, 1.005]},
    )  # fmt: skip
    return figure


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    recorded = parser.add_mutually_exclusive_group(required=True)
    recorded.add_argument("--table", type=Path, metavar="FILE", help="a .csv, or .csv.gz")
    recorded.add_argument("--curves", type=Path, metavar="FILE", help="a .json, or .json.gz")
    metric = parser.add_mutually_exclusive_group(required=True)
    what = "EPOCHS=COLUMN,… of a table, or the FIELD of curves"
    metric.add_argument("--maximize", nargs="+", metavar="METRIC", help=what)
    metric.add_argument("--loss", nargs="+", metavar="METRIC", help="the same, to be minimised")
    parser.add_argument("--minimize", required=True, metavar="COST", help="known beforehand")
    parser.add_argument(
        "--choices", nargs="+", default=[], metavar="COLUMN", help="what makes a search space"
    )
    parser.add_argument("--pruners", nargs="+", default=["pareto-halving"], help=", ".join(PRUNERS))
    parser.add_argument("--samplers", nargs="+", default=["random"], help=", ".join(SAMPLERS))
    parser.add_argument(
        "--rungs", nargs="+", metavar="EPOCHS", help="by default a table's columns, or 1, 3, 9, …"
    )
    parser.add_argument(
        "--evaluations",
        type=float,
        metavar="N",
        help="spend N full trainings (default: 200, or all in random order)",
    )
    parser.add_argument(
        "--until",
        type=float,
        default=math.inf,
        metavar="SHARE",
        help="of the hypervolume, which ends a search",
    )
    parser.add_argument("--seeds", type=int, default=20, help="how many; they are 0, 1, …")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="begin with another than 0")
    parser.add_argument("--parallel", type=int, default=1, metavar="N", help="trials always running")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves: .html, .svg, .png, .pdf")
    arguments = parser.parse_args()
    for option in ("seeds", "parallel"):
        if getattr(arguments, option) < 1:
            parser.error(f"--{option} is at least 1")
    return arguments


def read(arguments: argparse.Namespace) -> Recording:
    metric, choices = names(arguments.maximize or arguments.loss), names(arguments.choices)
    maximize = arguments.maximize is not None
    if arguments.curves:
        if len(metric) != 1:
            raise UserError("of curves one field is looked at: give its name")
        return read_curves(arguments.curves, choices, metric[0], arguments.minimize, maximize=maximize)
    try:
        rungs = {int(epochs): column for epochs, column in (each.split("=") for each in metric)}
    except ValueError:
        raise UserError("the metric of a table is given by epochs, e.g. 12=val12,200=val200") from None
    return read_table(arguments.table, choices, rungs, arguments.minimize, maximize=maximize)


def searched(
    recording: Recording, sampler: str, pruner: str, rungs: list[int], arguments: argparse.Namespace
) -> list[Search]:
    evaluations = arguments.evaluations or (math.inf if sampler == "random" else 200)
    budget = Budget(
        epochs=evaluations * recording.epochs,
        trials=MOST_TRIALS_AN_EVALUATION * evaluations,
        share=arguments.until,
    )
    first, searches = arguments.first_seed, []
    seeds = range(first, first + arguments.seeds)
    for seed in track(seeds, f"{sampler}, {pruner}", console=Console(stderr=True), transient=True):
        search = Search(
            recording,
            sampler_by(sampler, seed, recording),
            make_pruner(pruner, rungs, recording.epochs),
            rungs,
            seed=seed,
            parallel=arguments.parallel,
        )
        search.run(budget)
        searches.append(search)
    return searches


def main() -> None:
    arguments = arguments_of()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    recording = read(arguments)
    rungs = [int(rung) for rung in names(arguments.rungs or [])] or default_rungs(recording)
    searches: dict[tuple[str, str], list[Search]] = {}
    figures: dict[str, dict[str, dict[str, Any]]] = {}
    for sampler in names(arguments.samplers):
        figures[sampler] = {}
        for pruner in ("none", *(name for name in names(arguments.pruners) if name != "none")):
            searches[sampler, pruner] = searched(recording, sampler, pruner, rungs, arguments)
            unpruned = searches[sampler, "none"] if pruner != "none" else None
            figures[sampler][pruner] = summary(searches[sampler, pruner], unpruned)
    Console().print(printed(figures, arguments.seeds))
    write_figures(arguments, samplers=figures)
    if arguments.plot:
        write_figure(figure_of(searches), arguments.plot)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
