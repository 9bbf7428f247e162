"""Writing files so that what was there before is lost only once the new content is there whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from optnas.errors import UserError

__all__ = ["replace_file", "replacing_file"]


def replace_file(path: str | Path, content: bytes | str) -> None:
    """Write a file atomically: readers see the old content or the new, even if this process dies.

    Raises:
        UserError: If it cannot be written, as on a full disk; an existing file is untouched then.
    """
    written = content.encode() if isinstance(content, str) else content
    target = Path(os.path.realpath(path))  # a link stays one
    try:
        if target.exists() and not target.is_file():  # a pipe, or /dev/stdout
            target.write_bytes(written)
            return
        with _part_of(target, "wb") as file:
            file.write(written)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}; what was there before is kept, so mend"
            " that and run the same again"
        ) from None


@contextlib.contextmanager
def replacing_file(path: str | Path) -> Iterator[TextIO]:
    """Open a text file in UTF-8 that takes the place of ``path`` once it is written whole.

    Raises:
        UserError: If it cannot be written; an existing file is untouched then.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():  # a pipe, or /dev/stdout
            with target.open("w", encoding="utf-8", newline="") as file:
                yield file
            return
        with _part_of(target, "w", encoding="utf-8", newline="") as file:
            yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None


@contextlib.contextmanager
def _part_of(
    path: Path, mode: str, *, encoding: str | None = None, newline: str | None = None
) -> Iterator[Any]:
    """Yield a file that replaces ``path`` as a whole once it is written; after an error nothing is left."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)  # it may be a link to what is another's
        with part.open(mode, encoding=encoding, newline=newline) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
