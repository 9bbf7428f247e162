"""Data sets from a ``torch.utils.data.Dataset``: held in memory if they fit, else streamed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from optnas.data.data import Data, Part, Split, Splits
from optnas.data.labels import checked_labels, class_names, labels_in_range, labels_of, numbered
from optnas.data.layout import Layout
from optnas.data.normalize import Normalize, Normalized, block_size
from optnas.data.origin import Origin, at_random_told
from optnas.data.reader import Reader
from optnas.data.schemas import Arrays, Schema, Target
from optnas.data.schemas.pictures import of_pixels
from optnas.data.split import subset, three_parts
from optnas.data.streamed import Streamed
from optnas.errors import UserError

__all__ = ["dataset"]

MEMORY = 4 * 2**30
"""Bytes of inputs up to which a data set is held in memory by default."""

# So many samples give mean and variance well enough; a streamed data set may have millions.
_STREAMED_FIGURES = 4096

Indices = np.ndarray[Any, Any]

Chosen = tuple[Reader, Indices, Indices]
"""A part of a data set: its reader, the indices of its samples there, and their labels."""


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
    labels: Sequence[int | str] | None = None,
    memory: float = MEMORY,
    readers: int = 2,
    name: str = "dataset",
) -> Data:
    """Make a data set for classification from a ``torch.utils.data.Dataset``.

    Its samples are pairs of an input (a PIL image, an array or a tensor) and a class (a whole number from 0
    on, a text or a boolean; texts are numbered in alphabetical order). PIL images become grey or RGB, turned
    as their EXIF orientation says, and laid on white where they are transparent; grey ones of 16 bits keep
    them, and those of 8 beside them are scaled to 16. A data set that fits in memory is read once and lives
    on the device, images as bytes; a larger one is read anew for every epoch by background processes. Either
    way a network's inputs have channels or features of mean 0 and variance 1 by the statistics of the
    training part (of 4,096 of its samples, if it is streamed).

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
    labels: Sequence[int | str] | None,
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
    y, outputs, names = _labelled(name, opened, source, classes, labels)
    used = subset(name, y, samples, seed)
    share = held_out if isinstance(held_out, float | int) else 0.0
    chosen = [
        (source, used[part], y[used[part]])
        for part in three_parts(name, len(used), validation, share, seed, y[used])
    ]
    if official is not None:
        official.check_like(source)
        labelled = labels_in_range(name, numbered(name, official.labels, names), outputs)
        chosen[2] = (official, np.arange(len(official)), labelled)
    found = _splits(chosen, outputs, memory, readers)
    called = _called(opened, outputs) if names is None else tuple(map(str, names))
    told = at_random_told(validation, share, seed, stratified=True)
    if official is not None:
        told = f"{told}; the test part is the data set's own"
    origin = Origin(split=told, test="random" if official is None else "given")
    return dataclasses.replace(found, target=Target("", called), origin=origin)


def _called(opened: Any, outputs: int) -> tuple[str, ...]:
    """Return the names of the classes that a data set lists; some of torchvision have several for one."""
    listed = getattr(opened, "classes", None)
    if not isinstance(listed, list | tuple) or len(listed) != outputs:
        return ()
    return tuple(
        ", ".join(map(str, each)) if isinstance(each, list | tuple) else str(each) for each in listed
    )


def _labelled(
    name: str, opened: Any, source: Reader, classes: int | None, labels: Sequence[int | str] | None
) -> tuple[Indices, int, Indices | None]:
    """Return the class of each sample, the number of classes, and their names if the labels are such."""
    given = source.labels if labels is None else labels_of(name, labels)
    named = class_names(given)
    listed = getattr(opened, "classes", None)
    known = classes or (len(listed) if isinstance(listed, list | tuple) else None)
    y = checked_labels(name, numbered(name, given, named), known)
    if len(y) != len(source):
        raise UserError(f"data {name!r}: {len(y)} labels do not fit {len(source)} samples: give one each")
    return y, known or int(y.max()) + 1, named


def _splits(chosen: Sequence[Chosen], outputs: int, memory: float, readers: int) -> Splits:
    """Return the three parts, held in memory if they fit, else streamed."""
    first = chosen[0][0].first
    size = first.numel() * min(first.element_size(), 4)  # stored in float32 at most
    if sum(len(indices) for _, indices, _ in chosen) * size > memory:
        return _streamed(chosen, outputs, readers)
    return _held(chosen, outputs)


def _streamed(chosen: Sequence[Chosen], outputs: int, readers: int) -> Splits:
    parts = [
        Streamed(reader, torch.from_numpy(indices), torch.from_numpy(labels), readers)
        for reader, indices, labels in chosen
    ]
    figures, span = _figures(parts[0], chosen[0][0], min(len(parts[0]), _STREAMED_FIGURES))
    train, valid, tested = (dataclasses.replace(part, figures=figures) for part in parts)
    schema = _schema(chosen[0][0], figures, span)
    return Splits(train, valid, tested, outputs, figures, schema=schema)


def _held(chosen: Sequence[Chosen], outputs: int) -> Splits:
    parts = [Split(reader.read(indices), torch.from_numpy(labels)) for reader, indices, labels in chosen]
    figures, span = _figures(parts[0], chosen[0][0], len(parts[0]))
    schema = _schema(chosen[0][0], figures, span)
    for part, (reader, indices, _) in zip(parts, chosen, strict=True):
        size = block_size(part.shape)
        for (x, _), of in zip(part.blocks(size), torch.split(torch.from_numpy(indices), size), strict=True):
            reader.refuse_far(x, of.tolist(), figures)
    train, valid, tested = parts
    if train.x.element_size() <= 4:
        return Splits(train, valid, tested, outputs, figures, schema=schema)
    train, valid, tested = (Split(figures(part.x), part.y) for part in parts)
    return Splits(train, valid, tested, outputs, Normalized(figures), schema=schema)


def _figures(train: Part, reader: Reader, seen: int) -> tuple[Normalize, tuple[float, float]]:
    """Return the normalisation by the first ``seen`` samples of the training part, and their range."""
    spans: list[tuple[float, float]] = []

    def blocks() -> Iterator[Indices]:
        for x, _ in train.blocks(block_size(train.shape), torch.arange(seen)):
            spans.append((float(x.min()), float(x.max())))
            yield x.numpy()

    figures = Normalize.by(blocks(), reader.axes)
    lows, highs = zip(*spans, strict=True)
    return figures, (min(lows), max(highs))


def _schema(reader: Reader, figures: Normalize, span: tuple[float, float]) -> Schema:
    """Return what users have of a sample: pictures, or arrays in the layout that the data set has them in."""
    first = reader.first
    arrays = Arrays(tuple(first.shape), str(first.dtype).removeprefix("torch."), figures, span)
    return of_pixels(arrays, resized=reader.resizes) if reader.has_pictures else arrays
