"""Callbacks that log finished trials to TensorBoard, MLflow and Weights & Biases.

They are for ``study.run(callbacks=[…])`` and for Optuna's own ``study.optimize``; ``optnas run --log`` gives
one to every worker.
"""

from optnas.loggers.mlflow import MLflowCallback
from optnas.loggers.registry import make_logger
from optnas.loggers.tensorboard import TensorBoardCallback
from optnas.loggers.wandb import WeightsAndBiasesCallback

__all__ = ["MLflowCallback", "TensorBoardCallback", "WeightsAndBiasesCallback", "make_logger"]
