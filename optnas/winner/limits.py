"""The section of a model card on what its network was not tried on, and where it is unsure or wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import singledispatch
from typing import Any

from optnas.data.schemas import Arrays, Ids, Pictures, Schema, Sequences, Series, Several, Table, Texts
from optnas.objectives import maximize, minimize
from optnas.reports.markdown import as_text
from optnas.reports.numbers import short
from optnas.winner.baselines import better_told

__all__ = ["limits"]

_FEW_SAMPLES, _MOST_LISTED = 30, 5
# Of the normal distribution: 95 % lie within.
_Z = 1.96


def limits(record: Mapping[str, Any], schema: Schema) -> str:
    """Return a list in Markdown, each line of which follows from a figure or a setting of this network."""
    facts = record.get("data", {})
    lines = [*_distribution(facts), *unseen(schema, facts.get("inputs", {})), *_gaps(record)]
    lines += [*_sureness(record), *_classes(record), *_calibration(record), *_simpler(record)]
    return "\n".join(f"- {line}" for line in lines)


def _distribution(facts: Mapping[str, Any]) -> Iterator[str]:
    told = {
        "random": "The test part was drawn at random from the same data as the training part: its metrics"
        " hold for samples like these, not for those of another time, place or device.",
        "time": "The test part is what came last, after the training part: its metrics hold for a future that"
        " goes on like that, and fall as it changes.",
        "groups": "The groups of the test part are not in the training part: its metrics hold for new groups"
        " from the same source, not for another source.",
        "given": "The test part was given with the data: its metrics hold for samples like those.",
    }.get(facts.get("test", ""))
    if told:
        yield told


@singledispatch
def unseen(schema: Schema, inputs: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the training part did not have, and what becomes of it in a prediction."""
    yield from ()


@unseen.register
def _(schema: Several, inputs: Mapping[str, Any]) -> Iterator[str]:
    for name, each in schema.inputs.items():
        for line in unseen(each, {}):
            yield f"{as_text(name)}: {line}"


@unseen.register
def _(schema: Arrays, inputs: Mapping[str, Any]) -> Iterator[str]:
    if schema.span is not None:
        low, high = (f"{each:.6g}" for each in schema.span)
        yield (
            f"Numbers below {low} or above {high} were not in the training part: they are taken as they are."
        )


@unseen.register
def _(schema: Series, inputs: Mapping[str, Any]) -> Iterator[str]:
    yield f"What lies more than {schema.shape[0]} steps back does not count."
    yield from unseen(schema.window, inputs)


@unseen.register
def _(schema: Ids, inputs: Mapping[str, Any]) -> Iterator[str]:
    yield f"Ids above {schema.most} were not in the data, and are refused."


@unseen.register
def _(schema: Texts, inputs: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"Of a text the last {schema.context} characters count. It knows {len(schema.alphabet)} characters: a"
        " text with others is refused."
    )


@unseen.register
def _(schema: Sequences, inputs: Mapping[str, Any]) -> Iterator[str]:
    if "longest" in inputs:
        yield (
            f"The longest sequence of the training part has {inputs['longest']} words, the mean"
            f" {short(inputs['mean length'])}; one of more than {schema.length - 1} is refused, as is one"
            " with a word that is not in the data."
        )


@unseen.register
def _(schema: Pictures, inputs: Mapping[str, Any]) -> Iterator[str]:
    channels, height, width = schema.shape
    colours = "grey" if channels == 1 else "RGB"
    others = (
        "Pictures of other proportions lose their edges, larger ones what is finer than that"
        if schema.resized
        else "Pictures of other sizes are refused"
    )
    deeper = f", those of more than {schema.bits} bits are refused" if schema.bits < 32 else ""
    made = "; coloured ones are made grey" if channels == 1 else "; grey ones are made RGB"
    yield f"It sees {height}×{width} pixels, {colours}. {others}{deeper}{made}."
    yield from unseen(schema.pixels, inputs)


@unseen.register
def _(schema: Table, inputs: Mapping[str, Any]) -> Iterator[str]:
    if schema.measured:
        yield (
            "Numbers and dates outside of the ranges under Data were not in the training part: the network"
            " extrapolates, and says nothing of it."
        )
    if schema.categories:
        yield (
            "A category that the training part did not have counts as none of all; `predict` warns of it, an"
            " exported file does not."
        )
    columns = inputs.get("columns", ())
    rare = [(each["name"], name, n) for each in columns for name, n in each.get("rare", {}).items()]
    if rare:
        some = ", ".join(f"{as_text(name)} of {as_text(of)} ({n})" for of, name, n in rare[:_MOST_LISTED])
        more = f" and {len(rare) - _MOST_LISTED} more" if len(rare) > _MOST_LISTED else ""
        yield f"Categories with fewer than 10 samples to learn from: {some}{more}."


