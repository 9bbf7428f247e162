"""Export of a trained network to other runtimes, preprocessing included. One format a file."""

from optnas.export.export import Exported, Int8, export
from optnas.export.registry import FORMATS, format_named

__all__ = ["FORMATS", "Exported", "Int8", "export", "format_named"]
