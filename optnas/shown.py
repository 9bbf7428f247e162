"""Texts that people read: nothing in them steers the terminal, is markup, or holds a password."""

from __future__ import annotations

import re
import sys
import traceback
import warnings
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

__all__ = [
    "NOTICE",
    "console",
    "duration",
    "elided",
    "hidden",
    "masked",
    "masked_url",
    "note",
    "notice",
    "one_line",
    "plain",
    "readable",
    "rounded",
    "sentence",
    "show_python_s_own_plainly",
    "write",
]

NOTICE = "optnas: "
"""Beginning of the lines of a worker that the run which started it passes on."""

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# One character for each, so that what is styled stays where it is.
_VISIBLE = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    0x7F: "\N{SYMBOL FOR DELETE}",
    # C1 controls, marks and overrides of the direction of writing, separators of lines, halves of
    # surrogate pairs, which no terminal can be sent, and invisible tags.
    **dict.fromkeys(
        [
            *range(0x80, 0xA0),
            0x061C,
            *range(0x200E, 0x2010),
            *range(0x2028, 0x202F),
            *range(0x2066, 0x206A),
            0xFEFF,
            *range(0xFFF9, 0xFFFC),
            *range(0xE0000, 0xE0080),
        ],
        _REPLACEMENT,
    ),
    **dict.fromkeys(range(0xD800, 0xE000), _REPLACEMENT),
}
_IN_LINES = {code: shown for code, shown in _VISIBLE.items() if chr(code) not in "\n\t"}

# Of tuples of numbers or names, as edges of a graph are, and of quoted texts: longest that is shown whole,
# what of a longer one is, and the fewest items of which some are left out.
_LONG_TUPLE, _LONG_QUOTED, _KEPT, _SEVERAL = 60, 120, 24, 4
# Each character is looked at once, whatever a stranger's text consists of.
_TOKEN = re.compile(r"""(?s)'(?:[^'\\]|\\.)*+'?|"(?:[^"\\]|\\.)*+"?|(?<!\w)\w*+\(|[),]""")

_HIDDEN = "***"
_SECRET = (
    r"(?:pass(?:word|wd|phrase|code|file)|pwd|secret|(?:api|access)[_-]?key"
    r"|(?:access|auth|session)[_-]?token)"
)
_QUERY = re.compile(rf"(?i)((?<![\w.-])[\w.-]*{_SECRET}=)('[^']*'|\"[^\"]*\"|[^&;,\s'\")}}]+)")
# Up to the last @ of the word: a password may hold any character, and a host has none of them.
_USERINFO = re.compile(r"((?:\w:/{1,9}|\w//|://|=)[^\s:/@\[]{0,99}:)\S{1,999}(@)")
# As SQLAlchemy takes it, where the host is missing: a port that is no number.
_NO_HOST = re.compile(r"(\w://[^\s:/@\[]{0,99}:)(?!\d*(?::?\s|:?$|[/?,;.'\")])|\*\*\*@)[^\s/?'\"]+()")
# The whole of what was given as a URL.
_LOOSE_USERINFO = re.compile(r"^((?:[^:@]*:/+)?[^:@]*:(?!/)).*(@)", re.DOTALL)


def plain(text: str, *, lines: bool = False) -> str:
    r"""Replace each character that steers a terminal by one that is seen.

    Those are control characters, overrides of the direction of writing and the like. Line feeds and tabs
    stay with ``lines``.

    >>> plain("\x1b[2Jdigits\n")
    '␛[2Jdigits␊'
    """
    return text if text.isprintable() else text.translate(_IN_LINES if lines else _VISIBLE)


def rounded(text: str) -> str:
    """Round the long decimal fractions in a text to four digits, for reading only.

    >>> rounded("swish(beta=0.6323385699327599)")
    'swish(beta=0.6323)'
    """
    return re.sub(r"\d+\.\d{5,}(e-?\d+)?", lambda match: f"{float(match[0]):.4g}", text)


def readable(text: str) -> str:
    """Return an architecture's or a value's text for reading only: :func:`rounded` and :func:`elided`."""
    return rounded(elided(text))


