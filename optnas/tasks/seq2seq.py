"""Sequence to sequence: generate the sequence that belongs to another, such as its translation."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from optnas.answers import Answer, Decoded
from optnas.answers.decoded import MOST_BEAMS
from optnas.answers.decoding import beam_search
from optnas.data import Data, Pairs
from optnas.data.schemas.sequences import Sequences
from optnas.data.tokens import BEGIN, END, PADDING
from optnas.data.trees import joined
from optnas.errors import UserError, nearest
from optnas.space.shapes import Shapes
from optnas.tasks._chance import entropy
from optnas.tasks._torchmetrics import torchmetrics
from optnas.train.task import Batches, Task

__all__ = ["Seq2Seq", "seq2seq"]

_BEAM = ("beam_bleu", "beam_exact")
# Of a larger training part so many samples.
_MOST_COPIED = 5_000


@dataclasses.dataclass(frozen=True)
class Seq2Seq(Task):
    """Sequence-to-sequence task: cross-entropy of the next token, given the source and all tokens before.

    In training the tokens before are the true ones (teacher forcing). The metrics are of sequences that the
    network generates by itself: ``exact`` (share that are the true ones) and ``bleu`` (corpus BLEU of up to
    four tokens; Papineni et al. 2002), both 0 to 1, by greedy search; if asked for also ``beam_exact`` and
    ``beam_bleu``, by beam search. ``loss`` (nats a token) is with the true ones before.

    Attributes:
        data: Inputs ``source`` and ``target``, tokens, and targets filled up with -1, as ``data.pairs`` makes
            them.
        beams: Hypotheses of beam search.
        asked: The metrics asked for; those by beam search are measured only if they are among them.
    """

    data: Data
    beams: int = 4
    asked: frozenset[str] = frozenset()
    metrics = ("bleu", "exact", "loss", *_BEAM)

    def __post_init__(self) -> None:
        if not isinstance(self.beams, int) or not 0 < self.beams <= MOST_BEAMS:
            raise UserError(f"seq2seq(beams={self.beams!r}): give a whole number from 1 to {MOST_BEAMS:,}")
        for name in sorted(self.asked.difference(self.metrics)):
            raise UserError(f"seq2seq does not measure {name!r}: {nearest(name, self.metrics)}")

    def measuring(self, names: Iterable[str]) -> Seq2Seq:
        return dataclasses.replace(self, asked=self.asked.union(names))

    @property
    def context(self) -> Mapping[str, Any]:
        return {"vocabulary": self.data.outputs, "outputs": self.data.outputs}

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self._length, self.data.outputs)

    @property
    def answer(self) -> Answer:
        schema = self.data.schema
        if not isinstance(schema, Sequences):
            return Decoded((), self._length, self.beams)
        texts = isinstance(self.data, Pairs) and all(isinstance(each, str) for each in self.data.targets)
        return Decoded(schema.words, self._length, self.beams, texts)

    @property
    def _length(self) -> int:
        return int(self.data.shape["target"][0])

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Return the mean cross-entropy of logits (batch, length, tokens) and targets (batch, length)."""
        return cross_entropy(
            outputs.flatten(0, 1),
            targets.flatten().long(),
            ignore_index=-1,
            label_smoothing=label_smoothing,
        )

    def evaluate(self, module: nn.Module, batches: Batches) -> dict[str, float]:
        """Return the metrics of ``module``, which generates a target for each source."""
        sources, outputs = [], []
        for inputs, _ in batches:
            sources.append(inputs["source"])
            outputs.append(module(inputs))
        found = {"loss": self.loss(joined(outputs).float(), batches.targets).item()}
        found |= self._agreement(self._generated(module, sources, 1), batches.targets)
        if self.asked.intersection(_BEAM):
            beam = self._agreement(self._generated(module, sources, self.beams), batches.targets)
            found |= {f"beam_{name}": value for name, value in beam.items()}
        return found

    def _generated(self, module: nn.Module, sources: list[Tensor], beams: int) -> Tensor:
        return torch.cat([beam_search(module, each, self._length, beams=beams) for each in sources])

    def _agreement(self, found: Tensor, targets: Tensor) -> dict[str, float]:
        """Return how well generated tokens (samples, length) agree with targets (samples, length)."""
        texts = [[_text(row) for row in tokens.tolist()] for tokens in (found, targets)]
        exact = sum(a == b for a, b in zip(*texts, strict=True)) / len(targets)
        bleu = torchmetrics().text.bleu_score(texts[0], [[text] for text in texts[1]])
        return {"bleu": float(bleu), "exact": exact}

    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Return what copying has: the source, or the target of the source that agrees in most places."""
        parts = self.data.splits
        order = torch.arange(min(len(parts.train), _MOST_COPIED))
        (known, answers), (asked, truth) = (
            next(part.blocks(len(part), among))
            for part, among in ((parts.train, order), (parts.validation, None))
        )
        alike = [(known["source"] == row).sum(dim=1).argmax() for row in asked["source"]]
        return {
            "copying the source": self._agreement(asked["source"], truth),
            "the target of the most similar source": self._agreement(answers[torch.stack(alike)], truth),
        }

    @cached_property
    def chance(self) -> Mapping[str, float]:
        targets: Tensor = self.data.splits.validation.y
        counts = targets[targets >= 0].bincount().double()
        often = Counter(map(tuple, targets.tolist())).most_common(1)[0][1] / len(targets)
        return {"loss": entropy(counts / counts.sum()), "bleu": 0.0, "exact": often}

    @property
    def ideal(self) -> Mapping[str, float]:
        return {**dict.fromkeys(self.metrics, 1.0), "loss": 0.0}

    def at_chance(self, metrics: Mapping[str, float]) -> str | None:
        by_frequency = self.chance["loss"]
        if metrics["loss"] < by_frequency:
            return None
        return f"loss {metrics['loss']:.3f} is at chance: the frequencies of tokens have {by_frequency:.3f}"

    def check(self) -> None:
        splits = self.data.splits
        shape, targets = splits.train.shape, splits.train.y
        named = isinstance(shape, Shapes) and {"source", "target"} <= set(shape)
        if not named or not isinstance(targets, Tensor) or targets.shape[1:] != shape["target"]:
            raise UserError(
                f"data {self.data.name!r}: seq2seq takes inputs 'source' and 'target', tokens, and a target"
                " token for each position of 'target': make them with data.pairs"
            )
        if targets.is_floating_point():
            raise UserError(f"data {self.data.name!r}: target tokens must be whole numbers")
        torchmetrics()


def _text(row: list[int]) -> str:
    """Return tokens up to the end as words of a text, which torchmetrics takes."""
    until = row.index(END) if END in row else len(row)
    return " ".join(str(token) for token in row[:until] if token not in (PADDING, BEGIN, -1))


def seq2seq(data: Data, *, beams: int = 4, metrics: Iterable[str] = ()) -> Seq2Seq:
    """Return the task of generating the target that belongs to each source of ``data``.

    Args:
        data: Pairs of sequences, as of ``data.pairs``.
        beams: Hypotheses of beam search, for ``beam_exact`` and ``beam_bleu``.
        metrics: More metrics to record, of these two. The metrics of a study's objectives and constraints
            are measured anyway.

    Raises:
        UserError: If there is no such metric, or ``beams`` is none.
    """
    return Seq2Seq(data, beams, frozenset(metrics))
