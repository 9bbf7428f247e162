"""Reader of the samples of a ``torch.utils.data.Dataset`` as tensors of one shape and type."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from optnas.data.depths import Depths, depths_of
from optnas.data.folder import ImageFolder
from optnas.data.labels import labels_of
from optnas.data.layout import Layout, network_axes
from optnas.data.loaders import file_of, pictures_of, with_our_loader
from optnas.data.normalize import Normalize
from optnas.data.numbers import Array, as_array, as_numbers, refuse_far, refuse_unfit
from optnas.data.pictures import pixels_of
from optnas.errors import UserError

__all__ = ["Reader"]

# Types with few operations in PyTorch, and what holds the same numbers.
_COMPUTED = {
    torch.uint16: torch.int32,
    torch.uint32: torch.int64,
    torch.uint64: torch.int64,
    torch.bool: torch.uint8,
}


class Reader:
    """Reader of a data set's inputs, which are images or convert to tensors, and of their labels.

    Args:
        name: Name of the data, for error messages.
        dataset: Has a length, and pairs of an input and a label.
        size: Height and width to bring images to, or ``None``.
        channels: Channels of images: 1 for grey, 3 for colour, or ``None`` to keep their own.
        layout: Where arrays and tensors have their channels or features.

    Raises:
        UserError: If there are no samples.
    """

    def __init__(
        self,
        name: str,
        dataset: Any,
        *,
        size: tuple[int, int] | None = None,
        channels: int | None = None,
        layout: Layout = "auto",
    ) -> None:
        self.name = name
        self._dataset = with_our_loader(dataset)
        self._size = size
        self._channels = channels
        self._scaled = False
        self._layout = layout
        self._length = _length(name, dataset)

    def __len__(self) -> int:
        return self._length

    def bring_to_one_depth(self, test: Reader | None) -> None:
        """Read pictures of 8 bits as of 16 if there are such, here or in the ``test`` part; tell it.

        Call it before anything is read.
        """
        readers = [self] if test is None else [self, test]
        depths = Depths()
        for reader in readers:
            files = pictures_of(reader._dataset)
            found = None if files is None else depths_of(files)
            if found is None:
                return
            depths = depths.with_those(found)
        if depths.mixed:
            depths.tell(self.name)
            for reader in readers:
                reader._scaled, reader._channels = True, reader._channels or depths.channels

    @property
    def resizes(self) -> bool:
        """Whether images are cropped and scaled to one size."""
        return self._size is not None

    @cached_property
    def has_pictures(self) -> bool:
        """Whether samples are images of Pillow."""
        return hasattr(self._item(0)[0], "convert")

    @cached_property
    def first(self) -> Tensor:
        """The first input; all others must have its shape and type."""
        return self._input(0)

    @cached_property
    def axes(self) -> tuple[int, ...] | None:
        """The permutation that brings a batch of inputs to the order that ops take, if they need one."""
        if self.has_pictures:
            if self._layout != "auto":
                raise UserError(
                    f"data {self.name!r}: layout= is for arrays and tensors, not for Pillow's images"
                )
            return None
        first = self._given(self._item(0)[0], 0)
        return network_axes(self.name, (len(self), *first.shape), self._layout)

    @cached_property
    def labels(self) -> Array:
        """The label of each sample, from the list that a known data set has of them."""
        if self._is_known and getattr(self._dataset, "target_transform", None) is None:
            for kept in ("targets", "labels"):
                labels = getattr(self._dataset, kept, None)
                if labels is not None and len(labels) == len(self) and self._are_labels(labels):
                    return np.asarray(labels)
        return labels_of(self.name, [self._label(index) for index in range(len(self))])

    def _label(self, index: int) -> Any:
        """Return a label as a number, a boolean or a text of Python."""
        label = self._item(index)[1]
        try:
            found = as_array(label)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"data {self.name!r}: the label of {self.where(index)}: {error}") from None
        if found.shape or found.dtype.kind not in "biufU":
            what = f"of shape {found.shape}" if found.shape else _a(label)
            raise UserError(
                f"data {self.name!r}: the label of {self.where(index)} is {what}; give each sample one whole"
                " number from 0 on, one text, or one boolean"
            )
        return found.item()

    def check_like(self, other: Reader) -> None:
        """Raise if the samples of this reader, the test part's, differ from ``other`` in shape or type.

        Raises:
            UserError: If they differ.
        """
        floating = self.first.is_floating_point() and other.first.is_floating_point()
        if self.first.shape != other.first.shape or not (floating or self.first.dtype == other.first.dtype):
            raise UserError(
                f"data {self.name!r}: the test part's samples are {_describe(self.first)},"
                f" the others {_describe(other.first)}"
            )

    def read(self, indices: Sequence[int] | Array, reading: Tensor | None = None) -> Tensor:
        """Read the inputs of the samples ``indices``, shape (samples, …).

        Args:
            reading: Is set to the index of the sample that is being read.

        Raises:
            UserError: If a sample cannot be read, differs from the first in shape or type, or holds a
                value that is not finite; the message names the sample.
        """
        if self._held is not None:
            return self._held[torch.as_tensor(indices)]
        block = torch.empty(len(indices), *self.first.shape, dtype=self.first.dtype)
        for place, index in enumerate(indices):
            if reading is not None:
                reading.fill_(int(index))
            block[place] = self._like_the_first(int(index))
        return block

    def refuse_far(self, x: Tensor, indices: Sequence[int], figures: Normalize) -> None:
        """Raise if an input is too large once it is normalised by ``figures``.

        Args:
            x: The inputs of the samples ``indices``, as :meth:`read` returns them.

        Raises:
            UserError: Names the sample.
        """
        if x.element_size() > 2:  # no number of 16 bits is
            refuse_far(self.name, figures(x), lambda place: self.where(indices[place]))

    def _like_the_first(self, index: int) -> Tensor:
        found, first = self._input(index), self.first
        if found.is_floating_point() and first.is_floating_point():
            cast = found.to(first.dtype)
            found = cast if torch.equal(cast.to(found.dtype), found) else found
        if found.shape != first.shape or found.dtype != first.dtype:
            fix = "give size= (and channels=) to bring images to one shape"
            if found.dtype != first.dtype:
                fix = "convert either, as all must be of one type"
            raise UserError(
                f"data {self.name!r}: {self.where(index)} is {_describe(found)}, but {self.where(0)} is"
                f" {_describe(first)}: {fix}"
            )
        return found

    def _input(self, index: int) -> Tensor:
        given = self._given(self._item(index)[0], index)
        if self.axes is None or len(self.axes) != given.dim() + 1:
            return given
        return given.permute([axis - 1 for axis in self.axes[1:]])

    def _given(self, found: Any, index: int) -> Tensor:
        """Return an input as a tensor whose axes are ordered as they came."""
        if hasattr(found, "convert"):
            array = self._pixels(found, index)
        elif isinstance(found, Tensor) or hasattr(found, "__array__"):
            array = self._numbers(found, index)
        else:
            raise UserError(f"data {self.name!r}: {self.where(index)} is {_a(found)}, no image or tensor")
        if not (array.ndim and array.size):
            raise UserError(
                f"data {self.name!r}: {self.where(index)} is of shape {array.shape}; give at least one number"
                " in a shape such as (features,) or (channels, height, width)"
            )
        refuse_unfit(self.name, array[None], lambda _: self.where(index))
        tensor = torch.from_numpy(np.array(array, order="C"))  # PyTorch takes no negative strides
        return tensor.to(_COMPUTED.get(tensor.dtype, tensor.dtype))

    def _numbers(self, found: Any, index: int) -> Array:
        if self._size or self._channels:
            raise UserError(
                f"data {self.name!r}: size= and channels= are for Pillow's images, and {self.where(index)}"
                f" is {_a(found)}: bring it to its size in the data set itself"
            )
        try:
            return as_numbers(found)
        except (TypeError, ValueError, RuntimeError) as error:
            raise self._unreadable(index, error) from error

    def _pixels(self, image: Any, index: int) -> Array:
        """Return the pixels of an image of Pillow, shape (channels, height, width)."""
        try:
            return pixels_of(image, self._size, self._channels, scaled=self._scaled)
        except Exception as error:  # Pillow raises many kinds for what is damaged
            raise self._unreadable(index, error) from error

    def _item(self, index: int) -> Any:
        try:
            item = self._dataset[index]
        except (Exception, SystemExit) as error:
            raise self._unreadable(index, error) from error
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise UserError(f"data {self.name!r}: {self.where(index)} must be a pair of an input and a label")
        return item

    def _unreadable(self, index: int, error: BaseException) -> UserError:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        if isinstance(error, SystemExit):
            reason = f"the data set ends the program there (SystemExit: {reason})"
        return UserError(f"data {self.name!r}: {self.where(index)} cannot be read: {reason}")

    def where(self, index: int) -> str:
        """Return the name of a sample: its file if the data set keeps a list of files, else its index."""
        return file_of(self._dataset, index) or f"sample {index}"

    def _are_labels(self, labels: Any) -> bool:
        """Return whether ``labels`` agrees with the labels of the first and the last sample."""
        ends = (0, len(self) - 1)
        return all(np.array_equal(np.asarray(labels[i]), np.asarray(self._item(i)[1])) for i in ends)

    @property
    def _is_known(self) -> bool:
        return type(self._dataset).__module__.startswith(("torchvision.datasets.", ImageFolder.__module__))

    @cached_property
    def _held(self) -> Tensor | None:
        """All inputs, if the data set holds them as one array, as MNIST and CIFAR do; else ``None``."""
        if not self._is_known or getattr(self._dataset, "transforms", None) is not None:
            return None
        array = getattr(self._dataset, "data", None)
        if not isinstance(array, np.ndarray | Tensor) or len(array) != len(self):
            return None
        images = torch.as_tensor(array)
        layouts = [images] if images.dim() != 4 else [images, images.permute(0, 3, 1, 2)]
        for layout in [images[:, None], *layouts]:
            # The array has one of several layouts, and none fits if samples are resized.
            if all(_same(layout[i], self._input(i)) for i in (0, len(self) - 1)):
                return layout
        return None


def _length(name: str, dataset: Any) -> int:
    """Return the number of samples.

    Raises:
        UserError: If there are none, or it is no data set whose samples have numbers.
    """
    by_number = hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")
    if not by_number or isinstance(dataset, IterableDataset):
        raise UserError(
            f"data {name!r}: give a data set with a length and samples by number (__len__ and __getitem__),"
            f" not {_a(dataset)}; what is only iterated over can be given as a list, if it fits in memory:"
            " data.dataset(list(…))"
        )
    try:
        length = len(dataset)
    except Exception as error:
        raise UserError(
            f"data {name!r}: the length of the data set cannot be known: {error}; __len__ must return the"
            " number of samples, a whole number"
        ) from error
    if not length:
        raise UserError(f"data {name!r}: there are no samples")
    return length


def _a(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)


def _describe(x: Tensor) -> str:
    return f"{'×'.join(map(str, x.shape))} of {str(x.dtype).removeprefix('torch.')}"
