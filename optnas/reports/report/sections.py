"""The sections of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from optnas.errors import UserError
from optnas.reports.ablations import Sensitivity, kept_in, sensitivity_sentences
from optnas.reports.about import About, architecture_drawing
from optnas.reports.commands import command
from optnas.reports.explain_view import percent, sentences, signed, value_text
from optnas.reports.explanation import Explanation, explain
from optnas.reports.figures.curves import draw_curves
from optnas.reports.figures.front import draw_front
from optnas.reports.figures.hypervolume import draw_hypervolume
from optnas.reports.figures.parts import Drawn
from optnas.reports.figures.preferences import draw_preferences
from optnas.reports.front_table import architecture_of, objective_names
from optnas.reports.numbers import short
from optnas.reports.outcome import outcome, reasons, stopped
from optnas.reports.report.baselines import Baseline
from optnas.reports.report.findings import findings, spent, value_of
from optnas.reports.report.markup import Markup, bars, commands, element, figure, items, joined, pairs, table
from optnas.space.errors import SpaceError
from optnas.space.shapes import shape_text
from optnas.trials.progress import front
from optnas.trials.record import ARCHITECTURE, COSTS
from optnas.trials.states import counted

__all__ = ["Reported", "sections"]

# Of a longer front so many are drawn, spread over it; the table has all.
_MOST_DRAWN, _MOST_BARS, _MOST_REASONS = 12, 12, 8


@dataclass
class Reported:
    """The data of a report: the study, its trials and front, and what is read of them once.

    Attributes:
        study: The study.
        trials: Its trials.
        known: What it declares.
        baselines: What simple models have; ``None`` if the study's file was not at hand.
        given: The study's file as it was given; ``None`` for what is recorded.
    """

    study: optuna.Study
    trials: Sequence[FrozenTrial]
    known: About
    baselines: Sequence[Baseline] | None
    given: str | None

    @cached_property
    def names(self) -> list[str]:
        return objective_names(self.study)

    @cached_property
    def front(self) -> list[FrozenTrial]:
        return front(self.study, list(self.trials))

    @cached_property
    def explanations(self) -> list[Explanation]:
        """Importances and effects of each objective that has values."""
        found = []
        for name in self.names:
            try:
                found.append(explain(self.study, name))
            except UserError:
                continue
        return found

    @cached_property
    def parts(self) -> dict[int, Sensitivity]:
        """Ablations of trained networks by trial, as ``optnas explain --run`` kept them."""
        return kept_in(self.study)

    @property
    def file(self) -> str:
        return self.given or self.known.file or "STUDY.py"


def sections(told: Reported) -> Iterator[Markup]:
    """Yield the sections of a report, the most important first."""
    yield element("h1", told.study.study_name)
    yield element("p", _question(told), class_="faint")
    said = outcome(told.study, told.trials, told.file)
    said = said or findings(told.study, told.trials, told.known, told.baselines or ())
    yield _section("Findings", items(said))
    yield _section("The front", *_front(told))
    yield _section("What matters", *_importance(told))
    yield _section("What its networks depend on", *_parts(told)) if told.parts else Markup()
    yield _section("The search space", *_space(told))
    yield _section("The search", *_search(told))
    yield _section("What was stopped, and why", *_stopped(told))
    yield _section("Baselines", *_baselines(told))
    yield _section("How to reproduce it", *_reproduce(told))


def _section(title: str, *parts: Markup) -> Markup:
    return element("section", element("h2", title), joined(parts))


def _question(told: Reported) -> str:
    words = {StudyDirection.MAXIMIZE: "the highest", StudyDirection.MINIMIZE: "the lowest"}
    aims = [f"{words[d]} {name}" for name, d in zip(told.names, told.study.directions, strict=True)]
    known = told.known
    of = f" for {known.task} of {known.data}" if known.task and known.data else ""
    return f"Which network{of} has {' and '.join(aims)}? A neural architecture search with optnas."


def _front(told: Reported) -> Iterator[Markup]:
    if not told.front:
        yield element("p", "No trial is complete yet.")
        return
    if len(told.names) > 1:
        yield from _figure(draw_front, told, "Every trained network, and the front, which no other beats.")
    costs = [n for n in ("params", "flops") if n not in told.names and any(_cost(t, n) for t in told.front)]
    rows = [
        [
            str(trial.number),
            *(value_of(n, v, told.known) for n, v in zip(told.names, trial.values, strict=True)),
            *(short(_cost(trial, name)) for name in costs),
            architecture_of(trial),
        ]
        for trial in told.front
    ]
    header = ["trial", *told.names, *costs, "architecture"]
    yield element("div", table(header, rows, texts=[len(header) - 1]), class_="long")
    step = max(1, -(-len(told.front) // _MOST_DRAWN))
    yield element("div", joined(_card(told, trial) for trial in told.front[::step]), class_="cards")


def _cost(trial: FrozenTrial, name: str) -> float | None:
    return COSTS.get(trial, {}).get(name)


def _card(told: Reported, trial: FrozenTrial) -> Markup:
    values = zip(told.names, trial.values, strict=True)
    parts = [
        element("h3", f"Trial {trial.number}"),
        element("p", ", ".join(f"{n} {value_of(n, v, told.known)}" for n, v in values)),
    ]
    if ARCHITECTURE.of(trial) is not None:
        try:
            drawn = architecture_drawing(told.study, trial)
            parts.append(element("div", Markup(drawn.svg), class_="drawing"))
        except (UserError, SpaceError) as error:
            parts.append(element("p", f"It cannot be drawn: {error}", class_="faint"))
    parts.append(
        element(
            "details", element("summary", "as text"), element("p", element("code", architecture_of(trial)))
        )
    )
    return element("article", joined(parts))


def _importance(told: Reported) -> Iterator[Markup]:
    if not told.front:
        yield element("p", "This can be told once trials are complete.")
        return
    yield from _figure(draw_preferences, told, "What the front chooses more or less often than by chance.")
    for found in told.explanations:
        yield element("h3", f"What decides {found.objective}")
        yield items(sentences(found))
        shown = found.told[:_MOST_BARS]
        if shown:
            yield bars((e.name, e.mean, f"{percent(e.mean)} ± {percent(e.deviation)}") for e in shown)
        effects = [effect for effect in found.effects if effect.told]
        if effects:
            beside = f" at equal {found.cost}" if found.cost else ""
            yield element("p", f"What a choice changes in {found.objective}{beside}:", class_="faint")
            rows = [
                [
                    effect.name,
                    value_text(effect.name, c.value),
                    signed(c.mean),
                    f"{signed(c.low)} to {signed(c.high)}",
                ]
                for effect in effects
                for c in effect.choices
            ]
            yield table(["parameter", "value", "change", "90 % interval"], rows, texts=[0, 1])


def _parts(told: Reported) -> Iterator[Markup]:
    said = (
        "Each part was taken out of the fully trained network, or its output halved, all else the same: by"
        " how much the metrics on the validation part change."
    )
    yield element("p", said, class_="faint")
    for number, found in told.parts.items():
        yield element("h3", f"Trial {number}")
        yield items(sensitivity_sentences(found))
        header = ["part", "without it", "loss", found.metric, "half: loss"]
        rows = [
            [
                "\u00a0\u00a0" * each.place.count(".") + each.part,
                each.how,
                *map(signed, found.changes(each.metrics)),
                signed(found.changes(each.halved)[0]),
            ]
            for each in found.ablations
        ]
        yield table(header, rows, texts=[0, 1])


def _space(told: Reported) -> Iterator[Markup]:
    known, rows = told.known, []
    if known.size is not None:
        rows.append(("architectures", f"{known.size:,.0f}" if known.size < 1e15 else f"{known.size:.3g}"))
    if known.shape:
        rows.append(("input", shape_text(known.shape)))
    if known.samples:
        rows.append(("samples", ", ".join(f"{count:,} {part}" for part, count in known.samples.items())))
    if known.constraints:
        rows.append(("limits", ", ".join(known.constraints)))
    if known.training and known.trainable:
        said = [f"{n} = {v}" for n, v in known.training.items() if v not in ("None", "False", "0", "0.0")]
        rows.append(("training", ", ".join(said)))
    if rows:
        yield pairs(rows)
    if known.space is None:
        yield element("p", "The study's record does not say its space: an older optnas wrote it.")
        return
    from optnas.drawing.reading import read

    try:
        drawn = read(known.space).draw().svg
        yield element("div", Markup(drawn), class_="drawing")
    except SpaceError as error:
        yield element("p", f"It cannot be drawn: {error}", class_="faint")
    yield element("details", element("summary", "as text"), element("pre", known.space))


def _search(told: Reported) -> Iterator[Markup]:
    counts = [f"{count:,} {state}" for state, count in counted(told.trials).items()]
    yield element("p", f"{spent(told.trials)} {', '.join(counts)}{'.' * bool(counts)}")
    yield from _figure(draw_hypervolume, told, "How far the front has come: 1 is an ideal network.")
    yield from _figure(draw_curves, told, "How the networks learned.")


def _figure(
    draw: Callable[[optuna.Study, Sequence[FrozenTrial]], Drawn], told: Reported, caption: str
) -> Iterator[Markup]:
    """Yield a figure, or nothing if the study has not what it shows."""
    try:
        yield figure(draw(told.study, told.trials), caption)
    except UserError:
        return


def _stopped(told: Reported) -> Iterator[Markup]:
    groups = {title: trials for title, trials in stopped(told.trials).items() if trials}
    if not groups:
        ended = any(trial.state.is_finished() for trial in told.trials)
        yield element("p", "Nothing: every trial is complete." if ended else "No trial has ended yet.")
    for title, trials in groups.items():
        found = reasons(trials)
        rows = [[each.said, str(each.count), str(each.last)] for each in found[:_MOST_REASONS]]
        rest = sum(each.count for each in found[_MOST_REASONS:])
        yield element("h3", f"{title}: {len(trials)}")
        yield table(
            ["reason, such as", "trials", "the last"],
            [*rows, *[["other reasons", str(rest), ""]] * (rest > 0)],
        )


def _baselines(told: Reported) -> Iterator[Markup]:
    if told.baselines is None:
        yield element("p", "Unknown: the study's file, which has the data, was not given to this report.")
        return
    if not told.baselines:
        yield element("p", "There is none for this kind of task.")
        return
    metrics = list(dict.fromkeys(name for each in told.baselines for name in each.metrics))
    rows = [
        [
            each.name,
            *(value_of(n, each.metrics[n], told.known) if n in each.metrics else "–" for n in metrics),
        ]
        for each in told.baselines
    ]
    yield element("p", f"Fitted to {told.baselines[-1].samples:,} samples, measured on the validation part.")
    yield table(["model", *metrics], rows)


def _reproduce(told: Reported) -> Iterator[Markup]:
    finished = sum(trial.state.is_finished() for trial in told.trials)
    lines = [command(told.study, "run", told.file, "--trials", finished or 100)]
    said = f"By optnas {version('optnas')}. A search with several workers tries other networks each time."
    if told.front and told.known.trainable:
        lines.append(command(told.study, "train", told.file, "--trial", told.front[0].number))
        said += (
            " The last line trains the first network of the front fully and measures it on the test part,"
            " which no search has seen."
        )
    yield commands(*lines)
    yield element("p", said, class_="faint")
