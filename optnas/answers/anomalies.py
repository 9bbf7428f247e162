"""Scores of how unlike normal samples each sample is."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Self

import torch
from torch import Tensor, nn

from optnas.answers.answer import Answer, Record
from optnas.data.schemas.json_numbers import as_number
from optnas.errors import UserError

__all__ = ["Anomalies", "anomaly_errors", "anomaly_scores"]


@dataclasses.dataclass(frozen=True)
class Anomalies(Answer):
    """The anomaly score of each sample, and whether it is above a threshold.

    The score is the mean squared error of the network's reconstruction, in units of the inputs' standard
    deviations.

    Options of ``predict``:
        threshold: Scores above it are of anomalies, in place of :attr:`threshold`.

    Attributes:
        threshold: The score that 1 % of the normal samples of the training part are above; ``None`` if it is
            not known.
    """

    kind = "anomalies"

    threshold: float | None = None

    def record(self) -> dict[str, Any]:
        return {"threshold": self.threshold}

    @classmethod
    def of(cls, record: Record) -> Self:
        threshold = record["threshold"]
        return cls(None if threshold is None else as_number(threshold))

    def __call__(
        self, module: nn.Module, inputs: Tensor, *, threshold: float | None = None, **options: Any
    ) -> Any:
        """Return a DataFrame of scores and flags of ``inputs``, samples as the data had them."""
        if options:
            raise TypeError(f"predict() takes no {', '.join(options)} for anomalies")
        if threshold is not None and (not isinstance(threshold, int | float) or math.isnan(threshold)):
            raise UserError(f"predict(threshold={threshold!r}): give a number")
        used = self if threshold is None else Anomalies(float(threshold))
        return used.read(anomaly_scores(module, inputs))

    def read(self, outputs: Tensor) -> Any:
        """Return a DataFrame of scores (samples,), and whether each is of an anomaly."""
        import pandas

        scores = outputs.double().numpy()
        flags = {} if self.threshold is None else {"anomaly": scores > self.threshold}
        return pandas.DataFrame({"score": scores, **flags})

    def unread(self) -> str:
        return (
            "the reconstruction of prepared inputs: the score is the mean squared difference"
            " from these, which are"
            " (inputs - mean) / deviation by the file's description of them"
        )

    def told(self) -> str:
        flag = ""
        if self.threshold is not None:
            flag = (
                f", and whether it is above {self.threshold:.4g}, as 1 % of the normal samples for training"
                " are (predict(…, threshold=…) for another)"
            )
        return f"a table with a row for each sample: its anomaly score, the error of its reconstruction{flag}"


def anomaly_errors(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Return the mean squared error of each sample's reconstruction, shape (samples,)."""
    return (outputs - inputs).square().flatten(1).mean(dim=1)


def anomaly_scores(model: nn.Module, x: Tensor) -> Tensor:
    """Return the anomaly score of each sample by a network that ``optnas train`` wrote, shape (samples,).

    Args:
        model: What :func:`optnas.load` returned.
        x: Samples as the data had them.

    >>> import optnas
    >>> from optnas import tasks
    >>> scores = tasks.anomaly_scores(optnas.load("runs/anomalies-17"), x)  # doctest: +SKIP
    """
    normalize, network, scale = model.children()
    with torch.inference_mode():
        inputs = normalize(x)
        return anomaly_errors(scale(network(inputs)).float(), inputs)
