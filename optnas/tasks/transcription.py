"""Transcription: the symbols of a series, such as the sounds of speech, without knowing where each is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss

from optnas.answers import Answer, Symbols
from optnas.answers.symbols import transcribed
from optnas.data import Data
from optnas.data.schemas import Target
from optnas.errors import UserError
from optnas.space.shapes import AnyShape
from optnas.tasks._sounds import by_nearest_mean
from optnas.tasks._torchmetrics import torchmetrics
from optnas.train.task import Task

__all__ = ["Transcription", "transcription"]

# Of a larger training part so many samples give the means of the baseline well enough.
_MOST_FITTED = 2_000


@dataclasses.dataclass(frozen=True)
class Transcription(Task):
    """Transcription task: connectionist temporal classification (Graves et al. 2006).

    A network gives a score for each symbol, and last for the blank between symbols, at each frame that it
    keeps: (frames, symbols + 1). Measures ``error_rate`` (edits that turn the transcripts into the true
    ones, over the symbols of the true ones: the character or word error rate), ``exact`` (share of
    transcripts without an error) and ``loss`` (nats a symbol).

    Attributes:
        data: Series (length, features), with targets (samples, symbols): symbols from 0 on in their order,
            shorter ones filled with -1.
    """

    data: Data
    metrics = ("error_rate", "exact", "loss")
    smooths_labels = False

    @property
    def context(self) -> Mapping[str, Any]:
        return {"vocabulary": self.data.outputs + 1, "outputs": self.data.outputs + 1}

    @property
    def output_shape(self) -> None:
        return None  # as many frames as the network keeps: see misfit

    def misfit(self, shape: AnyShape) -> str | None:
        """Return in words that it takes a score for each symbol and the blank, at frames enough."""
        scores, symbols = self.data.outputs + 1, self._longest
        if not isinstance(shape, tuple) or len(shape) != 2 or shape[1] != scores:
            return (
                f"the task takes (frames, {scores}), a score for each symbol and the blank at each frame:"
                " end the space with lm_head"
            )
        if shape[0] < symbols:
            return (
                f"the task takes at least ({symbols}, {scores}), as the longest transcript has {symbols}"
                " symbols, and there is one a frame at most: keep more frames, by smaller strides"
            )
        return None

    @cached_property
    def _longest(self) -> int:
        """Symbols of the longest transcript of the training part."""
        targets: Tensor = self.data.splits.train.y
        return int((targets >= 0).sum(dim=1).max())

    @property
    def answer(self) -> Answer:
        target = self.data.target
        return Symbols(target.classes if isinstance(target, Target) else ())

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Return the mean loss a symbol of logits (batch, frames, symbols + 1) and targets (batch, symbols).

        Raises:
            UserError: If the outputs are of another shape.
        """
        blank = self.data.outputs
        if outputs.ndim != 3 or outputs.shape[2] != blank + 1:
            raise UserError(
                f"transcription takes (frames, {blank + 1}), a score for each symbol and the blank at each"
                f" frame, not {tuple(outputs.shape[1:])}: end the space with lm_head"
            )
        count, frames, _ = outputs.shape
        lengths = (targets >= 0).sum(dim=1)
        return ctc_loss(
            outputs.float().log_softmax(dim=2).transpose(0, 1),
            targets.clamp(min=0).long(),
            torch.full((count,), frames, dtype=torch.long, device=lengths.device),
            lengths,
            blank=blank,
            # A network that keeps fewer frames than a transcript has symbols cannot have it.
            zero_infinity=True,
        )

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Return the metrics of logits (samples, frames, symbols + 1) against targets (samples, symbols)."""
        return {"loss": self.loss(outputs, targets).item(), **self._errors(transcribed(outputs), targets)}

    def _errors(self, found: Sequence[Sequence[int]], targets: Tensor) -> dict[str, float]:
        true = [[symbol for symbol in row if symbol >= 0] for row in targets.tolist()]
        texts = [["".join(map(_letter, row)) for row in rows] for rows in (found, true)]
        exact = sum(a == b for a, b in zip(*texts, strict=True)) / len(true)
        return {"error_rate": float(torchmetrics().text.char_error_rate(*texts)), "exact": exact}

    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Return what the nearest mean of each sound between silence has."""
        parts = self.data.splits
        order = torch.arange(min(len(parts.train), _MOST_FITTED))
        (block, targets), (asked, truth) = (
            next(part.blocks(len(part), among))
            for part, among in ((parts.train, order), (parts.validation, None))
        )
        found = by_nearest_mean(parts.prepare(block).float(), targets, parts.prepare(asked).float())
        return {"the nearest mean of each sound between silence": self._errors(found, truth)}

    @property
    def chance(self) -> Mapping[str, float]:
        # Of empty transcripts every symbol is missing.
        return {"error_rate": 1.0, "exact": self._empty}

    @property
    def ideal(self) -> Mapping[str, float]:
        return {"error_rate": 0.0, "exact": 1.0, "loss": 0.0}

    def at_chance(self, metrics: Mapping[str, float]) -> str | None:
        if metrics["error_rate"] < 1:
            return None
        return f"error_rate {metrics['error_rate']:.3f} is at chance: empty transcripts have 1"

    @cached_property
    def _empty(self) -> float:
        """The share of validation samples whose transcript is empty."""
        targets: Tensor = self.data.splits.validation.y
        return (targets < 0).all(dim=1).float().mean().item()

    def check(self) -> None:
        splits = self.data.splits
        targets = splits.train.y
        if len(splits.train.shape) != 2 or not isinstance(targets, Tensor) or targets.ndim != 2:
            raise UserError(
                f"data {self.data.name!r}: transcription takes series (length, features) with targets"
                " (samples, symbols), whole numbers filled up with -1"
            )
        if targets.is_floating_point() or not (targets >= 0).any():
            raise UserError(
                f"data {self.data.name!r}: symbols must be whole numbers from 0 on, filled up with -1, and"
                " there must be one"
            )
        filled = targets < 0
        if (filled[:, :-1] & ~filled[:, 1:]).any():
            raise UserError(f"data {self.data.name!r}: a transcript goes on after -1, which fills up its end")
        torchmetrics()


def _letter(symbol: int) -> str:
    return chr(0x4E00 + symbol)  # torchmetrics counts edits of letters; from here on they are all plain


def transcription(data: Data) -> Transcription:
    """Return the task of writing down what each series of ``data`` has in its order, such as its phones."""
    return Transcription(data)
