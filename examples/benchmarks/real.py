"""Real searches side by side: which finds the better front in the same time.

    python examples/benchmarks/real.py digits --searches tpe/pareto-halving ehvi/none --against tpe
    python examples/benchmarks/real.py all studies/mine.py --seconds 120 --keep runs/real --plot real.html

Each search is a run of worker processes, one for each core with one thread, on a new SQLite storage, and
lasts ``--seconds`` from the start of its first trial, or ``--trials``. ``SAMPLER/PRUNER`` is ``optnas run``
with these, and ``default`` with what the study says. ``--against`` adds the loops that people write, with a
sampler of Optuna's, a ``DataLoader`` and no pruning (plain_loop.py). Seeds alternate between the searches, so
that whatever else the machine does meets all of them.

What counts is the hypervolume of complete trials within a region: the first objective from the best of all
searches to ``--floor``, costs from the least to the most of all, in decades where they span a factor of ten;
as a share of that of all searches together. ``--keep`` keeps what each search found, and a call with the same
folder adds what is missing and compares all that is asked for.

Ready studies: digits, breast_cancer, diabetes, recurrent (text), fashion (6,000 samples), series. Beside the
seconds a search takes some twenty to start and to stop; leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import TrialState
from plain_loop import OWN_SAMPLERS
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from optnas import UserError, pareto
from optnas.run.files import load_study
from optnas.run.storage import open_storage
from optnas.train import cores
from optnas.train.training import possible
from optnas.trials.rungs import rungs_of

HERE = Path(__file__).resolve().parent
STUDIES = HERE.parents[1] / "studies"

READY: dict[str, tuple[str, float]] = {
    "digits": (f"{STUDIES}/digits.py", 0.9),
    "breast_cancer": (f"{STUDIES}/tabular.py:breast_cancer", 0.87),
    "diabetes": (f"{STUDIES}/tabular.py:diabetes", 70.0),
    "recurrent": (f"{STUDIES}/text.py:recurrent", 20.0),
    "fashion": (f"{STUDIES}/fashion_mnist.py:chain", 0.6),
    "series": (f"{HERE}/series_study.py", 0.5),
}
"""Studies by name: the file, and the worst value of the first objective that counts."""

_POLL_SECONDS = 0.2
_START_SECONDS = 120
# Points of the curves over time.
_POINTS = 40

WRAPPER = """
from optnas.run.files import load_study
study = load_study({reference!r})
study.sampler, study.pruner, study.seed = {sampler}, {pruner}, {seed}
"""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one search came to.

    Attributes:
        seconds: When each complete trial ended, counted from the start of the first trial.
        values: Its values, to be minimised, shape (trials, objectives).
        trials: How many trials ended.
        epochs: The epochs trained, those of pruned trials included.
    """

    seconds: NDArray[np.float64]
    values: NDArray[np.float64]
    trials: int
    epochs: int

    @classmethod
    def of(cls, study: optuna.Study, signs: Sequence[int], seconds: float, full: int) -> Outcome:
        trials = [trial for trial in study.trials if trial.datetime_start is not None]
        began = min(trial.datetime_start for trial in trials)
        ended = [
            (trial, (trial.datetime_complete - began).total_seconds())
            for trial in trials
            if trial.state.is_finished() and trial.datetime_complete is not None
        ]
        ended = [(trial, at) for trial, at in ended if at <= seconds]
        complete = [
            (at, trial.values)
            for trial, at in ended
            if trial.state == TrialState.COMPLETE
            and all(broken <= 0 for broken in trial.constraints.values())
        ]
        epochs = sum(
            full if trial.state == TrialState.COMPLETE else max(rungs_of(trial), default=0)
            for trial, _ in ended
            if "twin" not in trial.user_attrs
        )
        values = np.array([values for _, values in complete]).reshape(-1, len(signs)) * np.array(signs)
        return cls(np.array([at for at, _ in complete]), values, len(ended), epochs)

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "seconds": self.seconds.tolist(), "values": self.values.tolist()}

    @classmethod
    def from_json(cls, found: dict[str, Any], objectives: int) -> Outcome:
        values = np.array(found["values"], dtype=float).reshape(-1, objectives)
        return cls(np.array(found["seconds"]), values, found["trials"], found["epochs"])


