"""Samples that a generator makes."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

from torch import Tensor, nn

from optnas.answers.answer import Answer, Record
from optnas.answers.denoising import ddim
from optnas.data.schemas import Schema, schema_of, schema_record
from optnas.data.schemas.json_numbers import as_number
from optnas.data.trees import Tree
from optnas.errors import UserError

__all__ = ["Generated"]

_MOST_LEVELS = 1_000_000


@dataclasses.dataclass(frozen=True)
class Generated(Answer):
    """Samples that a network makes of noise, in the layout and the unit of those that it learned from.

    Attributes:
        like: The schema of the samples that it learned from: of pictures, images of Pillow are made.
        levels: Levels of noise of a diffusion, each a step; ``None`` for a network that makes them at once.
        most: What normalised samples of a diffusion are kept between at each step, either side of 0.
    """

    kind = "generated"

    like: Schema
    levels: int | None = None
    most: float = 0.0

    def record(self) -> dict[str, Any]:
        return {"like": schema_record(self.like), "levels": self.levels, "most": self.most}

    @classmethod
    def of(cls, record: Record) -> Self:
        levels, like = record["levels"], schema_of(record["like"])
        if levels is not None and not (isinstance(levels, int) and 1 < levels <= _MOST_LEVELS):
            raise ValueError(f"{levels!r} is no number of levels of noise")
        if not isinstance(like.shape, tuple):
            raise ValueError("a generator makes one tensor")
        return cls(like, levels, as_number(record["most"]))

    def __call__(self, module: nn.Module, inputs: Tree, **options: Any) -> Any:
        """Return samples made of a batch of noise."""
        if options:
            raise TypeError(f"predict() takes no {', '.join(options)} for generated samples")
        if self.levels is None:
            return self.read(module(inputs))
        return self.read(ddim(module, inputs["x"], self.levels, self.most))

    def read(self, outputs: Tensor) -> Any:
        """Return normalised samples (samples, …) in the layout and unit of the training data."""
        try:
            made = outputs.float().reshape(len(outputs), *self.like.shape)
        except RuntimeError:
            raise UserError(
                f"the network makes {tuple(outputs.shape[1:])}, and a sample is {self.like.shape}"
            ) from None
        return self.like.unprepared(made)

    def unread(self) -> str:
        if self.levels is None:
            return "a normalised sample: times the deviation, plus the mean of those that it learned from"
        return (
            f"the noise in a sample at one of {self.levels} levels, which is one denoising"
            f" step: ``tasks.ddim``"
            " runs the file once a level, and makes a normalised sample"
        )

    def told(self) -> str:
        return f"samples like those that it learned from: {self.like.told()}"
