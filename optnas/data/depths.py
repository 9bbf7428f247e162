"""Bit depth of the pictures of a data set, without reading their pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from optnas.data.pictures import DEEP, GREY
from optnas.errors import DataWarning

__all__ = ["Depths", "depths_of"]

# What holds 8 bits a channel alone as Pillow reads it; files of it need not be opened.
_SHALLOW = frozenset([".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".tga", ".webp"])
_SIXTEEN = ("PNG", "PPM")


class Depths(NamedTuple):
    """The numbers of pictures of 8 and of 16 bits, whether any is coloured, and one of the rarer depth.

    Attributes:
        eight: Number of those of 8 bits.
        sixteen: Number of those of 16 bits, which are grey.
        colour: Whether a picture of 8 bits is coloured.
        example: A file of 16 bits.
    """

    eight: int = 0
    sixteen: int = 0
    colour: bool = False
    example: str = ""

    @property
    def mixed(self) -> bool:
        return bool(self.eight and self.sixteen)

    @property
    def channels(self) -> int:
        """The channels that all pictures can have."""
        return 3 if self.colour else 1

    def with_those(self, other: Depths) -> Depths:
        """Return the depths of both together."""
        return Depths(
            self.eight + other.eight,
            self.sixteen + other.sixteen,
            self.colour or other.colour,
            self.example or other.example,
        )

    def tell(self, name: str) -> None:
        """Warn that pictures of different depths are brought to one."""
        grey = ", and grey ones become RGB" if self.colour else ""
        have = "pictures has" if self.sixteen == 1 else "pictures have"
        warnings.warn(
            f"data {name!r}: {self.sixteen} of {self.eight + self.sixteen} {have} 16 bits, such as"
            f" {self.example}: those of 8 bits are scaled to 16{grey}",
            DataWarning,
            stacklevel=2,
        )


def depths_of(files: Iterable[str]) -> Depths | None:
    """Return the depths of image files; ``None`` if one has 32 bits or floating-point numbers.

    Damaged files are passed over: reading them tells.
    """
    from PIL import Image

    eight, colour, sixteen = 0, False, list[str]()
    for file in files:
        mode, format_ = "RGB", ""
        if Path(file).suffix.lower() not in _SHALLOW:
            try:
                with Image.open(file) as image:
                    mode, format_ = image.mode, str(image.format)
            except Exception:
                continue
        if mode.startswith("I;16") or (mode == "I" and format_ in _SIXTEEN):
            sixteen.append(file)
        elif mode in DEEP:
            return None
        else:
            eight += 1
            colour = colour or mode not in GREY
    return Depths(eight, len(sixteen), colour, sixteen[0] if sixteen else "")
