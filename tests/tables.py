"""Where the tables that tests measure against lie, and what to do without them."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import pytest

__all__ = ["data_folder", "read_table"]

_REPOSITORY = Path(__file__).resolve().parents[1]


def data_folder(name: str) -> Path:
    """Return a folder of test data: of ``OPTNAS_TEST_DATA``, or of ``shared/data`` beside the repository.

    Skips the test where there is none.
    """
    root = Path(os.environ.get("OPTNAS_TEST_DATA", _REPOSITORY.parent / "shared" / "data"))
    folder = root / name
    if not folder.is_dir():
        pytest.skip(f"no test data in {folder}: set OPTNAS_TEST_DATA to the folder that holds {name}")
    return folder


def read_table(name: str) -> list[dict[str, str]]:
    """Return the rows of ``<name>/<name>.csv.gz``."""
    with gzip.open(data_folder(name) / f"{name}.csv.gz", "rt") as lines:
        return list(csv.DictReader(lines))
