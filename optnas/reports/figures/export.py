"""Files of figures: web pages and pictures."""

from __future__ import annotations

import html
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from optnas.errors import UserError
from optnas.files import replace_file
from optnas.reports.figures.web import page_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["write_figure"]

_WIDTH, _ROW, _AROUND = 800, 350, 120


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a web page that it fills (``.html``) or as a picture (``.svg``, ``.png``, ``.pdf``).

    Raises:
        UserError: If the suffix is none of these, the packages for pictures are not installed, or the file
            cannot be written.
    """
    try:
        _write(figure, path)
    except OSError as error:  # of a full disk it names no file, and would be taken for the output
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None


def _write(figure: Figure, path: Path) -> None:
    if path.suffix == ".html":
        title = html.unescape((figure.layout.title.text or path.stem).replace("<br>", " "))
        replace_file(path, page_of(figure.to_json(), title))
        return
    if path.suffix not in (".svg", ".png", ".pdf"):
        raise UserError(f"{path}: a figure is written as .html, .svg, .png or .pdf")
    panels = sum(name.startswith("xaxis") for name in figure.to_plotly_json()["layout"])
    rows = -(-max(1, panels) // 2)
    width, height = figure.layout.width or _WIDTH, figure.layout.height or _AROUND + rows * _ROW
    try:
        figure.write_image(path, width=width, height=height)
    except (ValueError, RuntimeError, ImportError) as error:
        if importlib.util.find_spec("kaleido") is None:
            raise UserError(f"{path}: pictures need pip install 'optnas[pictures]'; .html does not") from None
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: kaleido draws pictures with Chrome, .html needs none: {reason}") from None