def _gaps(record: Mapping[str, Any]) -> Iterator[str]:
    found, goal = record.get("gaps"), _score(record)
    if not found or goal is None:
        return
    name, sign = goal
    if name not in found["whole"]:
        return
    worst = sorted(found["columns"], key=lambda each: sign * each["metrics"][name], reverse=True)
    shown = ", ".join(
        f"{as_text(each['name'])} {short(each['metrics'][name])}" for each in worst[:_MOST_LISTED]
    )
    whole = short(found["whole"][name])
    yield (
        f"Missing values: {as_text(name)} on the {found['part']} part is {whole}, and where a column is"
        f" missing in all rows {shown}"
        + (" (the worst of all columns)." if len(worst) > _MOST_LISTED else ".")
    )


def _score(record: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return the metric that epochs were chosen by, and 1 if less of it is better, else -1."""
    found = re.match(r"(minimize|maximize)\('([^']+)'", record["settings"]["score"])
    if found is None or found[2] not in record["validation"]:
        return None
    return found[2], 1 if found[1] == "minimize" else -1


def _sureness(record: Mapping[str, Any]) -> Iterator[str]:
    sure, goal = record.get("intervals", {}), _score(record)
    if goal is not None and goal[0] in sure:
        low, high = sure[goal[0]]
        samples = record["samples"][sure["part"]]
        if math.isfinite(low) and math.isfinite(high):
            yield (
                f"With {samples:,} samples in the {sure['part']} part, {as_text(goal[0])} is known to"
                f" ±{short((high - low) / 2)}: smaller differences from another model may be chance."
            )
    if len(record["seeds"]) == 1:
        yield "It was trained with one seed: how much another one would change its metrics is not known."


def _classes(record: Mapping[str, Any]) -> Iterator[str]:
    found = record.get("confusion")
    if not found:
        return
    counts = {each["name"]: each.get("train", 0) for each in record.get("data", {}).get("classes", ())}
    few = sorted((n for n in counts if counts[n] < _FEW_SAMPLES), key=lambda name: counts[name])
    if few:
        some = ", ".join(f"{as_text(name)} ({counts[name]})" for name in few[:_MOST_LISTED])
        more = f" and {len(few) - _MOST_LISTED} more" if len(few) > _MOST_LISTED else ""
        yield f"Classes with fewer than {_FEW_SAMPLES} samples to learn from: {some}{more}."
    total = sum(each["support"] for each in found["classes"])
    right = sum(each["recall"] * each["support"] for each in found["classes"])
    mean = right / total if total else 0.0
    poor = [c for c in found["classes"] if c["support"] and _most_likely(c["recall"], c["support"]) < mean]
    if poor:
        worst = sorted(poor, key=lambda each: float(each["recall"]))
        some = ", ".join(f"{as_text(c['name'])} ({short(c['recall'])})" for c in worst[:_MOST_LISTED])
        more = f" and {len(poor) - _MOST_LISTED} more" if len(poor) > _MOST_LISTED else ""
        yield (
            f"Classes that are found more rarely than others, by more than chance explains (recall;"
            f" {short(mean)} of all samples): {some}{more}."
        )


def _most_likely(share: float, count: int) -> float:
    """Return the upper end of the 95 % interval of a share of ``count`` samples (Wilson 1927)."""
    middle = share + _Z**2 / (2 * count)
    apart = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return (middle + apart) / (1 + _Z**2 / count)


def _calibration(record: Mapping[str, Any]) -> Iterator[str]:
    found = record.get("calibration", {})
    part = "test" if "test" in found else "validation"
    if part in found:
        error = found[part]["ece"]["after"]
        yield (
            f"The probability of the likeliest class is off by {short(error)} on average on the {part} part"
            " (expected calibration error)."
        )


def _simpler(record: Mapping[str, Any]) -> Iterator[str]:
    goal = _score(record)
    if goal is not None:
        name, sign = goal
        told = better_told(record, minimize(name) if sign == 1 else maximize(name))
        if told is not None:
            yield as_text(told)
