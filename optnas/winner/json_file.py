"""JSON of strangers, read with bounds on its size and depth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["read_json"]

# The schema of a million categories has some tens of megabytes; Python takes ten times that in memory.
_MOST_BYTES = 2**27


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no JSON object, too large, or too deep.
    """
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"{path.name} has {size:,} bytes, more than any record")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path.name} is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is no object")
    return found
