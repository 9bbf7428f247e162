"""Baselines of scikit-learn on the split of a trained network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from optnas.data.trees import leaves
from optnas.objectives import Objective
from optnas.reports.numbers import short
from optnas.reports.report.baselines import (
    Array,
    Fit,
    fits_of,
    flat_inputs,
    has_numbers,
    log_probabilities,
)
from optnas.space.shapes import numbers_in
from optnas.tasks import Task
from optnas.tasks.classification import Classification

__all__ = ["better_told", "compared"]

# So many samples and numbers take seconds on one core.
_MOST_SAMPLES, _MOST_NUMBERS = 3_000, 1_000_000
_LEAST_SAMPLES = 100


def compared(task: Task, kept: Task) -> dict[str, Any]:
    """Return what simple models have, as JSON has it: ``models``, and ``left_out``, why there are no more.

    Each model has ``name``, ``samples`` (of the training part, that it was fitted to), and the task's metrics
    on ``validation`` and ``test``. Models get a sample's prepared numbers, flattened: a constant answer, a
    logistic or ridge regression, and a random forest, or gradient boosting for one value. Each is fitted to
    3,000 samples of the training part at the most, and to fewer of large ones. What the task itself has
    (:meth:`~optnas.tasks.Task.baselines`) comes first.

    Args:
        task: The task.
        kept: The task that the kept weights were trained on. If that is one with all data, models are fitted
            to its training part too, and have no figures on the validation part, which is in it.
    """
    parts = task.data.splits
    models: list[dict[str, Any]] = [
        {"name": name, "samples": len(parts.train), "validation": dict(metrics), "test": {}}
        for name, metrics in task.baselines().items()
    ]
    fits, reason = fits_of(task), _left_out(task)
    if reason is None:
        models += _fitted(
            kept, {**fits, **_trees(task)}, ("validation", "test") if kept is task else ("test",)
        )
    return {"models": models, "left_out": reason}


def better_told(record: Mapping[str, Any], score: Objective) -> str | None:
    """Return in words which simple models are at least as good as a trained network; ``None`` if none is.

    Args:
        record: What ``metrics.json`` says of the network.
        score: What it was chosen by.
    """
    part = "test" if record["test"] else "validation"
    ours = (
        record["ensemble"][part]
        if "ensemble" in record
        else {name: each["mean"] for name, each in record[part].items()}
    )
    if not score.metric.names <= ours.keys():
        return None
    reached = score.metric(ours)
    found = [
        (model["name"], score.metric(model[part]))
        for model in record.get("baselines", {}).get("models", ())
        if score.metric.names <= model[part].keys()
    ]
    better = [(name, value) for name, value in found if score.sign * value <= score.sign * reached]
    if not better:
        return None
    each = ", ".join(f"{name} {short(value)}" for name, value in better)
    models = "A simple model does" if len(better) == 1 else "Simple models do"
    return (
        f"{models} as well or better in {score.name} on the {part} part: {each}; the network"
        f" {short(reached)}. Use one of them, or search more networks and train longer."
    )


def _left_out(task: Task) -> str | None:
    """Return why simple models cannot be fitted; ``None`` if they can."""
    parts = task.data.splits
    if not fits_of(task):
        return "models of scikit-learn are for a class or values of each sample"
    x, _ = next(iter(parts.train.blocks(1)))
    if len(list(leaves(x))) > 1:
        return "models of scikit-learn take one input, and there are several"
    if not has_numbers(parts):
        return "inputs are ids, which are no quantities"
    if numbers_in(parts.train.shape) > _MOST_NUMBERS / _LEAST_SAMPLES:
        return f"inputs of {numbers_in(parts.train.shape):,} numbers are too large for models of scikit-learn"
    if isinstance(task, Classification) and len(torch.unique(parts.train.y)) < 2:
        return "all samples of the training part are of one class"
    return None


def _fitted(task: Task, fits: Mapping[str, Fit], names: Sequence[str]) -> list[dict[str, Any]]:
    parts = task.data.splits
    count = min(len(parts.train), _MOST_SAMPLES, _MOST_NUMBERS // numbers_in(parts.train.shape))
    chosen = torch.randperm(len(parts.train), generator=torch.Generator().manual_seed(0))[:count]
    x, y = flat_inputs(parts.train, parts.prepare, chosen), parts.train.y[chosen].numpy()
    new = {
        name: flat_inputs(getattr(parts, name), parts.prepare) for name in names if len(getattr(parts, name))
    }
    if not new:
        return []
    found = []
    for name, fit in fits.items():
        # At once, as it is fitted once.
        outputs = torch.as_tensor(fit(task, x, y, np.concatenate(list(new.values()))), dtype=torch.float32)
        metrics: dict[str, Any] = {"validation": {}, "test": {}}
        for part, rows in zip(new, torch.split(outputs, [len(each) for each in new.values()]), strict=True):
            metrics[part] = task.measure(rows, getattr(parts, part).y)
        found.append({"name": name, "samples": count, **metrics})
    return found


def _trees(task: Task) -> dict[str, Fit]:
    if isinstance(task, Classification):
        return {"random forest": _forest_of_classes}
    targets = task.data.splits.train.y
    if targets.dim() == 1 or targets.shape[1] == 1:
        return {"gradient boosting": _boosting}
    return {"random forest": _forest_of_values}


def _forest_of_classes(task: Task, x: Array, y: Array, new: Array) -> Array:
    from sklearn.ensemble import RandomForestClassifier

    return log_probabilities(task, RandomForestClassifier(random_state=0).fit(x, y), new)


def _forest_of_values(task: Task, x: Array, y: Array, new: Array) -> Array:
    from sklearn.ensemble import RandomForestRegressor

    return _standardised(task, RandomForestRegressor(random_state=0).fit(x, y).predict(new))


def _boosting(task: Task, x: Array, y: Array, new: Array) -> Array:
    from sklearn.ensemble import HistGradientBoostingRegressor

    found = HistGradientBoostingRegressor(random_state=0).fit(x, y.reshape(len(y))).predict(new)
    return _standardised(task, found.reshape(len(new), *y.shape[1:]))


def _standardised(task: Task, values: Array) -> Array:
    """Return values as a network puts them out: standardised by the training part's mean and deviation."""
    assert isinstance(task.output_scale, tuple)
    deviation, mean = (figure.numpy() for figure in task.output_scale)
    return np.asarray((values - mean) / deviation)