def search(reference: str, name: str, seed: int, budget: argparse.Namespace) -> Outcome:
    """Run one search and return what it came to."""
    study = load_study(reference)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/study.db"
        start = _start_plain if name.startswith("optuna:") else _start_optnas
        processes = start(reference, name, seed, url, Path(folder), budget)
        try:
            _wait(Path(folder) / "study.db", processes, budget)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                process.kill()
        opened = optuna.load_study(study_name=study.name, storage=open_storage(url))
        full = int(max(possible(study.training.epochs)))
        signs = [objective.sign for objective in study.objectives]
        return Outcome.of(opened, signs, budget.seconds, full)


def _start_optnas(
    reference: str, name: str, seed: int, url: str, folder: Path, budget: argparse.Namespace
) -> list[subprocess.Popen[bytes]]:
    sampler, _, pruner = name.partition("/")
    kept = name == "default"
    wrapper = folder / "wrapper.py"
    wrapper.write_text(
        WRAPPER.format(
            reference=str(Path(reference).resolve()) if ":" not in reference else reference,
            sampler="study.sampler" if kept else repr(sampler),
            pruner="study.pruner" if kept or not pruner else repr(pruner),
            seed=seed,
        )
    )
    command = [sys.executable, "-m", "optnas.cli", "run", str(wrapper), "--storage", url, "--threads", "1"]
    command += ["--trials", str(budget.trials or 10**6), "--workers", str(budget.workers)]
    return [subprocess.Popen(command, stdout=subprocess.DEVNULL)]


def _start_plain(
    reference: str, name: str, seed: int, url: str, folder: Path, budget: argparse.Namespace
) -> list[subprocess.Popen[bytes]]:
    sampler = name.partition(":")[2]
    command = [sys.executable, str(HERE / "plain_loop.py"), reference, url, sampler]
    processes = []
    for worker in range(budget.workers):
        processes.append(subprocess.Popen([*command, str(1000 * seed + worker), "1e6"]))
        # The first one makes the tables, which two must not do at once.
        until = time.monotonic() + _START_SECONDS
        while _progress(folder / "study.db")[0] is None and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
    return processes


def _wait(file: Path, processes: list[subprocess.Popen[bytes]], budget: argparse.Namespace) -> None:
    """Wait until the budget is spent, or all processes have ended."""
    began: float | None = None
    started = time.monotonic()
    while any(process.poll() is None for process in processes):
        time.sleep(_POLL_SECONDS)
        first, ended = _progress(file)
        if first is not None and began is None:
            began = time.monotonic()
        if began is not None and time.monotonic() - began > budget.seconds + 1:
            return
        if budget.trials and ended >= budget.trials:
            return
        if began is None and time.monotonic() - started > _START_SECONDS:
            raise UserError(f"no trial began within {_START_SECONDS} seconds")


def _progress(file: Path) -> tuple[str | None, int]:
    """Return when the first trial began, and how many have ended."""
    if not file.exists():
        return None, 0
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as connection:
            first, ended = connection.execute(
                "SELECT min(datetime_start), sum(state IN ('COMPLETE', 'PRUNED', 'FAIL')) FROM trials"
            ).fetchone()
            return first, ended or 0
    except sqlite3.Error:  # it is being made
        return None, 0


