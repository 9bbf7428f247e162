"""The symbols of a series, as a network of connectionist temporal classification reads them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

from torch import Tensor

from optnas.answers.answer import Answer, Record
from optnas.answers.classes import checked_names

__all__ = ["Symbols", "transcribed"]


@dataclasses.dataclass(frozen=True)
class Symbols(Answer):
    """The symbols of each series, in their order: a list for each.

    Attributes:
        names: The names of the symbols in the order of their numbers; empty where these are their names.
    """

    kind = "symbols"

    names: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        return {"names": list(self.names)}

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls(checked_names(record["names"]) if record["names"] else ())

    def read(self, outputs: Tensor) -> list[list[Any]]:
        """Return the symbols in logits (samples, frames, symbols + 1), of which the blank is the last."""
        found = transcribed(outputs)
        return [[self.names[each] for each in row] for row in found] if self.names else found

    def unread(self) -> str:
        return (
            "of each frame the logits of the symbols and of the blank: ``tasks.transcribed``"
            " reads the symbols"
        )

    def told(self) -> str:
        of = "" if self.names else ", numbers from 0 on"
        return f"a list for each sample: its symbols in their order{of}"


def transcribed(outputs: Tensor) -> list[list[int]]:
    """Return the symbols of each sample in the output of a network of :func:`transcription`.

    They are the likeliest of each frame, repetitions and blanks left out.

    >>> import optnas
    >>> from optnas import tasks
    >>> symbols = tasks.transcribed(optnas.load("runs/speech-2")(sounds))  # doctest: +SKIP

    Args:
        outputs: What the network puts out, shape (samples, frames, symbols + 1), the blank last.
    """
    return [_collapsed(frames, outputs.shape[2] - 1) for frames in outputs.argmax(dim=2).tolist()]


def _collapsed(frames: Sequence[int], blank: int) -> list[int]:
    """Return the frames without repetitions and blanks."""
    before = [blank, *frames[:-1]]
    return [now for now, last in zip(frames, before, strict=True) if now not in (last, blank)]
