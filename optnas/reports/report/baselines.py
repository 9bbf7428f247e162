"""Metrics of simple models on a study's validation part, to compare networks with."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optnas.data import Part, Splits
from optnas.data.trees import Tree, leaves
from optnas.space.shapes import numbers_in
from optnas.tasks import Task
from optnas.tasks.classification import Classification
from optnas.tasks.regression import Regression
from optnas.train.own_tasks import baselines_of

__all__ = ["Baseline", "Fit", "baselines", "fits_of", "flat_inputs", "has_numbers", "log_probabilities"]

Array = NDArray[np.float64]

Fit = Callable[[Task, Array, Array, Array], Array]
"""Fits a model to inputs (samples, numbers) and targets; returns a network's outputs for other inputs."""

# Of a larger training part so many samples; inputs of more numbers are not for a linear model.
_MOST_SAMPLES, _MOST_NUMBERS = 10_000, 5_000
_LEAST_LOG = -30.0


@dataclass(frozen=True)
class Baseline:
    """A simple model, fitted to the training part.

    Attributes:
        name: What it is.
        metrics: What the task measures of it on the validation part.
        samples: Number of samples that it was fitted to.
    """

    name: str
    metrics: Mapping[str, float]
    samples: int


def baselines(task: Task) -> list[Baseline]:
    """Return the task's own; without these a constant answer and a linear model.

    These are for classification and regression alone. A constant is the most frequent class, or the mean; the
    linear model is a logistic or a ridge regression on the normalised inputs, flattened; ids, which are no
    quantities, are left out.
    """
    parts = task.data.splits
    if own := baselines_of(task):
        return [Baseline(name, metrics, len(parts.train)) for name, metrics in own.items()]
    fits = fits_of(task)
    if not fits:
        return []
    count = min(len(parts.train), _MOST_SAMPLES)
    chosen = torch.randperm(len(parts.train), generator=torch.Generator().manual_seed(0))[:count]
    if numbers_in(parts.train.shape) > _MOST_NUMBERS or not has_numbers(parts):
        fits = dict(list(fits.items())[:1])
    y, truth = parts.train.y[chosen].numpy(), parts.validation.y
    x = flat_inputs(parts.train, parts.prepare, chosen) if len(fits) > 1 else np.empty((count, 0))
    new = flat_inputs(parts.validation, parts.prepare) if len(fits) > 1 else np.empty((len(truth), 0))
    found = []
    for name, fit in fits.items():
        outputs = torch.as_tensor(fit(task, x, y, new), dtype=torch.float32)
        found.append(Baseline(name, task.measure(outputs, truth), count))
    return found


def fits_of(task: Task) -> dict[str, Fit]:
    """Return the constant answer and the linear model by name, in this order; none for other tasks."""
    targets = task.data.splits.train.y
    if isinstance(task, Classification) and isinstance(targets, Tensor) and targets.dim() == 1:
        return {"the most frequent class": _majority, "logistic regression": _logistic}
    if isinstance(task, Regression) and isinstance(targets, Tensor) and targets.dim() <= 2:
        return {"the mean": _mean, "ridge regression": _ridge}
    return {}


def has_numbers(parts: Splits) -> bool:
    """Return whether inputs have quantities, and not ids alone."""
    x, _ = next(iter(parts.train.blocks(1)))
    return any(each.is_floating_point() for each in leaves(parts.prepare(x)))


def flat_inputs(part: Part, prepare: Callable[[Any], Any], order: Any = None) -> Array:
    """Return a part's inputs (samples, numbers), prepared and flattened; ids are left out."""
    return np.concatenate([_flat(prepare(x)) for x, _ in part.blocks(1000, order)])


def _flat(x: Tree) -> Array:
    numbers = [each.reshape(len(each), -1).double() for each in leaves(x) if each.is_floating_point()]
    return np.asarray(torch.cat(numbers, dim=1).numpy())


def _majority(task: Task, x: Array, y: Array, new: Array) -> Array:
    shares = np.bincount(y, minlength=task.data.outputs) / len(y)
    with np.errstate(divide="ignore"):
        return np.tile(np.maximum(np.log(shares), _LEAST_LOG), (len(new), 1))


def _logistic(task: Task, x: Array, y: Array, new: Array) -> Array:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(max_iter=300).fit(x, y)
    return log_probabilities(task, model, new)


def log_probabilities(task: Task, model: Any, new: Array) -> Array:
    """Return a classifier's logarithms of probabilities (samples, classes); of classes it never saw -30."""
    logits = np.full((len(new), task.data.outputs), _LEAST_LOG)
    with np.errstate(divide="ignore"):
        logits[:, model.classes_] = np.maximum(model.predict_log_proba(new), _LEAST_LOG)
    return logits


def _mean(task: Task, x: Array, y: Array, new: Array) -> Array:
    return np.zeros((len(new), *y.shape[1:]))  # outputs are standardised by the training part


def _ridge(task: Task, x: Array, y: Array, new: Array) -> Array:
    from sklearn.linear_model import RidgeCV

    assert isinstance(task.output_scale, tuple)
    deviation, mean = (figure.numpy() for figure in task.output_scale)
    return np.asarray(RidgeCV(alphas=np.logspace(-2, 4, 7)).fit(x, (y - mean) / deviation).predict(new))
