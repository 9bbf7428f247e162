"""Actions of a policy."""

from __future__ import annotations

from typing import Any, Self

from optnas.answers.answer import Answer, Record
from optnas.data.trees import Tree

__all__ = ["Actions"]


class Actions(Answer):
    """The action of the highest score for each observation, by its number, with its probability."""

    kind = "actions"

    def record(self) -> dict[str, Any]:
        return {}

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls()

    def read(self, outputs: Tree) -> Any:
        """Return a DataFrame of actions from outputs with the scores ``policy`` (samples, actions)."""
        import pandas

        best = outputs["policy"].double().softmax(dim=1).max(dim=1)
        return pandas.DataFrame({"action": best.indices.numpy(), "probability": best.values.numpy()})

    def unread(self) -> str:
        return "scores of the actions in ``policy``: the highest is the action, their softmax its probability"

    def told(self) -> str:
        return "a table with a row for each observation: the number of the likeliest action, its probability"
