"""Language modelling: predict the next token at every position of a text."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Unpack

from torch import Tensor

from optnas.answers import Answer, Continuation
from optnas.data import Data
from optnas.data.schemas import Texts
from optnas.errors import UserError
from optnas.tasks._chance import class_shares, entropy
from optnas.train.losses import ClassSettings, class_loss
from optnas.train.task import Task

__all__ = ["Language", "language"]


@dataclasses.dataclass(frozen=True)
class Language(Task):
    """Language modelling task: cross-entropy of the next token at each position.

    Measures ``loss`` (mean over tokens, nats), ``perplexity`` (its exponential) and
    ``bits_per_character`` (the loss in bits, if a token is a character, as in ``data.text``).

    Attributes:
        data: Windows of tokens, shape (samples, length); targets are the token after each of them.
    """

    data: Data
    metrics = ("loss", "perplexity", "bits_per_character")
    learns_classes = True

    @property
    def context(self) -> Mapping[str, Any]:
        return {"vocabulary": self.data.outputs, "outputs": self.data.outputs}

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (*self.data.shape, self.data.outputs)

    @property
    def answer(self) -> Answer:
        schema = self.data.schema
        return Continuation(schema.alphabet if isinstance(schema, Texts) else "")

    def loss(self, outputs: Tensor, targets: Tensor, **settings: Unpack[ClassSettings]) -> Tensor:
        """Return the mean cross-entropy, or focal loss, of logits (batch, length, tokens).

        Targets are tokens, shape (batch, length).
        """
        return class_loss(outputs.flatten(0, 1), targets.flatten().long(), **settings)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Return the metrics of logits (samples, length, tokens) against tokens (samples, length)."""
        loss = self.loss(outputs.float(), targets)
        return {
            "loss": loss.item(),
            "perplexity": loss.exp().item(),
            "bits_per_character": loss.item() / math.log(2),
        }

    @cached_property
    def chance(self) -> Mapping[str, float]:
        loss = entropy(class_shares(self.data.splits.validation.y))
        return {"loss": loss, "perplexity": math.exp(loss), "bits_per_character": loss / math.log(2)}

    @property
    def ideal(self) -> Mapping[str, float]:
        return {"loss": 0.0, "perplexity": 1.0, "bits_per_character": 0.0}

    def at_chance(self, metrics: Mapping[str, float]) -> str | None:
        if metrics["perplexity"] < self.data.outputs:
            return None
        return f"perplexity {metrics['perplexity']:.1f} is at chance: there are {self.data.outputs} tokens"

    def check(self) -> None:
        targets = self.data.splits.train.y
        if len(self.data.shape) != 1 or targets.shape[1:] != self.data.shape or targets.is_floating_point():
            raise UserError(
                f"data {self.data.name!r} is not text, windows of tokens with as many targets: use data.text"
            )


def language(data: Data) -> Language:
    """Return the task of predicting the next token in the text of ``data``, such as ``data.text()``."""
    return Language(data)
