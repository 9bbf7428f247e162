"""Loggers by their spelling on the command line: ``tensorboard:runs``, ``mlflow:URI``, ``wandb:PROJECT``."""

from __future__ import annotations

from optnas.errors import UserError, nearest
from optnas.loggers.callback import LoggerCallback
from optnas.loggers.mlflow import MLflowCallback
from optnas.loggers.tensorboard import TensorBoardCallback
from optnas.loggers.wandb import WeightsAndBiasesCallback

__all__ = ["make_logger"]


def make_logger(spelling: str) -> LoggerCallback:
    """Return the logger that ``spelling`` names; what stands behind its colon is where it logs to.

    Raises:
        UserError: If there is no such logger, or its package is not installed.
    """
    name, _, place = spelling.partition(":")
    if name == TensorBoardCallback.name:
        return TensorBoardCallback(place or "runs")
    if name == MLflowCallback.name:
        return MLflowCallback(place or None)
    if name == WeightsAndBiasesCallback.name:
        entity, _, project = place.rpartition("/")
        return WeightsAndBiasesCallback(project or "optnas", entity=entity or None)
    known = [logger.name for logger in (TensorBoardCallback, MLflowCallback, WeightsAndBiasesCallback)]
    raise UserError(f"--log {spelling}: {nearest(name, known)}")