class Region:
    """Where hypervolume is measured: up to a floor of the first objective, over all costs that were found.

    Args:
        outcomes: All searches of a study.
        floor: The worst value of the first objective that counts, to be minimised.
    """

    def __init__(self, outcomes: Sequence[Outcome], floor: float) -> None:
        every = np.concatenate([outcome.values for outcome in outcomes])
        every = every[every[:, 0] < floor]
        if not len(every):
            raise UserError("no search found anything better than the floor: give another --floor")
        self._floor = floor
        self._decades = [
            j > 0 and bool((column > 0).all()) and column.max() > 10 * column.min()
            for j, column in enumerate(every.T)
        ]
        every = self._raw(every)
        self._low = every.min(axis=0)
        self._high = every.max(axis=0)
        self._high[0] = floor
        self._span = np.where(self._high > self._low, self._high - self._low, 1.0)
        self._whole = self._volume(every)

    def share(self, values: NDArray[np.float64]) -> float:
        """Return the share of the hypervolume of all that values, shape (trials, objectives), have."""
        values = values[values[:, 0] < self._floor]
        return self._volume(self._raw(values)) / self._whole if len(values) else 0.0

    def _raw(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = zip(values.T, self._decades, strict=True)
        return np.stack([np.log10(column) if wide else column for column, wide in columns], axis=1)

    def _volume(self, raw: NDArray[np.float64]) -> float:
        # A little beyond, so that what is dearest is of use.
        return pareto.hypervolume((raw - self._low) / self._span, [1.0, *[1.01] * (raw.shape[1] - 1)])


def curve(outcome: Outcome, region: Region, times: Sequence[float]) -> list[float]:
    """Return the share found by each of some times."""
    return [region.share(outcome.values[outcome.seconds <= at]) for at in times]


def standard_error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def compare(outcomes: dict[str, list[Outcome]], floor: float, seconds: float) -> dict[str, dict[str, Any]]:
    """Return the figures of each search of a study."""
    region = Region([outcome for group in outcomes.values() for outcome in group], floor)
    last = seconds
    if not np.isfinite(seconds):
        last = max(float(o.seconds.max(initial=0.0)) for group in outcomes.values() for o in group)
    times = [last * (i + 1) / _POINTS for i in range(_POINTS)]
    figures: dict[str, dict[str, Any]] = {}
    for name, group in outcomes.items():
        curves = [curve(outcome, region, times) for outcome in group]
        shares = [found[-1] for found in curves]
        figures[name] = {
            "shares": shares,
            "median": statistics.median(shares),
            "mean": statistics.mean(shares),
            "standard_error": standard_error(shares),
            "trials": [outcome.trials for outcome in group],
            "complete": [len(outcome.seconds) for outcome in group],
            "epochs": [outcome.epochs for outcome in group],
            "times": times,
            "curves": curves,
        }
    first = next(iter(figures.values()))["shares"]
    for figure in figures.values():
        apart = [mine - other for mine, other in zip(figure["shares"], first, strict=False)]
        figure["behind_first"] = [statistics.mean(apart), standard_error(apart)]
    return figures


def printed(name: str, figures: dict[str, dict[str, Any]], budget: str) -> Table:
    table = Table(title=f"{name}, {budget}", box=SIMPLE_HEAD)
    table.add_column("search")
    for column in ("median", "mean ± error", "to the first", "¼", "½", "trials", "complete", "epochs"):
        table.add_column(column, justify="right")
    for search_name, figure in figures.items():
        early = [statistics.median(c[_POINTS // part - 1] for c in figure["curves"]) for part in (4, 2)]
        counts = [f"{statistics.median(figure[what]):g}" for what in ("trials", "complete", "epochs")]
        apart, error = figure["behind_first"]
        table.add_row(
            search_name,
            f"{figure['median']:.3f}",
            f"{figure['mean']:.3f} ± {figure['standard_error']:.3f}",
            f"{apart:+.3f} ± {error:.3f}",
            *(f"{share:.3f}" for share in early),
            *counts,
        )
    return table


def ranks(every: dict[str, dict[str, dict[str, Any]]]) -> Table:
    """Return each search's place by its mean on every study, and the mean of these places."""
    table = Table(title="Places by the mean", box=SIMPLE_HEAD)
    table.add_column("search")
    for study in every:
        table.add_column(study, justify="right")
    table.add_column("mean", justify="right")
    places: dict[str, list[float]] = {}
    for figures in every.values():
        means = {name: figure["mean"] for name, figure in figures.items()}
        for name, mean in means.items():
            better = sum(other > mean for other in means.values())
            equal = sum(other == mean for other in means.values())
            places.setdefault(name, []).append(1 + better + (equal - 1) / 2)
    for name, found in sorted(places.items(), key=lambda item: statistics.mean(item[1])):
        table.add_row(name, *(f"{place:g}" for place in found), f"{statistics.mean(found):.2f}")
    return table


def plot(every: dict[str, dict[str, dict[str, Any]]], file: Path) -> None:
    """Draw the share over time: medians, with bands from quartile to quartile."""
    import plotly.graph_objects as go
    from plotly.colors import qualitative
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=len(every), cols=1, subplot_titles=list(every), vertical_spacing=0.08)
    colors = {}
    for row, figures in enumerate(every.values(), 1):
        for name, found in figures.items():
            color = colors.setdefault(name, qualitative.Safe[len(colors) % len(qualitative.Safe)])
            low, middle, high = np.quantile(np.array(found["curves"]), [0.25, 0.5, 0.75], axis=0)
            line = {"legendgroup": name, "x": found["times"], "mode": "lines"}
            shade = color.replace("rgb", "rgba").replace(")", ", 0.15)")
            figure.add_trace(go.Scatter(**line, y=low, line_width=0, showlegend=False), row, 1)
            figure.add_trace(
                go.Scatter(**line, y=high, line_width=0, fill="tonexty", fillcolor=shade, showlegend=False),
                row,
                1,
            )
            figure.add_trace(
                go.Scatter(
                    **line, y=middle, line={"color": color, "width": 2}, name=name, showlegend=row == 1
                ),
                row,
                1,
            )
    figure.update_yaxes(title="share of hypervolume")
    figure.update_xaxes(title="seconds", row=len(every), col=1)
    figure.update_layout(template="plotly_white", height=360 * len(every), font={"size": 13})
    figure.write_html(file, include_plotlyjs=True)


def kept(folder: Path | None, study: str, name: str, seed: int, budget: argparse.Namespace) -> Path | None:
    """Return the file in which a search's outcome is kept, if it is."""
    if folder is None:
        return None
    label = f"{budget.trials}trials" if budget.trials else f"{budget.seconds:g}s"
    safe = f"{study}-{name}-{label}-{budget.workers}w-{seed}".replace("/", "_").replace(":", "_")
    return folder / f"{safe}.json"


def studies_of(names: Sequence[str], floor: float | None) -> Iterator[tuple[str, str, float]]:
    """Yield what each study is called, its file, and its floor."""
    for name in [other for each in names for other in (READY if each == "all" else [each])]:
        reference, usual = READY.get(name, (name, None))
        chosen = floor if floor is not None else usual
        if chosen is None:
            raise UserError(f"{name}: give the worst value of its first objective that counts, --floor")
        label = name if name in READY else load_study(reference).name
        yield label, reference, chosen


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", nargs="+", metavar="STUDY", help="a ready one, all, or FILE[:NAME]")
    parser.add_argument("--searches", nargs="*", default=["default"], metavar="SAMPLER/PRUNER")
    parser.add_argument("--against", nargs="*", default=[], choices=list(OWN_SAMPLERS), metavar="SAMPLER")
    parser.add_argument("--seconds", type=float, default=40, help="of each search")
    parser.add_argument("--trials", type=int, help="of each search, in place of --seconds")
    parser.add_argument("--seeds", type=int, default=8, help="how many")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N")
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--floor", type=float, help="the worst value of the first objective that counts")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what each search found there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE.html", help="draw curves over time there")
    budget = parser.parse_args()
    if budget.seeds < 1 or budget.seconds <= 0 or budget.workers < 1 or (budget.trials or 1) < 1:
        parser.error("--seeds, --workers and --trials are at least 1, --seconds above 0")
    if budget.trials:
        budget.seconds = float("inf")
    if budget.keep is not None:
        budget.keep.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    searches = [*budget.searches, *(f"optuna:{name}" for name in budget.against)]
    label = f"{budget.trials} trials" if budget.trials else f"{budget.seconds:g} s"
    console, every = Console(), {}
    for study, reference, floor in studies_of(budget.studies, budget.floor):
        objectives = load_study(reference).objectives
        outcomes: dict[str, list[Outcome]] = {name: [] for name in searches}
        for seed in range(budget.first_seed, budget.first_seed + budget.seeds):
            for name in searches if seed % 2 == 0 else reversed(searches):
                file = kept(budget.keep, study, name, seed, budget)
                if file is not None and file.exists():
                    found = Outcome.from_json(json.loads(file.read_text()), len(objectives))
                else:
                    found = search(reference, name, seed, budget)
                    if file is not None:
                        file.write_text(json.dumps(found.to_json()) + "\n")
                outcomes[name].append(found)
        every[study] = compare(outcomes, floor * objectives[0].sign, budget.seconds)
        console.print(
            printed(study, every[study], f"{label}, {budget.seeds} seeds, {budget.workers} workers")
        )
        if budget.json:
            budget.json.write_text(json.dumps(every, indent=1) + "\n")
    if len(every) > 1:
        console.print(ranks(every))
    if budget.plot:
        plot(every, budget.plot)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
