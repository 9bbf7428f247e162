"""Output of the command line: the live display of a run, and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from optnas.reports.front_table import FrontTable, architecture_of, objective_names
from optnas.reports.numbers import exact, rounded, share, short
from optnas.shown import duration, one_line, plain
from optnas.trials.lineage import promoted_by, promotes
from optnas.trials.progress import Progress, front, sampler_share, worst_useful
from optnas.trials.record import (
    CHECKPOINT,
    COSTS,
    EAGER,
    IGNORED,
    MEASUREMENTS,
    METRICS,
    PAUSED,
    PIECES,
    REASON,
    RESUMED,
    RUN,
    TRACEBACK,
    TWIN,
    constraints_of,
)
from optnas.trials.rungs import rungs_of
from optnas.trials.volume import hypervolume

__all__ = ["live_view", "studies_view", "trial_view"]


def live_view(
    study: optuna.Study, progress: Progress, *, title: str, most_rows: int | None
) -> RenderableType:
    """Return the display of a study's run: counts, rate, time left, hypervolume, Pareto front.

    ``most_rows`` limits the front while the run is live; ``None`` is for its end, with notes on the front.
    """
    bar = Table.grid(padding=(0, 2))
    bar.add_column(max_width=36)
    bar.add_row(
        ProgressBar(progress.total, min(progress.finished, progress.total)),
        Text.assemble((f"{progress.finished}", "bold"), f"/{progress.total} trials"),
        Text(f"{progress.complete} complete", style="green"),
        Text(f"{progress.pruned} pruned", style="yellow"),
        Text(f"{progress.failed} failed", style="red" if progress.failed else "dim"),
        f"{progress.running} running",
    )
    facts = Text.assemble(
        (f"{progress.rate:,.0f} trials/h", "bold"),
        f"   {duration(progress.seconds_left)} left   hypervolume ",
        (share(progress.hypervolume), "bold"),
        "" if progress.sampler_share is None else f"   sampler {progress.sampler_share:.0%}",
    )
    parts: list[RenderableType] = [Text(plain(title), style="bold cyan"), bar, facts]
    if progress.last_failure is not None:
        parts.append(_failure_view(*progress.last_failure))
    if progress.last_infeasible is not None:
        parts.append(_infeasible_view(progress.pruned, *progress.last_infeasible))
    if progress.front:
        table = FrontTable(study, progress.front, most_rows, notes=most_rows is None, equal=progress.equal)
        parts.append(table)
    return Group(*parts)


def _failure_view(trial: FrozenTrial, reason: str, times: int) -> Text:
    often = "" if times == 1 else f" {times} times"
    said = f"failed{often}, last trial {trial.number}: {one_line(reason)}   (optnas show {trial.number})"
    return Text(said, style="red", overflow="fold")


def _infeasible_view(pruned: int, trial: FrozenTrial, reason: str, kinds: list[str]) -> Text:
    head = f"{pruned} pruned: {', '.join(kinds)}, last trial {trial.number}"
    return Text(f"{head}: {reason}   (optnas show {trial.number})", style="yellow", overflow="fold")


def studies_view(studies: list[optuna.Study]) -> RenderableType:
    """Return each study's trials by state, and each objective's best value and region of interest."""
    return Group(*(part for study in studies for part in _study_view(study)))


def _study_view(study: optuna.Study) -> Iterator[RenderableType]:
    trials = study.get_trials(deepcopy=False)
    counts = [
        f"{sum(trial.state == state for trial in trials)} {name}"
        for name, state in {
            "complete": TrialState.COMPLETE,
            "pruned": TrialState.PRUNED,
            "failed": TrialState.FAIL,
            "running": TrialState.RUNNING,
            "waiting": TrialState.WAITING,
        }.items()
    ]
    best, spent = front(study, trials), sampler_share(trials)
    took = [] if spent is None else [f"sampler {spent:.0%} of the time"]
    yield Text(plain(study.study_name), style="bold")
    yield Text("  " + "   ".join(counts))
    yield Text(
        "  "
        + "   ".join([f"{len(best)} on the front", f"hypervolume {share(hypervolume(study, trials))}", *took])
    )
    if best:
        yield _best_values(study, best)


def _best_values(study: optuna.Study, trials: list[FrozenTrial]) -> Table:
    """Return a table of best values and regions of interest, one row per objective."""
    table = Table.grid(padding=(0, 2))
    names, worst = objective_names(study), worst_useful(study, trials)
    for i, (name, direction, limit) in enumerate(zip(names, study.directions, worst, strict=True)):
        upwards = direction == optuna.study.StudyDirection.MAXIMIZE
        values = [trial.values[i] for trial in trials]
        use = "" if limit is None else f"of use {'above' if upwards else 'below'} {short(limit)}"
        best, other = (max(values), min(values)) if upwards else (min(values), max(values))
        of_front = (
            f"best {short(best)}" if len(trials) == 1 else f"best {short(best)}, front to {short(other)}"
        )
        table.add_row(f"  {plain(name)} {'↑' if upwards else '↓'}", of_front, use)
    return table


def _figure(name: str, value: float, measured: Mapping[str, Any] | None) -> str:
    """Return a cost or metric as text; of a measured one, how sure it is."""
    text = f"{name} = {exact(value)}"
    if measured is None:
        return text
    rounds, spread = measured["rounds"], measured["spread"]
    if spread is not None:
        text += f" ± {spread:g}"
    return text + (f", the least of {', '.join(map(str, rounds))}" if len(rounds) > 1 else "")


def trial_view(study: optuna.Study, trial: FrozenTrial) -> RenderableType:
    """Return a table of everything in a trial's record."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")

    def row(what: str, *lines: Any) -> None:
        table.add_row(plain(what), Text("\n".join(plain(str(line)) for line in lines)))

    row("trial", f"{trial.number} of {study.study_name}")
    reason = REASON.of(trial)
    row("state", *(trial.state.name.lower() + ("" if reason is None else f": {reason}")).split("\n"))
    if (where := TRACEBACK.of(trial)) is not None:
        row("traceback", *where.split("\n"))
    if (twin := TWIN.of(trial)) is not None:
        row("values of", f"trial {twin}, the same candidate")
    if (paused := promotes(trial)) is not None:
        row("promotes", f"trial {paused}, which was paused")
    if PAUSED.of(trial) is not None and (successor := promoted_by(study, trial)) is not None:
        row("promoted", f"as trial {successor}")
    if trial.values is not None:
        for name, value in zip(objective_names(study), trial.values, strict=True):
            row(name, exact(value))
    row("architecture", architecture_of(trial))
    if trial.params:
        row("parameters", *(f"{name} = {rounded(str(value))}" for name, value in trial.params.items()))
    if (ignored := IGNORED.of(trial)) is not None:
        row("ignored", *(f"{name} = {value}, enqueued and not asked for" for name, value in ignored.items()))
    for kind in (COSTS, METRICS):
        if (found := kind.of(trial)) is not None:
            sure = MEASUREMENTS.get(trial, {}) if kind is COSTS else {}
            row(kind.name, *(_figure(name, value, sure.get(name)) for name, value in found.items()))
    for name, violation in constraints_of(trial).items():
        row("constraint", f"{name}: " + ("kept" if violation <= 0 else f"broken by {violation:.3g}"))
    for rung, values in rungs_of(trial).items():
        told = ", ".join(f"{n} {short(v)}" for n, v in zip(objective_names(study), values, strict=False))
        row(f"rung {rung}", told)
    for name, value in RUN.get(trial, {}).items():
        row(name, value)
    if (epoch := RESUMED.of(trial)) is not None:
        row("resumed", f"after epoch {epoch}")
    if (fault := CHECKPOINT.of(trial)) is not None:
        row("checkpoint", fault)
    if (pieces := PIECES.of(trial)) is not None:
        row("pieces", f"{pieces} a batch, as whole ones did not fit in memory")
    if (eager := EAGER.of(trial)) is not None:
        row("CUDA graph", f"none: {eager}")
    if trial.duration is not None:
        row("took", f"{trial.duration.total_seconds():.2f} s, begun {trial.datetime_start:%Y-%m-%d %H:%M:%S}")
    return table
