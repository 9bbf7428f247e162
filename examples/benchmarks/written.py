"""Write a benchmark's figures with the options that they were measured with."""

from __future__ import annotations

import argparse
import json
from typing import Any

__all__ = ["write_figures"]


def write_figures(arguments: argparse.Namespace, **figures: Any) -> None:
    """Write figures by name to ``arguments.json`` as JSON, if that is given."""
    if arguments.json:
        options = {key: str(value) for key, value in vars(arguments).items()}
        arguments.json.write_text(json.dumps({"options": options, **figures}, indent=1) + "\n")