def elided(text: str) -> str:
    """Leave out most of long tuples and long quoted texts in an architecture's text, for reading only.

    >>> elided(f"graph_conv(8, edges={tuple((i, i + 1) for i in range(100))})")
    'graph_conv(8, edges=((0, 1), (1, 2), (2, 3), … 97 more))'
    """
    if len(text) <= _LONG_TUPLE:
        return text
    found: list[tuple[int, int, str]] = []
    # Of each open parenthesis: where it stands, the commas in it, whether a call is in it or it is one.
    opened: list[tuple[int, list[int], bool]] = []
    for token in _TOKEN.finditer(text):
        start, end = token.span()
        if token[0].endswith("("):
            opened.append((end, [], token[0] != "("))
        elif token[0] == ",":
            if opened:
                opened[-1][1].append(start)
        elif token[0] != ")":
            if end - start > _LONG_QUOTED:
                found.append((start + _KEPT, end - 1, "…"))
        elif opened:
            begin, commas, calls = opened.pop()
            if calls and opened:
                opened[-1] = (*opened[-1][:2], True)
            elif not calls and start - begin > _LONG_TUPLE and len(commas) + 1 >= _SEVERAL:
                while found and found[-1][0] >= begin:
                    found.pop()
                found.append(_without_most(begin, start, commas))
    parts, at = [], 0
    for start, end, instead in found:
        parts += [text[at:start], instead]
        at = end
    return "".join([*parts, text[at:]])


def _without_most(begin: int, end: int, commas: list[int]) -> tuple[int, int, str]:
    """Return the part of a tuple's content to leave out, and what stands there instead."""
    kept = sum(comma - begin <= _KEPT for comma in commas)
    if not kept:
        return begin, end, f"… {len(commas) + 1} items"
    return commas[kept - 1], end, f", … {len(commas) + 1 - kept} more"


def one_line(text: str) -> str:
    """Return a text on one line, without control characters and passwords."""
    return plain(masked(" ".join(line.strip() for line in text.splitlines() if line.strip())))


def masked(text: str) -> str:
    """Replace passwords by ``***``: those of URLs, and those that are named, as in ``password=…``.

    >>> masked("no host in postgresql://me:s3cret@/studies?sslpassword=s3cret")
    'no host in postgresql://me:***@/studies?sslpassword=***'
    """
    found = _masked(text)
    if "%" in found:
        decoded = _decoded(found)
        without = _masked(decoded)
        return without if without != decoded else found
    return found


def _masked(text: str) -> str:
    if ":" in text or "//" in text:
        text = _USERINFO.sub(rf"\1{_HIDDEN}\2", text)
        text = _NO_HOST.sub(rf"\1{_HIDDEN}", text)
    return _QUERY.sub(rf"\1{_HIDDEN}", text) if "=" in text else text


def _decoded(text: str) -> str:
    for _ in range(3):
        text = unquote(text)
    return text


def masked_url(url: str) -> str:
    """Return what was given as a storage's URL, perhaps mistyped, on one line and without its password.

    >>> masked_url("postgresql:/me:s3cret@host/studies")
    'postgresql:/me:***@host/studies'
    """
    if _is_file(url):
        return plain(url if "?" not in url else masked(url))
    loose = _LOOSE_USERINFO.sub(rf"\1{_HIDDEN}\2", url)
    if loose == url and "%" in url and (decoded := _decoded(url)) != url:
        masks = _LOOSE_USERINFO.sub(rf"\1{_HIDDEN}\2", decoded)
        loose = url if masks == decoded else masks
    return plain(masked(loose))


def hidden(text: str, url: str) -> str:
    """Return a driver's message about a URL without any part of the URL's passwords."""
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return masked(text)


