"""The Pareto front as a table of what differs between its trials, as wide as the terminal."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from optnas.cost import COSTS as EXACT
from optnas.reports.numbers import choice_text, readable, short
from optnas.shown import plain
from optnas.trials.record import ARCHITECTURE, COSTS, objective_names

__all__ = ["FrontTable", "architecture_of", "objective_names"]

# Exact costs that say little beside these are left to `optnas show` and the exports.
_TELLING = ("flops", "params")
_GAP = 2
_WIDEST = 20
_NARROWEST_TEXT = 40
# Of the same where nothing else differs.
_LEAST_TEXT = 12
_BINS = 4


def architecture_of(trial: FrozenTrial) -> str:
    """Return a trial's architecture for people, with rounded numbers; its parameters if it has none."""
    text = ARCHITECTURE.of(trial) or ", ".join(f"{name}={value}" for name, value in trial.params.items())
    return plain(readable(text))


def _cut_apart(texts: Sequence[str], width: int = _WIDEST) -> list[str]:
    """Return texts of at most ``width`` characters, with an ellipsis for what is left out.

    They are cut at their end. Where different ones would then look alike, what the long ones begin with is
    left out instead, if that tells more of them apart.

    >>> _cut_apart(["seq(linear(16), relu)", "seq(linear(16), tanh)"], 12)
    ['…relu)', '…tanh)']
    """
    at_end = [_cut(text, width) for text in texts]
    long = {text for text in texts if len(text) > width}
    if len(set(at_end)) == len(set(texts)) or len(long) < 2:
        return at_end
    first, last = min(long), max(long)
    alike = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    # Back to where a word begins.
    common = re.sub(r"\w*$", "", first[:alike])
    rest = [_cut(f"…{text[len(common) :]}", width) if text in long else text for text in texts]
    return rest if len(set(rest)) > len(set(at_end)) else at_end


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


