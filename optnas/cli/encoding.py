"""Output in encodings that lack some of the characters that commands print."""

from __future__ import annotations

import codecs
import contextlib
import sys
import unicodedata

__all__ = ["write_in_any_encoding"]

_ERRORS = "optnas.plain"
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("–—−─━╌╴╶╸╺═", "-"),
        **dict.fromkeys("│┃║", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝╠╣╦╩╬┏┓┗┛┡┩╇", "+"),
        **dict.fromkeys("█▉▊▋▌▍▎▏", "#"),
        "…": "...",
        "·": "-",
        "×": "x",
        "±": "+-",
        "↑": "^",
        "↓": "v",
        "✓": "+",
        "✗": "x",
        "→": "->",
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "µ": "u",
        "μ": "u",
        "β": "beta",
        "η": "eta",
        "σ": "sigma",
    }
)


def write_in_any_encoding() -> None:
    """Replace characters that the standard streams cannot encode by plain ones, instead of raising.

    They cannot where output is redirected on Windows, or by ``PYTHONIOENCODING`` or the locale.
    """
    codecs.register_error(_ERRORS, _plain)
    for stream in (sys.stdout, sys.stderr):
        # Streams that a test or a notebook put there instead take any character.
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors=_ERRORS)  # type: ignore[union-attr]


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    letters = (each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return "".join(letters).encode("ascii", "replace").decode("ascii"), error.end
