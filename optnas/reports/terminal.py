"""Output of the command line: the live display of a run, and tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from optnas.reports.chart_text import LEAST_ROWS, TrialChart
from optnas.reports.commands import command
from optnas.reports.front_table import FrontTable, architecture_of, objective_names
from optnas.reports.numbers import choice_text, exact, share, short
from optnas.reports.running import done_first, running_told
from optnas.shown import duration, one_line, plain
from optnas.trials.failure import last_infeasible
from optnas.trials.lineage import promoted_by, promotes
from optnas.trials.progress import Progress, front, sampler_share, worst_useful
from optnas.trials.record import (
    BROKE,
    CHECKPOINT,
    COSTS,
    EAGER,
    IGNORED,
    INHERITED,
    LEARNED,
    MEASUREMENTS,
    METRICS,
    ONE_SHOT,
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
from optnas.trials.states import LEARNED_NOTHING, STATES, counted, state_of
from optnas.trials.under_way import stage_of
from optnas.trials.volume import hypervolume, hypervolume_lacks

__all__ = ["FrontView", "LiveView", "StudiesView", "trial_view"]

# Of the live view: rows of the front that a chart leaves room for, a table's rows beside these, and what a
# chart has at most.
_LEAST_OF_FRONT, _AROUND_TABLE, _MOST_ROWS = 4, 3, 18
_INDENTED = (0, 0, 0, 2)
# With fewer columns the numbers of trials have a line of their own.
_WIDE = 78


def mixtures_told(study: optuna.Study) -> Iterator[str]:
    """Yield the architectures in which activations are mixed as in the study's supernet."""
    for text in (ONE_SHOT.of(study) or {}).get("mixtures", ()):
        yield f"mixed activations: {plain(text)}"


