"""Pictures, as folders of image files and data sets of Pillow's images have them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from optnas.data.folder import pictures_in
from optnas.data.numbers import Array, as_numbers, unfit
from optnas.data.pictures import bits_of, open_image, pixels_of, to_sixteen_bits
from optnas.data.schemas.arrays import Arrays
from optnas.data.schemas.schema import Piece, Record, Schema, UnfitSample
from optnas.data.trees import Tree
from optnas.errors import UserError, searched

__all__ = ["Pictures"]

_DEPTHS = (8, 16, 32)


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures(Schema):
    """Pictures: images of Pillow, the paths of files, a folder of them, or arrays of their pixels.

    Images become pixels as :func:`optnas.data.dataset` makes them: turned as their EXIF orientation says,
    laid on white where they are transparent, made grey or RGB, and cropped around their centre to the
    proportions and scaled. Where the network was trained on 16 bits, 8 are scaled to 16.

    Attributes:
        pixels: The pixels of a sample, (channels, height, width), with their normalisation and range.
        resized: Whether pictures of other sizes are cropped and scaled; else they are refused.
        bits: Bits of a pixel: 8, 16, or 32 for other whole or floating-point numbers.
    """

    kind = "pictures"

    pixels: Arrays
    resized: bool
    bits: int = 8

    @property
    def shape(self) -> tuple[int, ...]:
        return self.pixels.shape

    def record(self) -> dict[str, Any]:
        return {**self.pixels.record(), "resized": self.resized, "bits": self.bits}

    @classmethod
    def of(cls, record: Record) -> Self:
        pixels, resized, bits = Arrays.of(record), record["resized"], record["bits"]
        if len(pixels.shape) != 3 or pixels.shape[0] not in (1, 3) or pixels.given != pixels.shape:
            raise ValueError(f"{pixels.shape} is no shape of pictures")
        if not isinstance(resized, bool) or bits not in _DEPTHS:
            raise ValueError(f"pictures of {bits!r} bits are none")
        return cls(pixels, resized, bits)

    def samples(self, given: Any) -> Any:
        """Return a list of paths, images and arrays, or an array (samples, channels, height, width)."""
        if isinstance(given, str | os.PathLike):
            return _files(os.fspath(given))
        if _is_image(given):
            return [given]
        if isinstance(given, list | tuple) and any(map(_is_one_picture, given)):
            return list(given)
        return self._array(given)

    def is_one(self, given: Any) -> bool:
        if isinstance(given, str | os.PathLike):
            return not os.path.isdir(given)
        if _is_image(given):
            return True
        return not isinstance(given, list | tuple) and np.ndim(given) < 4 and not self._many_grey(given)

    def _many_grey(self, array: Any) -> bool:
        """Return whether these are several grey pictures without an axis of channels."""
        return self.shape[0] == 1 and np.ndim(array) == 3 and 1 not in np.shape(array)[::2]

    def tensors(self, given: Any) -> Tensor:
        pictures = self.samples(given)
        if isinstance(pictures, list):
            read = [self._read(picture, place) for place, picture in enumerate(pictures)]
            pictures = np.concatenate(read) if read else np.zeros((0, *self.shape), self.pixels.dtype)
        return self.pixels.tensors(pictures)

    def _read(self, picture: Any, place: int) -> Array:
        """Return the pixels of one picture, shape (1, channels, height, width)."""
        path = os.fspath(picture) if isinstance(picture, str | os.PathLike) else None
        try:
            if path is None and not _is_image(picture):
                return self._array(picture, one=True)
            return self._image(picture if path is None else path)
        except UnfitSample as error:
            raise (error.behind(place) if path is None else error.at(path)) from None

    def _image(self, given: Any) -> Array:
        """Return the pixels of an image of Pillow, or of the file with that path."""
        try:
            image = given if _is_image(given) else open_image(given)
            bits = bits_of(image)
        except Exception as error:  # Pillow raises many kinds for what is damaged
            raise _unreadable(error) from None
        self._refuse_bits(bits)
        size = (self.shape[1], self.shape[2])
        if not self.resized and image.size != size[::-1]:
            self._refuse_size((image.height, image.width))
        try:
            scaled = self.bits == 16
            return pixels_of(image, size if self.resized else None, self.shape[0], scaled=scaled)[None]
        except Exception as error:
            raise _unreadable(error) from None

    def _refuse_bits(self, bits: int) -> None:
        if (bits > self.bits) or (self.bits == 32 and bits == 8):
            raise _unfit(f"has {bits} bits a pixel, and the network was trained on {self.bits}: convert it")

    def _refuse_size(self, found: Sequence[int]) -> None:
        raise _unfit(
            f"is of {'×'.join(map(str, found))} pixels, and the network was trained on"
            f" {self.shape[1]}×{self.shape[2]}: bring it to that size"
        )

    def _array(self, given: Any, *, one: bool = False) -> Array:
        """Return arrays of pixels, whose channels may be last, as (samples, channels, height, width).

        Args:
            given: The pixels.
            one: Whether they are of one picture in a list of several.
        """
        try:
            array = as_numbers(given)
        except (TypeError, ValueError) as error:
            raise _misfit(f"pictures, paths, or numbers of one shape: {error}", one) from None
        if array.ndim == 2 or self._many_grey(array):
            array = array[..., None, :, :]
        if array.ndim == 3:
            array = array[None]
        first, last = self._layouts
        shape = _misfit(f"pictures, arrays {first} or {last}, not of shape {array.shape}", one)
        if array.ndim != 4 or not array.size:
            raise shape
        if (found := unfit(array)) is not None:
            raise _unfit(found[1], found[0])
        channels = self.shape[0]
        if array.shape[1:] != self.shape and array.shape[3] == channels:
            array = array.transpose(0, 3, 1, 2)
        if array.shape[1] != channels:
            raise shape
        if array.dtype == np.uint8 and self.bits == 16:
            array = to_sixteen_bits(array)
        self._refuse_range(array)
        if array.shape[1:] != self.shape:
            return self._resized(array)
        return array

    def _refuse_range(self, array: Array) -> None:
        if self.bits == 32 or (array.min() >= 0 and array.max() < 2**self.bits):
            return
        place = int(((array < 0) | (array >= 2**self.bits)).any(axis=(1, 2, 3)).argmax())
        low, high = float(array[place].min()), float(array[place].max())
        raise _unfit(
            f"has pixels from {low:.4g} to {high:.4g}, and the network was trained on those of {self.bits}"
            f" bits, 0 to {2**self.bits - 1:,}: give them as they were, not normalised",
            place,
        )

    def _resized(self, array: Array) -> Array:
        """Return pixels of another size, cropped and scaled if they are bytes."""
        from PIL import Image

        if not self.resized or array.dtype != np.uint8:
            self._refuse_size(array.shape[2:])
        images = (Image.fromarray(each[0] if len(each) == 1 else each.transpose(1, 2, 0)) for each in array)
        size = (self.shape[1], self.shape[2])
        return np.stack([pixels_of(image, size, self.shape[0]) for image in images])

    @property
    def _layouts(self) -> tuple[str, str]:
        channels, height, width = self.shape
        return f"(samples, {channels}, {height}, {width})", f"(samples, {height}, {width}, {channels})"

    def read_file(self, path: Path, size: int) -> Iterator[Piece]:
        """Yield the pictures of a folder with their paths in it, or the picture that a file is."""
        import pandas

        files = _files(str(path))
        for start in range(0, len(files), size):
            some = files[start : start + size]
            names = [os.path.relpath(each, path) if path.is_dir() else each for each in some]
            yield Piece(some, (start + len(some)) / len(files), pandas.DataFrame({"file": names}))

    def preparation(self) -> nn.Module:
        return self.pixels.preparation()

    def drawn(self, count: int, generator: torch.Generator) -> Tensor:
        return self.pixels.drawn(count, generator)

    def restored(self, stored: Tree, prepare: Callable[[Tree], Tree]) -> Tensor | None:
        return self.pixels.restored(stored, prepare)

    def unprepared(self, x: Tensor) -> list[Any]:
        """Return normalised pixels (samples, channels, height, width) as images of Pillow."""
        from PIL import Image

        pixels = self.pixels.unprepared(x)
        kind = {8: np.uint8, 16: np.uint16}.get(self.bits, np.float32)
        pixels = pixels.astype(kind).transpose(0, 2, 3, 1)
        grey = self.shape[0] == 1 or self.bits > 8
        return [Image.fromarray(each[..., 0] if grey else each) for each in pixels]

    def told(self) -> str:
        channels, height, width = self.shape
        size = f"of {height}×{width} pixels"
        if self.resized:
            size = f"of any size (cropped around the centre and scaled to {height}×{width})"
        first, last = self._layouts
        numbers = {8: "bytes (0 to 255)", 16: "16 bits (0 to 65,535)"}.get(self.bits, "numbers as they were")
        return (
            f"{'grey' if channels == 1 else 'RGB'} pictures {size}: images of Pillow, paths, a folder, or"
            f" arrays {first} or {last} of {numbers}, not normalised: the model does that"
        )

    def example(self) -> str:
        channels, height, width = self.shape
        return f"np.zeros((1, {height}, {width}, {channels}), np.{self.pixels.dtype})"


def _is_image(given: Any) -> bool:
    return hasattr(given, "convert") and hasattr(given, "getbands")


def _is_one_picture(given: Any) -> bool:
    if _is_image(given) or isinstance(given, str | os.PathLike):
        return True
    return hasattr(given, "shape") and np.ndim(given) == 3


def _files(path: str) -> list[Any]:
    """Return the path of a picture, or those of all pictures in a folder."""
    if not os.path.exists(path):
        raise UserError(f"no such picture or folder: {path}{searched(path)}")
    return pictures_in(Path(path)) if os.path.isdir(path) else [path]


def _unreadable(error: Exception) -> UnfitSample:
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    return _unfit(f"cannot be read: {reason}")


def _unfit(why: str, place: int = 0) -> UnfitSample:
    return UnfitSample(place, why, "picture")


def _misfit(what: str, one: bool) -> UserError:
    """Return the error for arrays that are no pictures: one of several, or all that was given."""
    return _unfit(f"must be {what}") if one else UserError(f"inputs must be {what}")


def of_pixels(pixels: Arrays, *, resized: bool) -> Pictures:
    """Return the schema of pictures whose pixels, (channels, height, width), are ``pixels``."""
    bits = 8 if pixels.dtype == "uint8" else 32
    if pixels.dtype == "int32" and pixels.span is not None and 0 <= pixels.span[0] <= pixels.span[1] < 2**16:
        bits = 16
    return Pictures(pixels, resized, bits)
