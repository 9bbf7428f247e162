"""Batches of the data for the training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from optnas.data import Part, Splits, augment, positions
from optnas.data.trees import Tree, mapped, pieces
from optnas.interrupts import stopping
from optnas.space.shapes import numbers_in
from optnas.train.balance import balanced_order
from optnas.train.checks import check_mixable, is_dense, is_scaled
from optnas.train.lanes import await_gpu, lent, pass_on
from optnas.train.memory_format import channels_last
from optnas.train.training import Training

__all__ = ["InOrder", "Shuffled", "batch_sizes", "block_bytes"]

# Size of a block of inputs in float32, which is then cut into batches: a small data set's epoch is one
# block, and a large data set's epoch is never in memory at once.
_BLOCK_BYTES = 64 * 2**20

_COLORS = ("brightness", "contrast", "saturation")
_BEGUN = ("epoch", "block", "block_cpu")


def batch_sizes(samples: int, size: int) -> list[int]:
    """Return the sizes of an epoch's batches; one left-over sample, too few for batch norm, is dropped."""
    whole, rest = divmod(samples, size)
    if samples == 1:  # such as a graph, of which every node is learned
        return [1]
    return [size] * whole + [rest] * (rest > 1)


class Shuffled:
    """An epoch's batches of inputs and targets, in an order drawn from a generator.

    Samples of up to ``most_bytes``, a block, are shuffled, prepared and augmented at once; the batches are
    slices of them.

    Args:
        parts: The data.
        sizes: The sizes of the batches.
        training: The training settings, checked by :func:`~optnas.train.checks.check_augmentation`.
        generator: Generator of the order and of augmentation.
        most_bytes: The most bytes of a block.
    """

    def __init__(
        self,
        parts: Splits,
        sizes: list[int],
        training: Training,
        generator: torch.Generator,
        most_bytes: int = _BLOCK_BYTES,
    ) -> None:
        self._parts, self._sizes, self._training, self._generator = parts, sizes, training, generator
        self._block = _block(parts.train, sizes[0], most_bytes)
        self._begun = dict.fromkeys(_BEGUN, generator.get_state())
        self._skipped = 0

    @property
    def generators(self) -> dict[str, Tensor]:
        """States of random generators from which :meth:`resume` makes the rest of this epoch.

        ``epoch`` and ``block`` are the generator's at the beginning of the epoch and of the current block;
        ``block_cpu`` is PyTorch's own on the CPU, which a data set of one's own may draw from.
        """
        return {name: self._begun[name] for name in _BEGUN}

    def resume(self, generators: Mapping[str, Tensor], batches: int) -> None:
        """Begin after the first ``batches`` batches; both generators are as they were then.

        Only what is left of the epoch is read. (Random transforms of a data set that background processes
        read are not those that an undisturbed epoch would have drawn.)
        """
        self._begun, self._skipped = {name: generators[name] for name in _BEGUN}, batches

    def _order(self) -> Tensor:
        part, count = self._parts.train, sum(self._sizes)
        if self._training.balanced:
            with lent():  # while what was launched before is waited for
                classes = part.y.cpu()
            return balanced_order(classes, count, self._sizes[0], self._generator)
        return torch.randperm(len(part), generator=self._generator)[:count]

    def __iter__(self) -> Iterator[tuple[Tree, Tree]]:
        generator, size = self._generator, self._sizes[0]
        skipped, inside = divmod(self._skipped * size, self._block)
        if self._skipped == len(self._sizes):
            return
        now, now_cpu = generator.get_state(), torch.get_rng_state()
        generator.set_state(self._begun["epoch"])
        order = self._order()
        if inside:
            generator.set_state(self._begun["block"])
            torch.set_rng_state(self._begun["block_cpu"])
        elif skipped:
            generator.set_state(now)
        blocks = self._parts.train.blocks(self._block, order[skipped * self._block :])
        while True:
            self._begun |= {"block": generator.get_state(), "block_cpu": torch.get_rng_state()}
            if (block := next(blocks, None)) is None:
                return
            x, y = _augmented(*block, self._parts, self._training, generator)
            if inside:
                torch.set_rng_state(now_cpu)
            pairs = zip(pieces(mapped(channels_last, x), size), pieces(y, size), strict=True)
            yield from islice(pairs, inside // size, None)
            inside = 0


class InOrder:
    """A part of the data in its stored order, in batches of ``size``, inputs prepared by ``prepare``."""

    def __init__(self, part: Part, size: int, prepare: Callable[[Tree], Tree]) -> None:
        self._part, self._size, self._prepare = part, size, prepare

    @property
    def targets(self) -> Tree:
        return self._part.y

    def __iter__(self) -> Iterator[tuple[Tree, Tree]]:
        for block, targets in self._part.blocks(_block(self._part, self._size)):
            for x, y in zip(pieces(block, self._size), pieces(targets, self._size), strict=True):
                stopping.check()
                yield mapped(channels_last, self._prepare(x)), y
                pass_on()
        await_gpu()  # for the results that are read next


def _block(part: Part, size: int, most_bytes: int = _BLOCK_BYTES) -> int:
    """Return the number of samples per block, a multiple of the batch size."""
    return max(1, most_bytes // (4 * numbers_in(part.shape) * size)) * size


def block_bytes(part: Part) -> int:
    """Return the approximate bytes of the largest block of ``part``, prepared for the network."""
    return min(_BLOCK_BYTES, 4 * numbers_in(part.shape) * len(part))


def _augmented(
    x: Tree, y: Tree, parts: Splits, training: Training, generator: torch.Generator
) -> tuple[Tree, Tree]:
    """Augment and prepare a block of inputs; return it with its targets."""
    # What moves pixels runs before preparation, while they are in a small type; colours while 0 is black.
    if training.crop:
        move = partial(augment.crop, margin=training.crop, padding=training.padding)
        shift = partial(positions.crop, margin=training.crop)
        x, y = _moved(move, shift, x, y, generator, parts)
    if training.flip:
        x, y = _moved(augment.flip, positions.flip, x, y, generator, parts)
    if training.rotate:
        turn = partial(augment.rotate, degrees=training.rotate, padding=training.padding)
        around = partial(positions.rotate, degrees=training.rotate)
        x, y = _moved(turn, around, x, y, generator, parts, partial(turn, nearest=True))
    if colors := {name: strength for name in _COLORS if (strength := getattr(training, name))}:
        x = augment.colors(x, generator, **{**dict.fromkeys(_COLORS, 0.0), **colors})
    x = parts.prepare(x)
    if training.cutout:
        x = augment.cutout(x, training.cutout, generator)
    if training.mixup:
        check_mixable(x)
        targets = y if y.is_floating_point() else one_hot(y.long(), parts.outputs).to(x.dtype)
        x, y = augment.mixup(x, targets, training.mixup, generator)
    return x, y


def _moved(
    move: Callable[..., Tensor],
    move_points: Callable[..., Tensor],
    x: Tensor,
    y: Tree,
    generator: torch.Generator,
    parts: Splits,
    move_classes: Callable[..., Tensor] | None = None,
) -> tuple[Tensor, Tree]:
    """Move the pixels of images at random, and those of dense targets and positions in the same way.

    ``move_classes`` moves targets that are whole numbers; by default they are moved as images are.
    """
    before = generator.clone_state()
    sides: tuple[int, int] = (x.shape[2], x.shape[3])

    def along(target: Tensor, kind: str | None) -> Tensor:
        again = before.clone_state()
        if kind is not None:
            return positions.moved(kind, target, *sides, partial(move_points, generator=again))
        if not (is_dense(target, parts.train) or is_scaled(target, parts.train)):
            return target
        by = move if target.is_floating_point() or move_classes is None else move_classes
        return by(target.reshape(len(target), -1, *target.shape[-2:]), generator=again).view_as(target)

    return move(x, generator=generator), mapped(along, y, positions.kinds_of(y, parts.kinds))
