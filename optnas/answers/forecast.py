"""The steps after a window of a series."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

from torch import Tensor

from optnas.answers.answer import Answer, Record

__all__ = ["Forecast"]

_MOST_STEPS = 1_000_000


@dataclasses.dataclass(frozen=True)
class Forecast(Answer):
    """The values of the steps after each window, in the unit of the series.

    Attributes:
        horizon: Number of steps.
        features: The names of what is forecast; an empty one is left out.
    """

    kind = "forecast"

    horizon: int
    features: tuple[str, ...] = ("",)

    def record(self) -> dict[str, Any]:
        return {"horizon": self.horizon, "features": list(self.features)}

    @classmethod
    def of(cls, record: Record) -> Self:
        horizon, features = record["horizon"], tuple(record["features"])
        if not isinstance(horizon, int) or not 0 < horizon * len(features) <= _MOST_STEPS:
            raise ValueError(f"{horizon!r} steps of {len(features)} features are no forecast")
        if not all(isinstance(each, str) for each in features):
            raise TypeError("the names of features must be texts")
        return cls(horizon, features)

    def read(self, outputs: Tensor) -> Any:
        """Return a DataFrame of a row for each window and a column for each value, from (samples, values)."""
        import pandas

        columns = [
            f"{feature} t+{step}".strip() for step in range(1, self.horizon + 1) for feature in self.features
        ]
        return pandas.DataFrame(outputs.double().numpy(), columns=columns)

    def unread(self) -> str:
        return "the forecast, in the unit of the series, step by step"

    def told(self) -> str:
        what = f" of {', '.join(self.features)}" if any(self.features) else ""
        return (
            f"a table with a row for each window: the {self.horizon} steps{what} after it, columns t+1 to"
            f" t+{self.horizon}, in the unit of the series"
        )
