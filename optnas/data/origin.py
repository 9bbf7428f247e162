"""Origin of a data set: the file that it is from, and how it was split."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

__all__ = ["Origin", "at_random_told"]


@dataclasses.dataclass(frozen=True)
class Origin:
    """The file of a data set, and how its parts were chosen.

    Attributes:
        file: The file that it was read from; ``None`` if it was none.
        split: How training, validation and test part were chosen, in words; empty if that is unknown.
        test: What the test part stands for: samples at ``"random"`` from those that were trained on, a later
            ``"time"``, other ``"groups"``, or a part that was ``"given"`` as such.
    """

    file: Path | None = None
    split: str = ""
    test: Literal["random", "time", "groups", "given", ""] = ""


def at_random_told(validation: float, test: float, seed: int, *, stratified: bool) -> str:
    """Return in words how samples were split at random."""
    classes = ", with the same shares of each class in all parts" if stratified else ""
    return (
        f"at random with seed {seed}: {100 * validation:.3g} % validation, {100 * test:.3g} % test{classes}"
    )
