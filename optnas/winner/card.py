"""The model card of a trained network, for its users to read (Mitchell et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optnas.reports.markdown import as_block, as_code, as_table, as_text
from optnas.reports.numbers import short
from optnas.shown import duration, plain

__all__ = ["model_card", "over_seeds"]

_CARD = """\
# {title}

A network for {task} of the data set *{data}*: {origin}.

## Architecture

![The architecture, drawn](architecture.svg)

{architecture}

{costs}

## Data

{samples} Inputs have the shape {shape}{normalized}.

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
inputs = torch.zeros(1, {dimensions}, dtype={dtype})  # a batch, {inputs}
outputs = model(inputs)
```

{own_ops}`metrics.json` has all figures, with the validation metrics after every epoch.
"""


def model_card(record: Mapping[str, Any], folder: Path) -> str:
    """Return the model card, in Markdown, of a network with ``record`` as its ``metrics.json``."""
    settings, figures = dict(record["settings"]), record["input"]["normalized_by"]
    shape = _given_shape(record["input"]["shape"], record["input"].get("axes"))
    trial = record["trial"]
    for name in ("architecture", "data", "score"):
        settings.pop(name)
    settings.pop("ops", None)
    if not settings["crop"]:
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
        shape=shape,
        normalized=""
        if figures is None
        else ", and are brought to mean 0 and deviation 1 by figures of the training part",
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
        dimensions=", ".join(map(str, shape)),
        dtype=f"torch.{record['input']['dtype']}",
        inputs="as the data prepares them" if figures is None else "not normalised: the model does that",
        own_ops="".join(
            f"Import {as_code(op['module'])} before, which defines the op {as_code(name)}. "
            for name, op in record["own_ops"].items()
        ),
    )


def _given_shape(shape: Sequence[int], axes: Sequence[int] | None) -> tuple[int, ...]:
    """Return the shape of a sample before ``axes``, a permutation of batches, brings it to ``shape``."""
    if axes is None:
        return tuple(shape)
    return tuple(shape[list(axes).index(axis) - 1] for axis in range(1, len(axes)))


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
