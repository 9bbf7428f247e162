"""Reader of the samples of a ``torch.utils.data.Dataset`` as tensors of one shape and type."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optnas.data.depths import Depths, depths_of
from optnas.data.layout import Layout, network_axes
from optnas.data.loaders import file_of, pictures_of, with_our_loader
from optnas.data.pictures import pixels_of
from optnas.errors import UserError

__all__ = ["Reader"]

# Types with few operations in PyTorch, or none in NumPy, and what holds the same numbers.
_COMPUTED = {
    torch.uint16: torch.int32,
    torch.uint32: torch.int64,
    torch.uint64: torch.float64,
    torch.bfloat16: torch.float32,
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
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise UserError(f"data {name!r}: give a data set with a length and samples by number")
        if not len(dataset):
            raise UserError(f"data {name!r}: there are no samples")

    def __len__(self) -> int:
        return len(self._dataset)

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

    @cached_property
    def first(self) -> Tensor:
        """The first input; all others must have its shape and type."""
        return self._input(0)

    @cached_property
    def axes(self) -> tuple[int, ...] | None:
        """The permutation that brings a batch of inputs to the order that ops take, if they need one."""
        first = self._item(0)[0]
        if hasattr(first, "convert"):
            if self._layout != "auto":
                raise UserError(
                    f"data {self.name!r}: layout= is for arrays and tensors, not for Pillow's images"
                )
            return None
        return network_axes(self.name, (len(self), *self._given(first, 0).shape), self._layout)

    @cached_property
    def labels(self) -> np.ndarray[Any, Any]:
        """The label of each sample, from a torchvision data set's list of labels if it has one."""
        if self._is_torchvision and getattr(self._dataset, "target_transform", None) is None:
            for kept in ("targets", "labels"):
                labels = getattr(self._dataset, kept, None)
                if labels is not None and len(labels) == len(self) and self._are_labels(labels):
                    return np.asarray(labels)
        return np.asarray([self._item(index)[1] for index in range(len(self))])

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

    def read(self, indices: Sequence[int] | np.ndarray[Any, Any]) -> Tensor:
        """Read the inputs of the samples ``indices``, shape (samples, …).

        Raises:
            UserError: If a sample cannot be read, differs from the first in shape or type, or holds a
                value that is not finite; the message names the sample.
        """
        if self._held is not None:
            return self._held[torch.as_tensor(indices)]
        block = torch.empty(len(indices), *self.first.shape, dtype=self.first.dtype)
        for place, index in enumerate(indices):
            block[place] = self._like_the_first(int(index))
        return block

    def _like_the_first(self, index: int) -> Tensor:
        found, first = self._input(index), self.first
        if found.is_floating_point() and first.is_floating_point():
            found = found.to(first.dtype)
        if found.shape != first.shape or found.dtype != first.dtype:
            fix = "give size= (and channels=) to bring images to one shape"
            if found.dtype != first.dtype:
                fix = "convert either, as all must be of one type"
            raise UserError(
                f"data {self.name!r}: {self._where(index)} is {_describe(found)}, but {self._where(0)} is"
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
        if not (isinstance(found, Tensor) or hasattr(found, "__array__") or hasattr(found, "convert")):
            raise UserError(
                f"data {self.name!r}: {self._where(index)} is a {type(found).__name__}, no image or tensor"
            )
        tensor = self._pixels(found, index) if hasattr(found, "convert") else self._tensor(found, index)
        if not tensor.isfinite().all():
            raise UserError(
                f"data {self.name!r}: {self._where(index)} holds a value that is not a finite number"
            )
        return tensor.to(torch.uint8) if tensor.dtype == torch.bool else tensor

    def _tensor(self, found: Any, index: int) -> Tensor:
        """Return an array or a tensor on the CPU, in a type that PyTorch and NumPy compute with."""
        if self._size or self._channels:
            raise UserError(
                f"data {self.name!r}: size= and channels= are for Pillow's images, and {self._where(index)}"
                f" is a {type(found).__name__}: bring it to its size in the data set itself"
            )
        if not isinstance(found, Tensor):
            array = np.asarray(found)
            if array.dtype.kind not in "buif":
                raise UserError(
                    f"data {self.name!r}: {self._where(index)} is of {array.dtype}, not of numbers"
                )
            # PyTorch takes neither another machine's byte order nor negative strides.
            tensor = torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))
        else:
            tensor = found.detach().cpu()
        if tensor.is_complex():
            raise UserError(f"data {self.name!r}: {self._where(index)} is of complex numbers")
        return tensor.to(_COMPUTED.get(tensor.dtype, tensor.dtype))

    def _pixels(self, image: Any, index: int) -> Tensor:
        """Return an image of Pillow as a tensor (channels, height, width)."""
        try:
            pixels = pixels_of(image, self._size, self._channels, scaled=self._scaled)
        except Exception as error:  # Pillow raises many kinds for what is damaged
            raise self._unreadable(index, error) from error
        return torch.from_numpy(np.array(pixels, order="C"))

    def _item(self, index: int) -> Any:
        try:
            item = self._dataset[index]
        except Exception as error:
            raise self._unreadable(index, error) from error
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise UserError(
                f"data {self.name!r}: {self._where(index)} must be a pair of an input and a label"
            )
        return item

    def _unreadable(self, index: int, error: Exception) -> UserError:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        return UserError(f"data {self.name!r}: {self._where(index)} cannot be read: {reason}")

    def _where(self, index: int) -> str:
        """Return the name of a sample: its file if the data set keeps a list of files, else its index."""
        return file_of(self._dataset, index) or f"sample {index}"

    def _are_labels(self, labels: Any) -> bool:
        """Return whether ``labels`` agrees with the labels of the first and the last sample."""
        ends = (0, len(self) - 1)
        return all(np.array_equal(np.asarray(labels[i]), np.asarray(self._item(i)[1])) for i in ends)

    @property
    def _is_torchvision(self) -> bool:
        return type(self._dataset).__module__.startswith("torchvision.datasets.")

    @cached_property
    def _held(self) -> Tensor | None:
        """All inputs, if the data set holds them as one array, as MNIST and CIFAR do; else ``None``."""
        if not self._is_torchvision or getattr(self._dataset, "transforms", None) is not None:
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


def _same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)


def _describe(x: Tensor) -> str:
    return f"{'×'.join(map(str, x.shape))} of {str(x.dtype).removeprefix('torch.')}"
