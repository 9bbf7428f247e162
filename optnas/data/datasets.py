"""Data sets from a ``torch.utils.data.Dataset``: held in memory if they fit, else streamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from optnas.data.data import Data, Part, Split, Splits
from optnas.data.labels import checked_labels, labels_in_range
from optnas.data.layout import Layout
from optnas.data.normalize import Normalize, Normalized, block_size
from optnas.data.reader import Reader
from optnas.data.split import subset, three_parts
from optnas.data.streamed import Streamed
from optnas.errors import UserError

__all__ = ["dataset"]

MEMORY = 4 * 2**30
"""Bytes of inputs up to which a data set is held in memory by default."""

# So many samples give mean and variance well enough; a streamed data set may have millions.
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
    layout: Layout = "auto",
    classes: int | None = None,
    labels: Sequence[int] | None = None,
    memory: float = MEMORY,
    readers: int = 2,
    name: str = "dataset",
) -> Data:
    """Make a data set for classification from a ``torch.utils.data.Dataset``.

    Its samples are pairs of an input (a PIL image, an array or a tensor) and a class. PIL images become grey
    or RGB, turned as their EXIF orientation says, and laid on white where they are transparent; grey ones of
    16 bits keep them, and those of 8 beside them are scaled to 16. A data set that fits in memory is read
    once and lives on the device, images as bytes; a larger one is read anew for every epoch by background
    processes. Either way a network's inputs have channels or features of mean 0 and variance 1 by the
    statistics of the training part (of 4,096 of its samples, if it is streamed).

    Args:
        train: The samples, or a function that returns them, called on first use.
        test: The same for the official test part, or, if there is none, the share of the samples
            held out for the winner.
        validation: Share of the samples held out to score candidates, stratified by class.
        samples: Number of samples to use, stratified by class; by default all. The official test part
            is always used whole.
        seed: Seed of the choice of samples and of the split.
        size: Height and width of images, or one number for both: images are cropped around their
            centre to these proportions and scaled.
        channels: 1 to convert images to grey, 3 to convert them to colour.
        layout: Whether arrays and tensors have their channels or features first or last, as in
            :func:`tensors`; an image of Pillow says so itself.
        classes: Number of classes; by default the number of names in the data set's ``.classes``, or
            as the labels show.
        labels: The class of each sample of ``train``, if known: otherwise every sample is read once
            for its label, unless torchvision keeps a list of them.
        memory: Bytes of inputs up to which they are held in memory, by default 4 GiB.
        readers: Background processes that read a streamed data set; with 0 this process reads it.
        name: Its name in records.

    Raises:
        UserError: At once if a value is out of its range. On first use of the data, if a sample cannot
            be read or differs from the others in shape or type, a label is out of range, or a class
            has no sample.
    """
    sides = _checked_sides(name, size)
    if channels not in (None, 1, 3):
        raise UserError(f"data {name!r}: channels={channels!r} must be 1 (grey) or 3 (coloured)")
    if readers < 0:
        raise UserError(f"data {name!r}: readers={readers} must be at least 0")

    open_ = partial(Reader, name, size=sides, channels=channels, layout=layout)
    return Data(
        name,
        lambda: _load(
            name, train, test, open_, classes, labels, (validation, samples, seed), memory, readers
        ),
    )


def _checked_sides(name: str, size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    sides = (size, size) if isinstance(size, int) else size
    if sides is not None and (len(sides) != 2 or min(sides) < 1):
        raise UserError(f"data {name!r}: size={size!r} must be a height and a width in pixels")
    return sides


def _load(
    name: str,
    train: Any,
    test: Any,
    open_: Callable[[Any], Reader],
    classes: int | None,
    labels: Sequence[int] | None,
    split: tuple[float, int | None, int],
    memory: float,
    readers: int,
) -> Splits:
    validation, samples, seed = split
    opened = train() if callable(train) else train
    source = open_(opened)
    held_out = test() if callable(test) else test
    official = None if isinstance(held_out, float | int) else open_(held_out)
    source.bring_to_one_depth(official)
    y, outputs = _labelled(name, opened, source, classes, labels)
    used = subset(name, y, samples, seed)
    share = held_out if isinstance(held_out, float | int) else 0.0
    chosen = [
        (source, used[part], y[used[part]])
        for part in three_parts(name, len(used), validation, share, seed, y[used])
    ]
    if official is not None:
        official.check_like(source)
        labelled = labels_in_range(name, official.labels, outputs)
        chosen[2] = (official, np.arange(len(official)), labelled)
    return _splits(chosen, outputs, memory, readers)


def _labelled(
    name: str, opened: Any, source: Reader, classes: int | None, labels: Sequence[int] | None
) -> tuple[Indices, int]:
    """Return the class of each sample, and the number of classes."""
    names = getattr(opened, "classes", None)
    known = classes or (len(names) if isinstance(names, list | tuple) else None)
    y = checked_labels(name, source.labels if labels is None else labels, known)
    if len(y) != len(source):
        raise UserError(f"data {name!r}: {len(y)} labels do not fit {len(source)} samples: give one each")
    return y, known or int(y.max()) + 1


def _splits(
    chosen: Sequence[tuple[Reader, Indices, Indices]], outputs: int, memory: float, readers: int
) -> Splits:
    """Return the three parts, each from a reader, the indices of its samples there, and their labels."""
    reader = chosen[0][0]
    size = reader.first.numel() * min(reader.first.element_size(), 4)  # stored in float32 at most
    streamed = sum(len(indices) for _, indices, _ in chosen) * size > memory

    def part(reader: Reader, indices: Indices, labels: Indices) -> Part:
        y = torch.from_numpy(labels)
        if streamed:
            return Streamed(reader, torch.from_numpy(indices), y, readers)
        return Split(reader.read(indices), y)

    train, valid, tested = (part(*of) for of in chosen)
    seen = min(len(train), _STREAMED_FIGURES) if streamed else len(train)
    blocks = train.blocks(block_size(train.shape), torch.arange(seen))
    figures = Normalize.by((x.numpy() for x, _ in blocks), reader.axes)
    if streamed or reader.first.dtype != torch.float64:
        return Splits(train, valid, tested, outputs, figures)
    train, valid, tested = (_prepared(part, figures) for part in (train, valid, tested))
    return Splits(train, valid, tested, outputs, Normalized(figures))


def _prepared(part: Part, figures: Normalize) -> Split:
    """Return ``part``, normalised, in float32."""
    x, y = next(part.blocks(len(part)))
    return Split(figures(x), y)
