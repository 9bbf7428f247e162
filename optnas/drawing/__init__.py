"""Drawings of architectures and search spaces as SVG, and tables of their layers.

``Node.draw`` and ``Node.table`` are the way in. In the order to read: ``outline`` makes parts (``parts``) of
a tree, ``layout`` (with ``boxes`` and ``graphs``) makes pieces with coordinates of these, and ``svg`` writes
them.
"""

from optnas.drawing.draw import draw
from optnas.drawing.drawing import Drawing
from optnas.drawing.table import ArchitectureTable, table

__all__ = ["ArchitectureTable", "Drawing", "draw", "table"]
