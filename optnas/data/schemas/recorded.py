"""Kinds of things that are kept as JSON in the folder of a trained network: schemas, columns, answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = ["Record", "Recorded"]

Record = Mapping[str, Any]
"""What JSON has of one of them."""


class Recorded(ABC):
    """Base class of classes whose instances are kept as JSON; each direct subclass is a family of kinds.

    Strangers may have made the JSON: what makes an instance of it believes nothing.
    """

    kind: ClassVar[str]
    """Its name in records."""

    _kinds: ClassVar[dict[str, type[Any]]]

    def __init_subclass__(cls) -> None:
        if Recorded in cls.__bases__:
            cls._kinds = {}
        elif "kind" in vars(cls):
            cls._kinds[cls.kind] = cls

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """Return what describes it, as JSON has it, without ``kind``."""

    def with_kind(self) -> dict[str, Any]:
        """Return what describes it, as JSON has it."""
        return {"kind": self.kind, **self.record()}

    @classmethod
    def class_of(cls, kind: Any) -> type[Any]:
        """Return the class of a kind in the family.

        Raises:
            ValueError, TypeError: If there is none.
        """
        if kind not in cls._kinds:
            raise ValueError(f"there is no kind {kind!r:.50} of {cls.__name__}")
        return cls._kinds[kind]
