"""Data sets of a text's characters, for language modelling."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from optnas.data.data import Data, Split, Splits
from optnas.data.origin import Origin
from optnas.data.schemas.texts import Texts, read_text
from optnas.errors import UserError

__all__ = ["text"]

# Enough to learn from in a search's short trainings.
_LIBRARY_CHARACTERS = 1_000_000


def text(
    path: str | os.PathLike[str] | None = None,
    *,
    context: int = 64,
    characters: int | None = None,
    validation: float = 0.1,
    test: float = 0.1,
) -> Data:
    """Make a data set from a text's characters; each one's target is the next character.

    The text is cut in windows of ``context`` characters: the first are for training, the next for
    validation, the last for test. Characters are numbered in the order of their code points and stored in
    the smallest type that holds them, a byte each up to 256 different ones.

    Args:
        path: Path of a file in UTF-8. By default the sources of Python's own standard library: its
            modules in ASCII in the order of their names, so Python code and a little English.
        context: Largest number of characters that a prediction can look back on.
        characters: Number of characters to take at most, from the beginning; by default all of a file,
            and a million of the standard library.
        validation: Share of the windows held out to score candidates.
        test: Share of the windows held out for the winner; may be 0.

    Raises:
        UserError: On first use of the data, if the file cannot be read or is too short; at once, if
            ``context``, ``characters`` or the shares are impossible.
    """
    for what, number in (("context", context), ("characters", 1 if characters is None else characters)):
        if not isinstance(number, int) or number < 1:
            raise UserError(f"data.text({what}={number!r}): give a whole number of at least 1")
    if not (0 < validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise UserError(f"data.text(validation={validation}, test={test}): they must leave some to train on")

    def load() -> Splits:
        if path is None:
            content = _library(characters or _LIBRARY_CHARACTERS)
        else:
            content = read_text(Path(path))[:characters]
        file = None if path is None else Path(path)
        return _windows(name, content, context, validation, test, file)

    name = "Python's standard library" if path is None else Path(path).name
    return Data(name, load)


def _library(characters: int) -> str:
    """Return the first ``characters`` characters of the standard library's sources."""
    read = ""
    for source in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        content = source.read_bytes()
        if content.isascii():
            read += content.decode("ascii").replace("\r\n", "\n")
        if len(read) >= characters:
            break
    return read[:characters]


def _windows(
    name: str, content: str, context: int, validation: float, test: float, file: Path | None
) -> Splits:
    points = np.frombuffer(content.encode("utf-32-le"), dtype=np.uint32)
    symbols, ids = np.unique(points, return_inverse=True)
    count = (len(ids) - 1) // context
    tested, valid = round(count * test), round(count * validation)
    train = count - valid - tested
    if train < 1 or valid < 1 or (test > 0 and tested < 1):
        raise UserError(
            f"data {name!r}: {len(ids):,} characters are too few for windows of {context} to train,"
            " validate and test on; give a longer text or a smaller context"
        )
    if len(symbols) < 2:
        raise UserError(f"data {name!r} is one character over and over; there is nothing to learn")
    stream = torch.from_numpy(ids).to(_smallest(len(symbols)))[: count * context + 1]
    # Two views of one stream, of which the second is a character ahead.
    x, y = stream[:-1].view(count, context), stream[1:].view(count, context)

    def part(start: int, stop: int) -> Split:
        return Split(x[start:stop], y[start:stop])

    origin = Origin(file, "in order: the end of the text is the test part", "time")
    return Splits(
        part(0, train),
        part(train, train + valid),
        part(train + valid, count),
        outputs=len(symbols),
        prepare=_as_indices,
        schema=Texts("".join(map(chr, symbols)), context),
        origin=origin,
    )


def _smallest(symbols: int) -> torch.dtype:
    if symbols <= 2**8:
        return torch.uint8
    return torch.int16 if symbols <= 2**15 else torch.int32


def _as_indices(x: Tensor) -> Tensor:
    """Return tokens as int32, the smallest type that an embedding takes."""
    return x.int()