def _secrets(url: str) -> set[str]:
    """Return the passwords in a URL: as written, decoded, and in the parts a parser may make of them."""
    found: set[str] = set()
    for each in {url, _decoded(url)}:
        found |= {match[2] for match in _QUERY.finditer(each)}
        match = None if _is_file(url) else _LOOSE_USERINFO.search(each) or _NO_HOST.search(each)
        if match is not None:
            found.add(each[match.end(1) : match.start(2) if match[2] else match.end()])
    parts = {part for secret in found for cut in ("[@]", "[@:/?#&=]") for part in re.split(cut, secret)}
    parts = found | {part for part in parts if len(part) > 2}
    return (parts | {unquote(part) for part in parts}) - {"", _HIDDEN}


def _is_file(url: str) -> bool:
    return url.startswith("sqlite:") or ("://" not in url and url.endswith(".log"))


class _Console(Console):
    """Console that takes texts of strangers: what they hold is neither markup nor an instruction."""

    @property
    def size(self) -> ConsoleDimensions:
        found = super().size
        # COLUMNS=0 says that the width is not known.
        return ConsoleDimensions(found.width if found.width > 0 else 80, found.height or 25)

    @size.setter
    def size(self, size: tuple[int, int]) -> None:
        self.width, self.height = size

    def render_str(self, text: str, **options: Any) -> Text:
        return _shown(super().render_str(text, **options))

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        if isinstance(renderable, str):
            renderable = Text(renderable)
        if isinstance(renderable, Text):
            renderable = _shown(renderable)
        for segment in super().render(renderable, options):
            # What the console itself sends the terminal is marked as such.
            yield segment if segment.control else segment._replace(text=plain(segment.text, lines=True))


def _shown(text: Text) -> Text:
    """Return a text that is laid out as it will be seen, with its styles."""
    raw = text.plain
    without = masked(raw)
    if without != raw:
        return Text(plain(without, lines=True), text.style, overflow=text.overflow, no_wrap=text.no_wrap)
    seen = plain(raw, lines=True)
    if seen == raw:
        return text
    text = text.copy()
    text.plain = seen
    return text


def console(*, stderr: bool = False, **options: Any) -> Console:
    """Return a console that prints texts as they are: no markup, no emoji codes, no escape sequences.

    Args:
        stderr: Whether it writes to standard error.
        options: Further arguments of rich's ``Console``.
    """
    return _Console(stderr=stderr, markup=False, emoji=False, highlight=False, **options)


def sentence(to: Console, told: str | Text) -> None:
    """Print a sentence: on a terminal broken between words, never in one; elsewhere in one line."""
    text = Text(told) if isinstance(told, str) else told
    if not to.is_terminal:
        to.print(text, soft_wrap=True)
        return
    # Not by rich, which breaks a word that is longer than a line, such as a path.
    line, *words = text.split(" ")
    for word in words:
        if line.cell_len + 1 + word.cell_len <= to.width:
            line = Text(" ").join([line, word])
        else:
            to.print(line, soft_wrap=True)
            line = word
    to.print(line, soft_wrap=True)


def note(message: str) -> None:
    """Print a message as one line on standard error, on a terminal broken between words."""
    line = one_line(message)
    if sys.stderr.isatty():
        sentence(console(stderr=True), line)
    else:
        print(line, file=sys.stderr, flush=True)


def notice(message: str) -> None:
    """Print a message on standard error that the run which started this process passes on."""
    note(f"{NOTICE}{message}")


def show_python_s_own_plainly() -> None:
    """Let Python's warnings and the traceback that ends a program pass :func:`plain` and :func:`masked`."""
    format_warning = warnings.formatwarning

    def warned(*args: Any, **kwargs: Any) -> str:
        return plain(masked(format_warning(*args, **kwargs)), lines=True)

    def ended(*error: Any) -> None:
        sys.stderr.write(plain(masked("".join(traceback.format_exception(*error))), lines=True))

    warnings.formatwarning, sys.excepthook = warned, ended


def write(data: str) -> None:
    """Write JSON or CSV, for other programs, to standard output."""
    sys.stdout.write(plain(data, lines=True))
    sys.stdout.flush()


def duration(seconds: float | None) -> str:
    """Format a time span as hours, minutes and seconds: 0:01:40.

    >>> duration(100)
    '0:01:40'
    """
    if seconds is None:
        return "–"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}"