@dataclasses.dataclass(frozen=True)
class LiveView:
    """Display of a study's run: counts, rate, time left, hypervolume, last failure, chart and front.

    Attributes:
        study: The study in its storage.
        progress: Its progress.
        title: The first line.
        height: The rows that it has while the run is live; ``None`` is for its end, with the whole front.
    """

    study: optuna.Study
    progress: Progress
    title: str
    height: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        head = Group(*self._head(options.max_width))
        yield head
        progress = self.progress
        if self.height is None:
            yield FrontView(self.study, progress.trials, progress.front, progress.equal)
            return
        left = self.height - len(console.render_lines(head, options)) - 1
        # Half for the chart, or what the table leaves; a table of a few rows says more than a chart alone.
        table = len(progress.front) + _AROUND_TABLE
        least = min(table, _LEAST_OF_FRONT + _AROUND_TABLE)
        rows = min(left - least, max(LEAST_ROWS, left // 2, left - table), _MOST_ROWS)
        if progress.front and rows >= LEAST_ROWS:
            chart = TrialChart(self.study, progress.trials, progress.front, rows)
            drawn = console.render_lines(chart, options)
            yield from (Segments([*line, Segment.line()]) for line in drawn)
            left -= len(drawn)
        if progress.front:
            most = max(1, left - _AROUND_TABLE)
            yield FrontTable(self.study, progress.front, most, notes=False, equal=progress.equal)

    def _head(self, width: int) -> Iterator[RenderableType]:
        progress = self.progress
        stopped = progress.learned_nothing
        nothing = [Text(f"{stopped} {LEARNED_NOTHING}", style="yellow")] if stopped else []
        counts = [
            Text(f"{progress.complete} complete", style="green"),
            Text(f"{progress.pruned} pruned", style="yellow"),
            *nothing,
            Text(f"{progress.failed} failed", style="red" if progress.failed else "dim"),
            Text(f"{progress.running} running"),
        ]
        in_a_row = width >= _WIDE + sum(len(each) + 2 for each in nothing)
        bar = Table.grid(padding=(0, 2))
        bar.add_column(max_width=36)
        bar.add_row(
            ProgressBar(progress.total, min(progress.finished, progress.total)),
            Text.assemble((f"{progress.finished}", "bold"), f"/{progress.total} trials"),
            *(counts if in_a_row else []),
        )
        facts = Text.assemble(
            (f"{progress.rate:,.0f} trials/h", "bold"),
            f"   {duration(progress.seconds_left)} left   hypervolume ",
            (share(progress.hypervolume), "bold"),
            "" if progress.sampler_share is None else f"   sampler {progress.sampler_share:.0%}",
        )
        yield from (Text(plain(self.title), style="bold cyan"), bar)
        if not in_a_row:
            yield Text("   ").join(counts)
        yield facts
        yield from map(Text, done_first(self.study))
        yield from (Text(told, style="dim") for told in running_told(self.study, progress.trials))
        if progress.hypervolume_lacks is not None:
            yield Text(f"hypervolume: {progress.hypervolume_lacks}", style="dim")
        if progress.last_failure is not None:
            yield _failure_view(self.study, *progress.last_failure)
        if progress.last_infeasible is not None:
            yield _infeasible_view(self.study, *progress.last_infeasible, pruned=progress.pruned)


@dataclasses.dataclass(frozen=True)
class FrontView:
    """A study's front: on a terminal a chart of all trials, then the table of the front's."""

    study: optuna.Study
    trials: list[FrozenTrial]
    front: list[FrozenTrial]
    equal: Mapping[int, Sequence[int]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        # What is piped into a file or another program is the table alone.
        if console.is_terminal:
            rows = min(max(LEAST_ROWS, console.height // 2), _MOST_ROWS)
            yield TrialChart(self.study, self.trials, self.front, rows)
        if self.front:
            yield FrontTable(self.study, self.front, equal=self.equal)


def _failure_view(study: optuna.Study, trial: FrozenTrial, reason: str, times: int) -> Text:
    often = "" if times == 1 else f" {times} times"
    said = f"failed{often}, last trial {trial.number}: {one_line(reason)}   ({_showing(study, trial)})"
    return Text(said, style="red", overflow="fold")


def _infeasible_view(
    study: optuna.Study, trial: FrozenTrial, reason: str, kinds: list[str], *, pruned: int | None = None
) -> Text:
    counted = "" if pruned is None else f"{pruned} pruned: "
    head = f"{counted}{', '.join(kinds)}, last trial {trial.number}"
    return Text(f"{head}: {reason}   ({_showing(study, trial)})", style="yellow", overflow="fold")


def _showing(study: optuna.Study, trial: FrozenTrial) -> str:
    return command(study, "show", trial.number)


@dataclasses.dataclass(frozen=True)
class StudiesView:
    """Table of studies: number of trials by state, best value and region of interest of each objective.

    On a terminal that has room for it there is a chart of each.

    Attributes:
        studies: The studies.
        signs: Called with a study's trials for lines on those whose workers give no sign.
    """

    studies: list[optuna.Study]
    signs: Callable[[Sequence[FrozenTrial]], Iterable[str]] = lambda trials: ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        for study in self.studies:
            trials = study.get_trials(deepcopy=False)
            best = front(study, trials)
            told = Group(*_study_view(study, trials, best, self.signs(trials)))
            yield told
            if best and console.is_terminal and options.max_width >= _WIDE:
                left = console.height // len(self.studies) - len(console.render_lines(told, options))
                yield TrialChart(study, trials, best, min(left - 1, _MOST_ROWS))


def _study_view(
    study: optuna.Study, trials: list[FrozenTrial], best: list[FrozenTrial], signs: Iterable[str]
) -> Iterator[RenderableType]:
    found = counted(trials)
    counts = [
        f"{found.get(state, 0)} {state}"
        for state in STATES
        if state != LEARNED_NOTHING or state in found  # which not every study has
    ]
    spent = sampler_share(trials)
    took = [] if spent is None else [f"sampler {spent:.0%} of the time"]
    yield Text(plain(study.study_name), style="bold")
    yield Text("  " + "   ".join(counts))
    if (stopped := last_infeasible(trials)) is not None:
        yield Padding(_infeasible_view(study, *stopped), _INDENTED)
    yield from (Padding(Text(sign, style="yellow"), _INDENTED) for sign in signs)
    told = (*running_told(study, trials), *done_first(study), *mixtures_told(study))
    yield from (Padding(Text(line), _INDENTED) for line in told)
    volume = hypervolume(study, trials)
    yield Text("  " + "   ".join([f"{len(best)} on the front", f"hypervolume {share(volume)}", *took]))
    if volume is None:
        why = f"hypervolume: {hypervolume_lacks(study, trials)}"
        yield Padding(Text(why, style="dim"), _INDENTED)
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


def _inherited(weights: Mapping[str, Any]) -> str:
    """Return in words which weights a training began with."""
    origin = weights["from"]
    whose = f"trial {origin}" if isinstance(origin, int) else f"the {origin}"
    if "missing" in weights:
        return f"fresh weights, as those of {whose} {weights['missing']}"
    taken = f"{weights.get('share', 0):.0%} of the weights from {whose}"
    if "preserved" not in weights:
        return taken
    return f"{taken}, function {'preserved' if weights['preserved'] else 'not preserved'}"


def trial_view(study: optuna.Study, trial: FrozenTrial) -> RenderableType:
    """Return a table of everything in a trial's record."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")

    def row(what: str, *lines: Any) -> None:
        table.add_row(plain(what), Text("\n".join(plain(str(line)) for line in lines)))

    row("trial", f"{trial.number} of {study.study_name}")
    reason = REASON.of(trial)
    row("state", *(state_of(trial) + ("" if reason is None else f": {reason}")).split("\n"))
    if (where := TRACEBACK.of(trial)) is not None:
        row("traceback", *where.split("\n"))
    if (stage := stage_of(trial)) is not None:
        row("is at", str(stage))
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
    if (learned := LEARNED.of(trial)) is not None:
        row("learned", learned)
    if trial.params:
        row("parameters", *(f"{name} = {choice_text(name, value)}" for name, value in trial.params.items()))
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
    if (weights := INHERITED.of(trial)) is not None:
        row("inherited", _inherited(weights))
    if (epoch := RESUMED.of(trial)) is not None:
        row("resumed", f"after epoch {epoch}")
    if (fault := CHECKPOINT.of(trial)) is not None:
        row("checkpoint", fault)
    if (pieces := PIECES.of(trial)) is not None:
        row("pieces", f"{pieces} a batch, as whole ones did not fit in memory")
    if (eager := EAGER.of(trial)) is not None:
        row("CUDA graph", f"none: {eager}")
    if (broke := BROKE.of(trial)) is not None:
        row("GPU", f"broke, and the trial was trained once more: {broke}")
    if trial.duration is not None:
        row("took", f"{trial.duration.total_seconds():.2f} s, begun {trial.datetime_start:%Y-%m-%d %H:%M:%S}")
    return table
