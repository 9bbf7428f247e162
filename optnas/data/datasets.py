"""Data sets of a ``torch.utils.data.Dataset``: held in memory where they fit, streamed where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from optnas.data.data import Data, Part, Split, Splits
from optnas.data.labels import checked_labels, labels_in_range
from optnas.data.normalize import Normalize, block_size
from optnas.data.reader import Reader
from optnas.data.split import subset, three_parts
from optnas.data.streamed import Streamed
from optnas.errors import UserError

__all__ = ["dataset"]

MEMORY = 4 * 2**30
"""Bytes of inputs up to which a data set is held in memory by default."""

# The mean of so many samples is known well enough; a data set that is streamed may have millions.
_STREAMED_FIGURES = 4096

Indices = np.ndarray[Any, Any]


def dataset(
    train: Any,
    test: Any = 0.2,
    *,
    validation: float = 0.2,
    samples: int | None = None,
    seed: int = 0,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    classes: int | None = None,
    labels: Sequence[int] | None = None,
    memory: float = MEMORY,
    readers: int = 2,
    name: str = "dataset",
) -> Data:
    """Make a data set for classification of a ``torch.utils.data.Dataset``.

    Its samples are pairs of an input (a PIL image, an array or a tensor) and a class. What fits in
    memory is read once and lives on the device, images as bytes; what does not is read anew for every
    epoch by processes in the background. Either way a network sees channels of mean 0 and variance 1
    by the training part's figures (of 4,096 of its samples, where they are streamed).

    Args:
        train: The samples, or a function that returns them, called when they are first looked at.
        test: The same for the official test part, or, where there is none, the share of the samples
            held out for the winner.
        validation: Share of the samples held out to score candidates, with the classes' shares kept.
        samples: How many of the samples to use, with the classes' shares kept; by default all. The
            official test part is always used whole.
        seed: Of the choice of samples and of the split.
        size: Height and width, or one number for both, to bring images to: they are cut to these
            proportions around their middle and scaled.
        channels: 1 to make images grey, 3 to make them coloured.
        classes: How many classes there are; by default as many as the data set has names for in
            ``.classes``, or as the labels show.
        labels: The class of each sample of ``train``, where it is known: otherwise every sample is
            read once for it.
        memory: Bytes of inputs up to which they are held in memory, by default 4 GiB.
        readers: Processes that read in the background what is not; 0 reads in this one.
        name: What it is called in records.

    Raises:
        UserError: At once if a value is out of its range. When the data is first looked at, if a
            sample cannot be read or is not like the others, a label is out of range, or a class has
            no sample.
    """
    if channels not in (None, 1, 3):
        raise UserError(f"data {name!r}: channels={channels!r} must be 1 (grey) or 3 (coloured)")
    sides = (size, size) if isinstance(size, int) else size
    if sides is not None and (len(sides) != 2 or min(sides) < 1):
        raise UserError(f"data {name!r}: size={size!r} must be a height and a width in pixels")
    if readers < 0:
        raise UserError(f"data {name!r}: readers={readers} must be at least 0")

    def load() -> Splits:
        opened = train() if callable(train) else train
        source = Reader(name, opened, size=sides, channels=channels)
        names = getattr(opened, "classes", None)
        known = classes or (len(names) if isinstance(names, list | tuple) else None)
        y = checked_labels(name, source.labels if labels is None else labels, known)
        if len(y) != len(source):
            raise UserError(f"data {name!r}: {len(y)} labels do not fit {len(source)} samples: give one each")
        outputs = known or int(y.max()) + 1
        used = subset(name, y, samples, seed)
        held_out = test() if callable(test) else test
        share = held_out if isinstance(held_out, float | int) else 0.0
        chosen = [
            (source, used[part], y[used[part]])
            for part in three_parts(name, len(used), validation, share, seed, y[used])
        ]
        if not isinstance(held_out, float | int):
            official = Reader(name, held_out, size=sides, channels=channels)
            official.check_like(source)
            labelled = labels_in_range(name, official.labels, outputs)
            chosen[2] = (official, np.arange(len(official)), labelled)
        return _splits(chosen, outputs, memory, readers)

    return Data(name, load)


def _splits(
    chosen: Sequence[tuple[Reader, Indices, Indices]], outputs: int, memory: float, readers: int
) -> Splits:
    """Return the three parts, each of some samples of a reader with their labels."""
    first = chosen[0][0].first
    streamed = sum(len(indices) for _, indices, _ in chosen) * first.numel() * first.element_size() > memory

    def part(reader: Reader, indices: Indices, labels: Indices) -> Part:
        y = torch.from_numpy(labels)
        if streamed:
            return Streamed(reader, torch.from_numpy(indices), y, readers)
        return Split(reader.read(indices), y)

    train, valid, tested = (part(*of) for of in chosen)
    seen = min(len(train), _STREAMED_FIGURES) if streamed else len(train)
    blocks = train.blocks(block_size(train.shape), torch.arange(seen))
    return Splits(train, valid, tested, outputs, Normalize.by(x.numpy() for x, _ in blocks))
