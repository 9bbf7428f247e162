"""Importances and effects for the terminal: sentences, figures and bars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from optnas.reports.effects import Effect
from optnas.reports.explanation import Explanation
from optnas.reports.importance import FEWEST
from optnas.reports.numbers import choice_text, short
from optnas.shown import plain

__all__ = [
    "chance_sentence",
    "explanation_view",
    "percent",
    "sentences",
    "shown_effects",
    "signed",
    "value_text",
]

_BAR, _NAME = 24, 34
_EIGHTHS = "▏▎▍▌▋▊▉█"
_MOST_HINTS = 3
# A smaller share is not worth a sentence.
_LEAST_SAID = 0.01
# With fewer trials than this, interactions are hardly ever told from chance.
_FEW = 50


def explanation_view(found: Explanation, width: int = 80) -> RenderableType:
    """Return what is told of one objective, for so many columns."""
    name = plain(found.objective)
    parts: list[RenderableType] = [Text(name, style="bold cyan"), *map(_line, sentences(found))]
    if found.told:
        parts += ["", Text("share of the differences that each explains", style="bold")]
        parts.append(_bars([(each.name, each.mean, each.deviation) for each in found.told], width))
        if found.kinds:
            parts += ["", Text("all layers together", style="bold")]
            parts.append(_bars([(kind, share, None) for kind, share in found.kinds.items()], width))
    effects = shown_effects(found)
    if effects:
        beside = f" at equal {plain(found.cost)}" if found.cost else ""
        parts += ["", Text(f"what a choice changes in {name}{beside}, with 90 % intervals", style="bold")]
        parts.append(_effects(effects))
        if (said := chance_sentence(found)) is not None:
            parts += ["", Text(said, style="dim")]
    return Group(*parts)


def sentences(found: Explanation) -> list[str]:
    """Return what is told of one objective, in sentences."""
    said = [_basis(found)]
    if found.equal:
        return [*said, f"All have the same {plain(found.objective)}: nothing decides it."]
    if not found.importances:
        return [*said, f"These are too few to tell anything: {FEWEST} at least, and {_FEW} to be of use."]
    if not found.told:
        return [*said, "No parameter's effect can be told from chance; more trials may show some."]
    best = found.told[0]
    said.append(
        f"{plain(best.name)} matters most: {percent(best.mean)} (± {percent(best.deviation)}) of the"
        " differences between random networks of the space are due to it."
    )
    for pair in [pair for pair in found.pairs if pair.mean >= _LEAST_SAID][:_MOST_HINTS]:
        first, second = map(plain, pair.names)
        said.append(
            f"{first} and {second} interact: together they explain {percent(pair.mean)}"
            f" (± {percent(pair.deviation)}) beyond what each does alone."
        )
    if not found.pairs:
        said.append("No two parameters can be told to interact.")
    left = len(found.importances) - len(found.told)
    if left:
        cannot = "explain next to nothing" if found.exact else "cannot be told from chance"
        said.append(f"Of {len(found.importances)} parameters {left} {cannot}.")
    if found.unexplained is not None and round(found.unexplained, 2) > 0:
        rest = "" if found.exact else ": chance in training, and effects too weak to be told"
        said.append(f"{found.unexplained:.0%} is left unexplained{rest}.")
    said += [effect_sentence(found, effect) for effect in found.effects if effect.told]
    return said


def _basis(found: Explanation) -> str:
    trials = f"{found.trials:,} trial{'s' * (found.trials != 1)}"
    if found.known > found.trials:
        trials = f"{found.trials:,} of {found.known:,} trials, drawn at random"
    if found.drawn:
        return f"Computed of {found.trials} random networks of the space."
    if found.exact:
        return f"Known before training of {trials}."
    said = []
    if found.predicted:
        said.append(f"{found.predicted} stopped early, with what they were predicted to reach")
    if found.diverged:
        said.append(f"{found.diverged} diverged, counted as having learned nothing")
    return f"From {trials}" + (f" (of them {'; '.join(said)})" if said else "") + "."


def effect_sentence(found: Explanation, effect: Effect) -> str:
    """Return what the first of a parameter's choices changes against the last, as a sentence."""
    first, last = effect.choices[0].value, effect.choices[-1].value
    mean, low, high = map(signed, effect.apart)
    beside = f" at equal {plain(found.cost)}" if found.cost else ""
    return (
        f"{plain(effect.name)} = {value_text(effect.name, first)} instead of {value_text(effect.name, last)}"
        f" changes {plain(found.objective)} by {mean} ({low} to {high}){beside}."
    )


def shown_effects(found: Explanation) -> list[Effect]:
    """Return the effects that are told from chance, and up to three in all."""
    told = [effect for effect in found.effects if effect.told]
    return told + [effect for effect in found.effects if not effect.told][: max(0, _MOST_HINTS - len(told))]


def chance_sentence(found: Explanation) -> str | None:
    """Return what "may be chance" means beside an interval; ``None`` where it is said of nothing."""
    if all(effect.told for effect in shown_effects(found)):
        return None
    return (
        "may be chance: each interval is of one parameter, as if it alone had been looked at. Among all"
        f" {len(found.effects)} one like it turns up by chance in more than 3 of 100 searches, or the others"
        " explain it."
    )


def _effects(effects: list[Effect]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(max_width=_NAME, overflow="fold")
    for justify in ("right", "right", "left"):
        table.add_column(justify=justify)
    for effect in effects:
        for i, choice in enumerate(effect.choices):
            name = Text(plain(effect.name) if i == 0 else "")
            if i == 1 and not effect.told:
                name = Text("  may be chance", style="dim")
            interval = Text(f"{signed(choice.low)} to {signed(choice.high)}", style="dim")
            table.add_row(
                name, Text(value_text(effect.name, choice.value)), Text(signed(choice.mean)), interval
            )
    return table


def _bars(rows: list[tuple[str, float, float | None]], width: int) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(max_width=max(12, width - _BAR - 16), overflow="fold")
    table.add_column(width=_BAR, no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for name, share, deviation in rows:
        figures = percent(share) + ("" if deviation is None else f" ± {percent(deviation)}".rjust(6))
        table.add_row(Text(plain(name)), Text(_bar(share), style="cyan"), Text(figures))
    return table


def percent(share: float) -> str:
    """Return a share in percent; what rounds to none is ``<1%``."""
    return f"{share:.0%}" if share >= _LEAST_SAID / 2 else "<1%"


def _bar(share: float) -> str:
    eighths = max(1, round(share * _BAR * 8))
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest - 1] if rest else "")


def signed(value: float) -> str:
    """Return a change with its sign and two digits.

    >>> signed(0.01234), signed(-43210)
    ('+0.012', '−43 k')
    """
    two = f"{abs(value):.2g}"
    return f"{'+' if value >= 0 else '−'}{short(float(two)) if abs(value) >= 100 else two}"


def value_text(name: str, value: Any) -> str:
    """Return the value of a parameter, or of its copies together, for people."""
    return f"{value:.3g}" if isinstance(value, float) else plain(choice_text(name, value))


def _line(text: str) -> Text:
    return Text(text)


def all_views(found: list[Explanation], width: int) -> Iterator[RenderableType]:
    """Return what is told of each objective, one below the other."""
    for i, each in enumerate(found):
        if i:
            yield ""
        yield explanation_view(each, width)
