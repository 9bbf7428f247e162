"""Charts of a study's trials in a terminal: braille dots for trials, marks with numbers for the front."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence

import optuna
from optuna.trial import FrozenTrial
from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from optnas.reports.cells import Cells
from optnas.reports.chart import Chart, charts_of

__all__ = ["LEAST_ROWS", "TrialChart"]

LEAST_ROWS = 9
"""With fewer rows a chart says nothing, and there is none."""

# Around the cells of a plot: its name above, its axis and the labels of that below.
_AROUND = 3
_NARROWEST, _BESIDE, _GAP = 36, 50, 3
_LABEL_CELLS = 12


@dataclasses.dataclass(frozen=True)
class TrialChart:
    """A study's trials and their front, as :func:`~optnas.reports.chart.charts_of` says, for a terminal.

    It is as wide as the terminal, with several charts beside each other where there is room for them, and
    nothing where there is none for one.

    Attributes:
        study: The study.
        trials: Its trials.
        best: The front.
        rows: The height.
    """

    study: optuna.Study
    trials: Sequence[FrozenTrial]
    best: list[FrozenTrial]
    rows: int = 16

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        width = options.max_width - 1
        if self.rows < LEAST_ROWS or width < _NARROWEST:
            return
        charts = charts_of(self.study, self.trials, self.best)[: max(1, width // _BESIDE)]
        if not charts:
            return
        each = (width - _GAP * (len(charts) - 1)) // len(charts)
        # The Linux console and Windows' old one have no braille.
        ascii_only = options.ascii_only or options.legacy_windows or os.environ.get("TERM") == "linux"
        drawn = [_lines(chart, each, self.rows, ascii_only) for chart in charts]
        for lines in zip(*drawn, strict=True):
            yield Text(" " * _GAP).join(lines)


def _lines(chart: Chart, width: int, rows: int, ascii_only: bool) -> list[Text]:
    """Return the lines of a chart, each of that width."""
    height = rows - _AROUND
    ticks = chart.y.ticks(max(3, height // 2))
    gutter = max(len(label) for _, label in ticks) + 1
    cells = Cells(width - gutter - 1, height, ascii=ascii_only)
    cells.dots(chart.points)
    cells.steps(chart.steps)
    cells.marks(chart.best, [str(number) for number in chart.numbers], right=chart.x.name.endswith("↑"))
    labels = {round((1 - place) * (height - 1)): f"{label} " for place, label in ticks}
    bar, tick = "|+" if ascii_only else "│┤"
    scale = [f"{labels.get(row, ''):>{gutter}}{tick if row in labels else bar}" for row in range(height)]
    return [
        _heading(chart, width, ascii_only),
        *(Text.assemble((left, "dim"), content) for left, content in zip(scale, cells.lines(), strict=True)),
        *_below(chart, cells.width, gutter, ascii_only),
    ]


def _heading(chart: Chart, width: int, ascii_only: bool) -> Text:
    """Return the line above a plot: what is upwards, and what dots and marks are."""
    mark, dot = "o." if ascii_only else "●⠂"
    one = "best so far" if chart.x.name == "trial" else "front"
    legend = Text.assemble((mark, "bold cyan"), (f" {one} ", "dim"), (dot, "dim"), (" trial", "dim"))
    name = Text(chart.y.name, style="bold")
    room = width - legend.cell_len - 1
    name.truncate(room, overflow="ellipsis", pad=True)
    return Text.assemble(name, " ", legend)


def _below(chart: Chart, width: int, gutter: int, ascii_only: bool) -> tuple[Text, Text]:
    """Return the two lines below a plot of that width: the axis, and the labels at it with its name."""
    name = Text(chart.x.name, style="bold")
    name.truncate(width // 2, overflow="ellipsis")
    corner, line, tick = "+-+" if ascii_only else "└─┬"
    axis, labels, end = [line] * width, "", gutter + 1 + width - name.cell_len - 1
    for place, label in chart.x.ticks(max(2, width // _LABEL_CELLS)):
        column = round(place * (width - 1))
        start = max(0, gutter + 1 + column - len(label) // 2)
        if start + len(label) <= end and (not labels or start > len(labels)):
            axis[column] = tick
            labels = f"{labels:<{start}}{label}"
    return (
        Text(f"{'':>{gutter}}{corner}{''.join(axis)}", style="dim"),
        Text.assemble((f"{labels:<{end + 1}}", "dim"), name),
    )
