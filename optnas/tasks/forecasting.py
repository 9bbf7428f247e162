"""Forecasting: the next values of a series, over a horizon."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optnas.answers import Answer, Forecast
from optnas.data import Data, Windows
from optnas.errors import UserError, check_whole
from optnas.tasks._torchmetrics import torchmetrics
from optnas.tasks.regression import Regression

__all__ = ["Forecasting", "forecasting"]

_ALPHAS = tuple(10.0**exponent for exponent in range(-2, 5))


@dataclasses.dataclass(frozen=True)
class Forecasting(Regression):
    """Forecasting task: all steps of the horizon at once, from the window before them.

    The loss is that of :class:`Regression`, on targets standardised step by step of the horizon. Measures its
    metrics, over all steps and features, and ``mase``, the mean absolute scaled error (Hyndman & Koehler
    2006): ``mae`` divided by the mean absolute error of the (seasonal) naive forecast of one step (season)
    ahead within the training part; of several features the mean over them. If asked for, it also measures
    ``smape``, the symmetric mean absolute percentage error, as a share from 0 to 2.

    Attributes:
        data: Windows of a series, as ``data.windows`` makes them.
        season: Steps of a season; 1 if there is none.
    """

    data: Windows
    season: int = 1
    metrics = (*Regression.metrics, "mase", "smape")  # type: ignore[assignment]

    @property
    def context(self) -> Mapping[str, Any]:
        return {"outputs": self.output_shape[0]}

    @property
    def output_shape(self) -> tuple[int]:
        """All values of the horizon: (horizon,), or (horizon · features,)."""
        return (self.data.splits.train.y[0].numel(),)

    @property
    def output_scale(self) -> tuple[Tensor, Tensor]:
        deviation, mean = super().output_scale
        return deviation.flatten(), mean.flatten()

    @property
    def answer(self) -> Answer:
        return Forecast(self.data.horizon, self.data.forecast_names)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Return the metrics of standardised outputs (samples, values) against targets in their unit."""
        mean, deviation = self._figures(targets.device)
        values = outputs.float().view_as(targets) * deviation + mean
        found = super().measure(outputs, targets)
        found["mase"] = self._scaled((values - targets).abs().mean(dim=(0, 1)))
        if "smape" in self.asked:
            smape = torchmetrics().symmetric_mean_absolute_percentage_error
            found["smape"] = float(smape(values.contiguous(), targets.contiguous()))
        return found

    def _scaled(self, errors: Tensor) -> float:
        """Return the mean over features of absolute errors, each divided by that of its naive forecast."""
        return (errors.double().cpu() / self._naive_error).mean().item()

    @cached_property
    def _naive_error(self) -> Tensor:
        """The mean absolute error of the naive forecast in the training part, of each feature."""
        learned = self.data.learned()
        return (learned[self.season :] - learned[: -self.season]).abs().mean(dim=0)

    @property
    def chance(self) -> Mapping[str, float]:
        targets = self.data.splits.validation.y.double()
        # Of all constants the median has the least absolute error.
        errors = (targets - targets.median(dim=0).values).abs()
        return {**super().chance, "mase": self._scaled(errors.mean(dim=(0, 1)))}

    @property
    def ideal(self) -> Mapping[str, float]:
        return {**super().ideal, "mase": 0.0, "smape": 0.0}

    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Return what has been last, what has been a season ago, and ridge regression on the windows."""
        splits = self.data.splits
        past, targets = self.data.past("validation"), splits.validation.y
        found = {"naive": self._of(past[:, -1:].expand(-1, self.data.horizon, *past.shape[2:]))}
        if 1 < self.season <= self.data.length:
            again = self.data.length - self.season + torch.arange(self.data.horizon) % self.season
            found["seasonal naive"] = self._of(past[:, again])
        mean, deviation = self._figures(torch.device("cpu"))
        x, new = (
            splits.prepare(next(part.blocks(len(part)))[0]).flatten(1).numpy()
            for part in (splits.train, splits.validation)
        )
        y = ((splits.train.y - mean) / deviation).flatten(1).numpy()
        outputs = torch.from_numpy(np.asarray(_ridge(x, y, new))).reshape(len(targets), -1)
        found["ridge regression"] = self.measure(outputs, targets)
        return found

    def _of(self, forecasts: Tensor) -> dict[str, float]:
        mean, deviation = self._figures(torch.device("cpu"))
        outputs = ((forecasts.float() - mean) / deviation).flatten(1)
        return self.measure(outputs, self.data.splits.validation.y)

    def check(self) -> None:
        super().check()
        steps = len(self.data.learned())
        if self.season >= steps:
            raise UserError(
                f"data {self.data.name!r}: {steps} steps to train on have no season of {self.season}"
            )
        if not (self._naive_error > 0).all():
            raise UserError(
                f"data {self.data.name!r}: the training part is the same in every season of {self.season},"
                " and mase has no error to measure by; give another season"
            )


def _ridge(x: Any, y: Any, new: Any) -> Any:
    from sklearn.linear_model import RidgeCV

    return RidgeCV(alphas=_ALPHAS).fit(x, y).predict(new)


def forecasting(
    data: Data, *, season: int = 1, loss: str = "mae", metrics: Iterable[str] = ()
) -> Forecasting:
    """Return the task of forecasting the steps that follow the windows of ``data``.

    Networks return all values of the horizon at once, standardised, as one vector: ``ops.head()`` does.

    Args:
        data: Windows of a series, by ``data.windows(series, length, horizon)``.
        season: Steps of a season, such as 24 of hours; the error that ``mase`` is measured by is that of
            repeating what was a season ago. 1 for repeating the last step.
        loss: ``"mae"`` (mean absolute error), ``"mse"`` (mean squared error) or ``"huber"``.
        metrics: More metrics to record, of ``r2`` and ``smape``. The metrics of a study's objectives and
            constraints are measured anyway.

    Raises:
        UserError: If there is no such loss or metric, the season is no whole number of at least 1, or the
            data is not from ``data.windows``.
    """
    check_whole("forecasting", season=season)
    if not isinstance(data, Windows):
        raise UserError(f"data {getattr(data, 'name', data)!r} is no windows of a series: use data.windows")
    return Forecasting(data, loss, frozenset(metrics), season)
