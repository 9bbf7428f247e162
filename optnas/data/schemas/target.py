"""Names of a network's target in its users' terms: of the value, or of the classes."""

from __future__ import annotations

import dataclasses

__all__ = ["Target"]


@dataclasses.dataclass(frozen=True)
class Target:
    """Names of a network's target in its users' terms: of the value, or of the classes.

    Attributes:
        name: Its name, such as that of a column; empty if it has none.
        classes: The names of the classes in the order of their numbers; empty where these are their names,
            and where targets are values.
    """

    name: str = ""
    classes: tuple[str, ...] = ()
