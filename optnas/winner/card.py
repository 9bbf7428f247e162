"""The model card of a trained network, for its users to read (Mitchell et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optnas.answers import Answer
from optnas.data.schemas import Schema
from optnas.reports.markdown import as_block, as_code, as_table, as_text
from optnas.reports.numbers import short, with_deviation
from optnas.shown import duration, plain
from optnas.winner.card_parts import all_data, card_parts, curves
from optnas.winner.data_card import data_told
from optnas.winner.front_matter import front_matter
from optnas.winner.limits import limits
from optnas.winner.names import ACTIVATIONS
from optnas.winner.sections import section
from optnas.winner.terms import NAME, terms

__all__ = ["model_card", "over_seeds"]

_CARD = """\
{front}
# {title}

A network for the task *{task}* on the data set *{data}*: {origin}.

{terms}

## Architecture

![The architecture, drawn](architecture.svg)

{architecture}

{costs}
{latency}
## Data

{data_told}{made}

- In: {goes_in}.
- Out: {comes_out}.

## Training

{training}

{trainings}

The epoch is the one with the best validation score, {score}. `model.safetensors` holds the weights
of seed {seed}, the best of them on validation.{all_data}
{curves}
## Metrics

{spread}

{metrics}

{parts}{limits}## Loading

Code of this card is run in its folder, wherever that lies; this needs nothing but the folder and optnas.

{code}

For other runtimes there is a file, with a section here, by

```sh
optnas export . --format onnx
```

or `torch-export`, `openvino`, `safetensors` and `python`.

{own_ops}`metrics.json` has all figures, with the validation metrics after every epoch.
"""


def model_card(record: Mapping[str, Any], schema: Schema, answer: Answer, folder: Path) -> str:
    """Return the model card, in Markdown, of a network with ``record`` as its ``metrics.json``."""
    trial = record["trial"]
    idle = {*record.get("settings_without_effect", ()), "architecture", "data", "score", "ops", "functions"}
    settings = {name: value for name, value in record["settings"].items() if name not in idle}
    found = limits(record, schema)
    return _CARD.format(
        front=front_matter(record, folder.name, (schema.kind, answer.kind)),
        title=as_text(folder.name),
        terms=section(NAME, terms(record)),
        limits=f"## Limits\n\n{found}\n\n" if found else "",
        task=as_text(record["task"]),
        data=as_text(record["settings"]["data"]),
        origin=f"found by neural architecture search with optnas, in trial {trial} of the study"
        f" *{as_text(record['study'])}*"
        if trial is not None
        else f"an architecture of one's own, trained for the study *{as_text(record['study'])}* of optnas",
        architecture=as_block(plain(record["architecture"])) + _learned(record),
        costs=as_table(
            ("cost of one sample", "value"), [(as_text(n), f"{v:,}") for n, v in record["costs"].items()]
        ),
        latency=_latency(record.get("latency", {}), record.get("ensemble")),
        data_told=data_told(record),
        made=_made(record.get("batches_made")),
        goes_in=as_text(schema.told()),
        comes_out=as_text(answer.told()),
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
        all_data=all_data(record),
        curves=curves(record),
        spread=_spread(record),
        parts=card_parts(record),
        metrics=_metrics(record),
        code=_code(schema),
        own_ops="".join(
            f"Import {as_code(op['module'])} before, which defines the op {as_code(name)}. "
            for name, op in record["own_ops"].items()
        ),
    )


def _latency(found: Mapping[str, Any], ensemble: Any) -> str:
    if not found:
        return ""
    return (
        f"\nOne sample took {short(found['latency_ms'])} ms (median; 95th percentile"
        f" {short(found['latency_p95_ms'])} ms) in plain PyTorch on {as_text(found['on'])}. That is"
        f" {'one of the networks' if ensemble else 'the network'} alone, with a sample that is prepared"
        " already.\n"
    )


def _metrics(record: Mapping[str, Any]) -> str:
    """Return the table of metrics, with confidence intervals where there are some."""
    sure = record.get("intervals", {})
    if not sure:
        return as_table(
            ("metric", "validation", "test"), [(as_text(n), *row) for n, *row in over_seeds(record)]
        )
    rows = [
        (as_text(name), *row, " to ".join(map(short, sure[name])) if name in sure else "–")
        for name, *row in over_seeds(record)
    ]
    return (
        as_table(("metric", "validation", "test", f"95 % interval, {sure['part']}"), rows)
        + "\n\nThe interval is of the kept seed, by resampling samples (bootstrap): another"
        f" {sure['part']} part of this size would show as much."
    )


def _made(batches: int | None) -> str:
    """Return a note for a task that does not learn from the samples of its data."""
    if batches is None:
        return ""
    return (
        f" What the network learned from was made in training, {batches:,} batches an epoch; the samples show"
        " what inputs are like."
    )


def _code(schema: Schema) -> str:
    """Return Python code that predicts."""
    example = schema.example()
    lines = [
        *(["import numpy as np"] if "np." in example else []),
        "import optnas",
        "",
        'model = optnas.load(".")',
        f"predictions = model.predict({example})",
        "print(predictions)",
    ]
    return as_block("\n".join(lines), "python")


def _learned(record: Mapping[str, Any]) -> str:
    """Return what its activations are, with the constants that they learned; nothing of well-known ones."""
    told = _drawn(record)
    if "learned" not in record:
        return told
    text = plain(record["learned"])
    several = "stack(" in text or "per_channel=True" in text
    means = "; what stands for several cells or channels has the mean of theirs" if several else ""
    return f"\n\nIn training its activations learned constants of their own{means}:\n\n{as_block(text)}{told}"


def _drawn(record: Mapping[str, Any]) -> str:
    """Return the picture of the activations; nothing where there is none."""
    if not record.get("activations"):
        return ""
    return f"\n\n![Its activations beside relu, swish and mish]({ACTIVATIONS})"


def over_seeds(record: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return a table row per metric: its name, and mean ± standard deviation on validation and test."""
    return [
        (name, _mean(record["validation"][name]), _mean(record["test"].get(name)))
        for name in record["validation"]
    ]


def _said(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _mean(summary: Mapping[str, Any] | None) -> str:
    return "–" if summary is None else with_deviation(summary["mean"], summary["deviation"])


def _spread(record: Mapping[str, Any]) -> str:
    count = len(record["seeds"])
    told = "Of one seed." if count == 1 else f"Mean ± standard deviation over {count} seeds."
    if not record["test"]:
        return f"{told} The data has no test part, so what stands here is what epochs were chosen by."
    return f"{told} The test part was looked at once, after everything had been chosen."
