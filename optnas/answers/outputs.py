"""Outputs as they are."""

from __future__ import annotations

from typing import Any, Self

from optnas.answers.answer import Answer, Record
from optnas.data.trees import Tree, mapped

__all__ = ["Outputs"]


class Outputs(Answer):
    """Outputs as they are, for tasks that do not say what they mean."""

    kind = "outputs"

    def record(self) -> dict[str, Any]:
        return {}

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls()

    def read(self, outputs: Tree) -> Any:
        return mapped(lambda each: each.float().cpu().numpy(), outputs)

    def unread(self) -> str:
        return "what the network puts out"

    def told(self) -> str:
        return "what the network puts out, an array (samples, …) or several by name"
