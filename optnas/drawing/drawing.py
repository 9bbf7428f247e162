"""A picture as SVG, for notebooks, files and pages."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path

from optnas.errors import UserError
from optnas.files import replace_file

__all__ = ["Drawing"]


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A picture as one self-contained SVG, which notebooks show.

    It has no identifiers and loads nothing, so any number of drawings can stand inline in one page, and it is
    readable on white and on dark.

    Attributes:
        svg: The SVG, with a ``viewBox``.
        width: Its natural width in pixels; at that size its texts are 11 pixels high.
        height: Its natural height in pixels.
    """

    svg: str = dataclasses.field(repr=False)
    width: int
    height: int

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | Path) -> None:
        """Write the SVG to a file.

        Raises:
            UserError: If the file's name does not end in ``.svg``, or it cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".svg":
            raise UserError(f"{path}: a drawing is an SVG; give a file that ends in .svg")
        replace_file(path, self.svg)

    @property
    def data_uri(self) -> str:
        """The SVG as a ``data:`` address, for the ``src`` of an image."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode()
