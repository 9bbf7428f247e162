"""Images of Pillow, of any mode, as arrays of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["DEEP", "GREY", "bits_of", "is_deep", "open_image", "pixels_of", "to_sixteen_bits"]

Array = np.ndarray[Any, Any]

# Grey of 16 bits in any byte order, of 32 bits, and of floating-point numbers.
DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
GREY = ("1", "L", "LA", "La")

# To read these, Pillow runs a program, Ghostscript, on what is in the file, whatever the file is called.
_PROGRAMS = ("EPS",)

# 255 becomes 65,535.
_TO_SIXTEEN_BITS = 257


def is_deep(image: Image) -> bool:
    """Return whether an image is grey of more than 8 bits."""
    return image.mode in DEEP


def bits_of(image: Image) -> int:
    """Return the bits of a pixel: 8, 16 for whole numbers up to 65,535 in more than 8 bits, else 32."""
    if image.mode not in DEEP:
        return 8
    if image.mode.startswith("I;16"):
        return 16
    pixels = np.asarray(image)
    return 16 if image.mode == "I" and pixels.min() >= 0 and pixels.max() < 2**16 else 32


def to_sixteen_bits(pixels: Array) -> Array:
    """Return pixels of 8 bits as of 16, so that white stays white."""
    return pixels.astype(np.int32) * _TO_SIXTEEN_BITS


def open_image(path: str) -> Image:
    """Read an image file: in mode RGB, or its own if it is grey of more than 8 bits.

    Raises:
        OSError: If it cannot be read; other exceptions of Pillow if it is damaged.
    """
    from PIL import Image, UnidentifiedImageError

    # By its path Pillow would map a plain TIFF into memory, and mix up its pixels where it is on its side.
    try:
        with open(path, "rb") as file, Image.open(file) as image:
            if image.format in _PROGRAMS:
                raise OSError(f"it is a program of the format {image.format}: convert it to PNG")
            flat = _flat(image)
            return flat if flat.mode in DEEP else flat.convert("RGB")
    except UnidentifiedImageError:  # whose message has Python's name of the open file
        raise OSError("it is no image, or its beginning is damaged") from None


def pixels_of(
    image: Image, size: tuple[int, int] | None, channels: int | None, *, scaled: bool = False
) -> Array:
    """Return the pixels of an image, shape (channels, height, width).

    They are of uint8, or of int32 or float32 for an image of more than 8 bits, whose range is kept.

    Args:
        image: The image, of any mode. It is turned as its EXIF orientation says, and a transparent one
            is laid on white.
        size: Height and width to crop and scale it to, or ``None``.
        channels: 1 for grey, 3 for colour, or ``None`` to keep its own.
        scaled: Whether to scale 8 bits to 16.
    """
    from PIL import Image, ImageOps

    image = _flat(image)
    deep = image.mode in DEEP
    if channels is not None and not deep:
        image = image.convert("L" if channels == 1 else "RGB")
    whole = image.mode != "F"
    if size is not None:
        if deep and whole:  # Pillow scales few modes; floating-point numbers hold 16 bits exactly
            image = Image.fromarray(np.asarray(image).astype(np.float32))
        image = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    if deep and whole:
        pixels = np.rint(pixels).astype(np.int32)
    elif scaled and not deep:
        pixels = to_sixteen_bits(pixels)
    if pixels.ndim == 2:
        return np.repeat(pixels[None], channels if channels and deep else 1, axis=0)
    return pixels.transpose(2, 0, 1)


def _flat(image: Image) -> Image:
    """Return an image upright, without transparency or palette: in mode L, RGB, or one of more bits."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in DEEP:
        key = image.info.get("transparency")  # the value of transparent pixels, of a PNG of 16 bits
        if key is None:
            return image
        pixels = np.asarray(image).astype(np.int32)
        return Image.fromarray(np.where(pixels == key, 2**16 - 1, pixels).astype(np.int32))
    mode = "L" if image.mode in GREY else "RGB"
    if not image.has_transparency_data:
        return image if image.mode == mode else image.convert(mode)
    if image.mode == "La":
        image = image.convert("LA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert(mode)
