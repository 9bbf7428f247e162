"""JSON of strangers, read with bounds on its size and depth."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

__all__ = ["read_json"]

# The schema of a million categories has some tens of megabytes; Python takes ten times that in memory.
_MOST_BYTES = 2**26
# Far more than any schema and its texts have. Of the smallest values and containers Python's memory is
# 10 and 30 times their text.
_MOST_VALUES, _MOST_CONTAINERS = 2**23, 2**21


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no JSON object, too large, or too deep, or its texts are none of Unicode.
    """
    written = _read(path)
    if (count := written.count(b",")) > _MOST_VALUES:
        raise ValueError(f"{path.name} has {count:,} values, more than any record")
    if (count := written.count(b"[") + written.count(b"{")) > _MOST_CONTAINERS:
        raise ValueError(f"{path.name} has {count:,} lists and objects, more than any record")
    try:
        found = json.loads(written.decode("utf-8"))
        if b"\\ud" in written or b"\\uD" in written:
            # Halves of surrogate pairs, as in "\\ud800", can be written nowhere.
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError(f"{path.name} is nested too deeply") from None
    except UnicodeError:
        raise ValueError(f"{path.name} is no text in UTF-8") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is no object")
    return found


def _read(path: Path) -> bytes:
    """Return the bytes of a file, which may change meanwhile, and may be a pipe that nobody writes to."""
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"{path.name} is no file")
        written = file.read(_MOST_BYTES + 1)
    if len(written) > _MOST_BYTES:
        raise ValueError(f"{path.name} has more than {_MOST_BYTES:,} bytes, more than any record")
    return written
