"""Tables of the README that are what trying shows: read there by tests, and written there by programs."""

from __future__ import annotations

import re
from pathlib import Path

import optnas.export
from optnas.export import FORMATS
from optnas.export.export import TOLERANCE
from optnas.export.traced import CannotExport
from optnas.winner.model import Model
from tests.export.helpers import difference, one_library, traced_of

__all__ = ["README", "RUN_BY_OTHERS", "TRIED", "kept", "outcome", "write"]

README = Path(optnas.export.__file__).parent / "README.md"
RUN_BY_OTHERS = ["onnx", "torch-export", "openvino"]
TRIED = [*RUN_BY_OTHERS, "python"]


def outcome(model: Model, formats: list[str]) -> dict[str, str]:
    """Return for each format ``yes``, or why it does not take a network."""
    traced, found = traced_of(model), {}
    for name in formats:
        try:
            with one_library():
                apart = difference(FORMATS[name], traced)
            found[name] = "yes" if apart <= TOLERANCE else f"no: it differs by {apart:.1g}"
        except CannotExport as error:
            found[name] = "no: " + str(error).split(": ", 1)[1]
    return found


def kept(program: str) -> str:
    """Return the table that the README has of a program of this folder."""
    begin, end = f"<!-- python -m tests.export.{program} -->\n", f"<!-- end of {program} -->"
    found = re.search(re.escape(begin) + "(.*?)" + re.escape(end), README.read_text(encoding="utf-8"), re.S)
    assert found, f"{README} has no table of {program}"
    return found[1]


def write(program: str, table: str) -> None:
    """Write a table into the README in place of the one that it has."""
    begin = f"<!-- python -m tests.export.{program} -->\n"
    text = README.read_text(encoding="utf-8")
    README.write_text(text.replace(begin + kept(program), begin + table), encoding="utf-8")
