"""The model card of a trained network, for its users to read (Mitchell et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optnas.reports.markdown import as_block, as_code, as_table, as_text
from optnas.reports.numbers import short
from optnas.shown import duration, plain
from optnas.winner.inputs import Record, given_shape, inputs_in

__all__ = ["model_card", "over_seeds"]

# So many show how tokens are numbered.
_MOST_WORDS = 8

_Keys = tuple[str | int, ...]
_Named = tuple[_Keys, Record]

_CARD = """\
# {title}

A network for the task *{task}* on the data set *{data}*: {origin}.

## Architecture

![The architecture, drawn](architecture.svg)

{architecture}

{costs}

## Data

{samples} {shapes}{normalized}.{made}{words}

## Training

{training}

{trainings}

The epoch is the one with the best validation score, {score}. `model.safetensors` holds the weights
of seed {seed}, the best of them on validation.

## Metrics

{spread}

{metrics}

## Loading

```python
import torch
import optnas

model = optnas.load({folder!r})
inputs = {inputs}
outputs = model(inputs)
{answers}```

{own_ops}`metrics.json` has all figures, with the validation metrics after every epoch.
"""


def model_card(record: Mapping[str, Any], folder: Path) -> str:
    """Return the model card, in Markdown, of a network with ``record`` as its ``metrics.json``."""
    settings, inputs = dict(record["settings"]), list(inputs_in(record["input"]))
    normalized = [keys for keys, each in inputs if each["normalized_by"] is not None]
    trial = record["trial"]
    for name in ("architecture", "data", "score"):
        settings.pop(name)
    for name in ("ops", "functions"):
        settings.pop(name, None)
    if not settings["crop"] and not settings.get("rotate"):
        settings.pop("padding")
    return _CARD.format(
        title=as_text(folder.name),
        task=as_text(record["task"]),
        data=as_text(record["settings"]["data"]),
        origin=f"found by neural architecture search with optnas, in trial {trial} of the study"
        f" *{as_text(record['study'])}*"
        if trial is not None
        else f"an architecture of one's own, trained for the study *{as_text(record['study'])}* of optnas",
        architecture=as_block(plain(record["architecture"])),
        costs=as_table(
            ("cost of one sample", "value"), [(as_text(n), f"{v:,}") for n, v in record["costs"].items()]
        ),
        samples=", ".join(f"{count:,} samples for {part}" for part, count in record["samples"].items()) + ".",
        shapes=_shapes(inputs),
        normalized=_normalized(inputs, normalized),
        made=_made(record.get("batches_made")),
        words=_words(record.get("words", ())),
        answers=f"{answers}\n" if (answers := record.get("answers")) else "",
        training=", ".join(f"{name} {as_text(_said(value))}" for name, value in settings.items() if value)
        + ".",
        trainings=as_table(
            ("seed", "best epoch", "ended after", "time"),
            [
                (t["seed"], t["epoch"], f"{len(t['curve'])} ({as_text(t['ended'])})", duration(t["seconds"]))
                for t in record["trainings"]
            ],
        ),
        score=as_code(record["settings"]["score"]),
        seed=record["weights_of_seed"],
        spread=_spread(record),
        metrics=as_table(
            ("metric", "validation", "test"), [(as_text(n), *row) for n, *row in over_seeds(record)]
        ),
        folder=str(folder),
        inputs=_example(record["input"]),
        own_ops="".join(
            f"Import {as_code(op['module'])} before, which defines the op {as_code(name)}. "
            for name, op in record["own_ops"].items()
        ),
    )


def _shapes(inputs: Sequence[_Named]) -> str:
    if len(inputs) == 1 and not inputs[0][0]:
        return f"An input {_shape(inputs[0][1])}"
    told = [f"{as_text(_place(keys))} {_shape(each)}" for keys, each in inputs]
    return f"Of the inputs of a sample, {', '.join(told)}"


def _shape(record: Record) -> str:
    shape, whole = given_shape(record), "int" in record["dtype"]
    if not shape:
        return "is a whole number" if whole else "is a number"
    return f"has the shape {shape}{' of whole numbers' if whole else ''}"


def _made(batches: int | None) -> str:
    """Return what is to be said of a task that does not learn from the samples of its data."""
    if batches is None:
        return ""
    return (
        f" What the network learned from was made in training, {batches:,} batches an epoch; the samples show"
        " what inputs are like."
    )


def _words(words: Sequence[Any]) -> str:
    if not words:
        return ""
    shown = ", ".join(as_code(word) for word in words[:_MOST_WORDS])
    more = ", …" if len(words) > _MOST_WORDS else ""
    return f" Token *n* stands for word *n*, from 0 on, of `words` in `metrics.json`: {shown}{more}."


def _normalized(inputs: Sequence[_Named], normalized: Sequence[_Keys]) -> str:
    if not normalized:
        return ""
    figures = "brought to mean 0 and deviation 1 by figures of the training part"
    if len(normalized) == len(inputs):
        return f", and is {figures}" if len(inputs) == 1 else f"; all are {figures}"
    return f"; {', '.join(as_text(_place(keys)) for keys in normalized)} is {figures}"


def _example(record: Record) -> str:
    """Return Python code that makes a batch of one sample."""
    if "inputs" not in record:
        return f"{_zeros(record)}  # a batch, {_prepared(record)}"
    return f"{_examples(record['inputs'])}  # a batch"


def _examples(found: Any, indent: str = "") -> str:
    inner = f"{indent}    "
    named = isinstance(found, Mapping)
    lines = []
    for key, each in found.items() if named else enumerate(found):
        name = f"{key!r}: " if named else ""
        if isinstance(each, Mapping) and isinstance(each.get("dtype"), str):
            lines.append(f"{inner}{name}{_zeros(each)},  # {_prepared(each)}\n")
        else:
            lines.append(f"{inner}{name}{_examples(each, inner)},\n")
    return "".join(["{" if named else "(", "\n", *lines, indent, "}" if named else ")"])


def _zeros(record: Record) -> str:
    sizes = ", ".join(map(str, (1, *given_shape(record))))
    return f"torch.zeros({sizes}, dtype=torch.{record['dtype']})"


def _prepared(record: Record) -> str:
    if record["normalized_by"] is not None:
        return "not normalised: the model does that"
    if "int" in record["dtype"]:
        return "whole numbers, as the data has them"
    return "as the data prepares them"


def _place(keys: _Keys) -> str:
    return ".".join(map(str, keys))


def over_seeds(record: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return a table row per metric: its name, and mean ± standard deviation on validation and test."""
    return [
        (name, _mean(record["validation"][name]), _mean(record["test"].get(name)))
        for name in record["validation"]
    ]


def _said(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _mean(summary: Mapping[str, Any] | None) -> str:
    if summary is None:
        return "–"
    spread = "" if summary["deviation"] is None else f" ± {short(summary['deviation'])}"
    return short(summary["mean"]) + spread


def _spread(record: Mapping[str, Any]) -> str:
    count = len(record["seeds"])
    told = "Of one seed." if count == 1 else f"Mean ± standard deviation over {count} seeds."
    if not record["test"]:
        return f"{told} The data has no test part, so what stands here is what epochs were chosen by."
    return f"{told} The test part was looked at once, after everything had been chosen."