@dataclasses.dataclass(frozen=True)
class _Column:
    """A cost, a parameter or the architecture, of each trial; ``None`` where a trial has no such."""

    name: str
    values: Sequence[Any]
    kind: Literal["measure", "param", "text"] = "measure"
    widest: int = _WIDEST

    @property
    def heading(self) -> str:
        """The name, on two lines if it has dots: so more columns fit."""
        dots = [i + 1 for i, letter in enumerate(self.name) if letter == "."]
        split = min(dots, key=lambda i: max(i, len(self.name) - i), default=0)
        name = plain(self.name)
        return f"{name[:split]}\n{name[split:]}" if split else name

    @property
    def cells(self) -> list[str]:
        cells = [self.said(value) for value in self.values]
        return [_cut(cell, self.widest) for cell in cells] if self.kind == "text" else _cut_apart(cells)

    def said(self, value: Any) -> str:
        """Format a value for the table: measurements and fractions with four digits."""
        if value is None:
            return "–"
        if self.kind == "measure":
            return short(value)
        return plain(choice_text(self.name, value))

    @property
    def width(self) -> int:
        return _GAP + max(map(len, [*self.heading.split("\n"), *self.cells]))

    @property
    def information(self) -> float:
        """Entropy of the values times the share of trials that have one; numbers are binned by rank."""
        there = [value for value in self.values if value is not None]
        labels = list(map(repr, there))
        if len(set(labels)) > _BINS and all(isinstance(value, float) for value in there):
            ranks = sorted(there)
            labels = [str(ranks.index(value) * _BINS // len(ranks)) for value in there]
        shares = [count / len(there) for count in Counter(labels).values()]
        return -sum(share * math.log2(share) for share in shares) * len(there) / len(self.values)


@dataclasses.dataclass(frozen=True)
class FrontTable:
    """Table of a Pareto front, one row a trial: its values, and what differs between the trials.

    Costs come first, then the parameters that tell the trials apart best, as far as the width allows.

    Args:
        study: The study.
        trials: The trials of its front.
        most_rows: Number of trials to show at most; by default all.
        equal: The numbers of further trials with the values of one of these, by its number: how many is told.
        notes: Whether to say below what is equal in all trials and how many columns found no room.
    """

    study: dataclasses.InitVar[optuna.Study]
    trials: list[FrozenTrial]
    most_rows: int | None = None
    notes: bool = True
    equal: Mapping[int, Sequence[int]] = dataclasses.field(default_factory=dict)
    _objectives: list[tuple[str, StudyDirection]] = dataclasses.field(init=False)

    def __post_init__(self, study: optuna.Study) -> None:
        # Read now: a live view is drawn again while the storage is away.
        objectives = list(zip(objective_names(study), study.directions, strict=True))
        object.__setattr__(self, "_objectives", objectives)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        columns, texts, equal, left_out = self._layout(options.max_width)
        yield _table(columns)
        if len(texts) < len(self.trials):
            yield Text(f"… and {len(self.trials) - len(texts)} more")
        if self.notes:
            yield from self._notes(texts, equal, left_out)

    def cells(self, width: int) -> list[list[str]]:
        """Return the table's rows as texts, the headings first, with the columns that fit ``width``."""
        columns = self._layout(width)[0]
        rows = zip(*(column.cells for column in columns), strict=True)
        return [[column.heading.replace("\n", "") for column in columns], *map(list, rows)]

    def _layout(self, width: int) -> tuple[list[_Column], list[str], list[_Column], int]:
        """Return the columns, the architectures, the columns equal in all, and how many find no room."""
        shown = self.trials if self.most_rows is None else self.trials[: max(1, self.most_rows)]
        # The number of a trial is what other commands take: it stands there, whatever else has no room.
        trial, *objectives = self._values(shown)
        values, room = _fitting([trial], objectives, width)
        differing, equal = self._columns(shown)
        best = sorted(differing, key=lambda column: (column.kind != "measure", -column.information))
        chosen, room = _fitting([], best, room)
        # In the order in which they are decided, which is that of the network.
        columns = [column for column in differing if column in chosen]
        texts = [architecture_of(trial) for trial in shown]
        longest = max(map(len, texts), default=0)
        # Without architectures the texts are those of the parameters, which columns show.
        told = not differing or any(ARCHITECTURE.of(trial) for trial in shown)
        least = min(longest, _NARROWEST_TEXT if differing else _LEAST_TEXT)
        if told and len(set(texts)) > 1 and room >= least:
            columns.append(_Column("architecture", texts, "text", min(room, longest)))
        left_out = len(objectives) + len(differing) - len(values) + 1 - len(chosen)
        return [*values, *columns], texts, equal, left_out

    def _values(self, trials: list[FrozenTrial]) -> list[_Column]:
        columns = [_Column("trial", [trial.number for trial in trials], "param")]
        for i, (name, direction) in enumerate(self._objectives):
            arrow = "↓" if direction == StudyDirection.MINIMIZE else "↑"
            columns.append(_Column(f"{name} {arrow}", [trial.values[i] for trial in trials]))
        counts = [len(self.equal.get(trial.number, ())) for trial in trials]
        if any(counts):
            columns.append(
                _Column("others", [f"+{count} equal" if count else "" for count in counts], "param")
            )
        return columns

    @property
    def _costs(self) -> list[str]:
        """Names of the costs to show: the most telling exact ones, and all that were measured."""
        names = dict.fromkeys(name for trial in self.trials for name in COSTS.get(trial, {}))
        known = {name for name, _ in self._objectives} | (set(EXACT) - set(_TELLING))
        return [name for name in names if name not in known]

    def _columns(self, trials: list[FrozenTrial]) -> tuple[list[_Column], list[_Column]]:
        """Return the costs and parameters that differ between trials, and those that are equal in all."""
        params = dict.fromkeys(name for trial in trials for name in trial.params)
        columns = [
            *(_Column(name, [COSTS.get(trial, {}).get(name) for trial in trials]) for name in self._costs),
            *(_Column(name, [_chosen(trial, name) for trial in trials], "param") for name in params),
        ]
        differing = [column for column in columns if len(set(map(repr, column.values))) > 1]
        return differing, [column for column in columns if column not in differing]

    def _notes(self, texts: list[str], equal: list[_Column], left_out: int) -> Iterator[Text]:
        lines = []
        if left_out:
            what = "1 more column does" if left_out == 1 else f"{left_out} more columns do"
            lines.append(f"{what} not fit; optnas show TRIAL and optnas pareto --csv print all")
        if equal and self.trials:
            told = ", ".join(f"{plain(column.name)}={column.said(column.values[0])}" for column in equal)
            lines.append(f"{'the same in all' if len(texts) > 1 else 'with'}: {told}")
        if len(set(texts)) == 1:
            lines.append(f"architecture: {texts[0]}")
        for line in lines:
            yield Text(line, style="dim")


def _fitting(columns: list[_Column], more: list[_Column], width: int) -> tuple[list[_Column], int]:
    """Return ``columns`` with those of ``more`` that fit beside them, and the width that is left."""
    fitting, room = [*columns], width - sum(column.width for column in columns)
    for column in more:
        if column.width <= room:
            fitting.append(column)
            room -= column.width
    return fitting, room


def _chosen(trial: FrozenTrial, name: str) -> Any:
    """Return a parameter's value, as text if ``None`` was chosen; ``None`` if the trial has no such."""
    value = trial.params.get(name)
    return choice_text(name, value) if value is None and name in trial.params else value


def _table(columns: list[_Column]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for column in columns:
        text = column.kind == "text" or any(isinstance(value, str) for value in column.values)
        table.add_column(
            Text(column.heading),
            justify="left" if text else "right",
            vertical="bottom",
            no_wrap=True,
            min_width=column.width - _GAP,
        )
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells))
    return table
