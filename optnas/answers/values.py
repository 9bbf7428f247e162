"""A value or several of each sample, in the unit of the targets."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

from torch import Tensor

from optnas.answers.answer import Answer, Record

__all__ = ["Values"]


@dataclasses.dataclass(frozen=True)
class Values(Answer):
    """A value or several of each sample, in the unit of the targets.

    Attributes:
        target: The name of what is predicted.
    """

    kind = "values"

    target: str = ""

    def record(self) -> dict[str, Any]:
        return {"target": self.target}

    @classmethod
    def of(cls, record: Record) -> Self:
        if not isinstance(record["target"], str):
            raise TypeError("the name of a target must be a text")
        return cls(record["target"])

    def read(self, outputs: Tensor) -> Any:
        """Return a DataFrame of values (samples, values); of more sizes an array."""
        values = outputs.double().numpy()
        if values.ndim > 2:
            return values
        import pandas

        name, count = self.target or "value", values.shape[1]
        return pandas.DataFrame(
            values, columns=[name] if count == 1 else [f"{name} {i}" for i in range(count)]
        )

    def unread(self) -> str:
        return "the values, in the unit of the targets"

    def told(self) -> str:
        return f"a table with a row for each sample: {self.target or 'value'!r}, in the unit of the targets"
