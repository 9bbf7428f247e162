"""Ablations of a trained network, read from its folder and shown: metrics without each of its parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import optuna
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from optnas.reports.explain_view import signed
from optnas.reports.numbers import short
from optnas.shown import plain
from optnas.trials.record import explained_trials, sensitivity_attribute

__all__ = ["Ablation", "Sensitivity", "kept_in", "sensitivity_sentences", "sensitivity_view"]

# Databases bound the length of an attribute, and the text of a block has that of all within it.
_MOST_CHARACTERS, _MOST_KEPT = 200, 300
_MOST_NETWORKS = 8


@dataclasses.dataclass(frozen=True)
class Ablation:
    """The metrics of a network without one of its parts, and with half of that part's output.

    Attributes:
        place: Where the part is: the number of the child at each level, from 0 on, or the name of a branch.
        part: Its text.
        how: ``skipped``: its input goes on unchanged; ``averaged``: where it changes the shape, its output is
            the mean over all samples; ``left out``: of a residual connection only the shortcut is left.
        metrics: The metrics on the validation part without it.
        halved: The metrics where its output is half of what it is. This is the same change for all parts,
            while what takes a part's place depends on whether it keeps the shape.
    """

    place: str
    part: str
    how: str
    metrics: dict[str, float]
    halved: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Sensitivity:
    """Ablations of one network: its metrics as it is, and without each of its parts.

    Attributes:
        folder: The folder of the network.
        samples: Number of validation samples.
        metrics: The metrics of the whole network.
        ablations: One for each part, in the order of the network.
    """

    folder: str
    samples: int
    metrics: dict[str, float]
    ablations: list[Ablation]

    @property
    def metric(self) -> str:
        """The first metric that is not the loss, or the loss."""
        return next((name for name in self.metrics if name != "loss"), "loss")

    def as_record(self) -> dict[str, Any]:
        """Return everything as a dictionary that can be written as JSON."""
        return dataclasses.asdict(self)

    def keep(self, study: optuna.Study, trial: int) -> None:
        """Keep it in the study's record, for its report and its page."""
        short_ones = [dataclasses.replace(each, part=each.part[:_MOST_CHARACTERS]) for each in self.ablations]
        kept = dataclasses.replace(self, ablations=short_ones[:_MOST_KEPT])
        sensitivity_attribute(trial).put(study, kept.as_record())

    def changes(self, metrics: Mapping[str, float]) -> tuple[float, float]:
        """Return by how much the loss and the first metric of ``metrics`` differ from the whole network's."""
        return metrics["loss"] - self.metrics["loss"], metrics[self.metric] - self.metrics[self.metric]


def kept_in(study: optuna.Study) -> dict[int, Sensitivity]:
    """Return what was kept in a study's record, by the trial's number; of many the last ones."""
    found = {number: _read(study, number) for number in explained_trials(study)[-_MOST_NETWORKS:]}
    return {number: kept for number, kept in found.items() if kept is not None}


def _read(study: optuna.Study, trial: int) -> Sensitivity | None:
    """Return what was kept of a trial's network; ``None`` if it is damaged."""
    record = sensitivity_attribute(trial).of(study) or {}
    try:
        ablations = [Ablation(**each) for each in record["ablations"]]
        found = Sensitivity(**{**record, "ablations": ablations})
        for each in ablations:
            found.changes(each.metrics), found.changes(each.halved)
    except (KeyError, TypeError):
        return None
    return found


# What a part without which the network is measured is replaced by, in words.
_HOW = {
    "left out": "nothing of it is added",
    "skipped": "its input goes on as it is",
    "averaged": "its mean output, whatever comes in",
}


def sensitivity_sentences(found: Sensitivity) -> list[str]:
    """Return what the network has, and what it depends on most, in sentences."""
    told = f"{plain(found.metric)} {short(found.metrics[found.metric])}, " if found.metric != "loss" else ""
    said = [f"{told}loss {short(found.metrics['loss'])} on {found.samples:,} samples"]
    most = max(found.ablations, key=lambda each: each.metrics["loss"], default=None)
    if most is not None:
        change = signed(found.changes(most.metrics)[0])
        said.append(f"It depends most on {plain(most.part)}: without it the loss changes by {change}.")
    return said


def sensitivity_view(found: Sensitivity, width: int = 80) -> RenderableType:
    """Return a table of the parts, with the change of loss and first metric without, and of loss by half."""
    wide = width >= 72
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("part", overflow="ellipsis", no_wrap=True, max_width=max(12, width - 34 - 12 * wide))
    table.add_column("without it", no_wrap=True, min_width=10)
    table.add_column("loss", justify="right", no_wrap=True, min_width=7)
    table.add_column(Text(plain(found.metric)), justify="right", no_wrap=True, min_width=8)
    if wide:
        table.add_column("half: loss", justify="right", no_wrap=True, min_width=8)
    for each in found.ablations:
        loss, metric = found.changes(each.metrics)
        deep = "  " * each.place.count(".")
        half = [signed(found.changes(each.halved)[0])] if wide else []
        table.add_row(Text(f"{deep}{plain(each.part)}"), each.how, signed(loss), signed(metric), *half)
    first, *rest = sensitivity_sentences(found)
    parts: list[RenderableType] = [
        Text(f"{plain(found.folder)}: {first}", style="bold cyan"),
        *map(Text, rest),
    ]
    said = "; ".join(f"{how}: {_HOW[how]}" for how in dict.fromkeys(each.how for each in found.ablations))
    halved = "; half: its output is half of what it is" if wide else ""
    if said:
        parts += [Text(f"{said}{halved}.", style="dim")]
    return Group(*parts, "", table)
