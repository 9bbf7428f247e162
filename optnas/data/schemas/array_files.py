"""Samples in a file of NumPy, read a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from optnas.data.schemas.schema import Piece
from optnas.errors import UserError, searched

__all__ = ["ARRAYS", "array_piece", "array_pieces", "open_array"]

ARRAYS = (".npy", ".npz")
"""How the names of files of arrays end."""

# As the file is written that ``optnas init --kind series`` reads.
_INPUTS = "x"
_LONGEST = 200


def array_pieces(path: Path, shape: tuple[int, ...], size: int) -> Iterator[Piece]:
    """Yield the samples in a ``.npy`` file, which stays on the disk, ``size`` at a time.

    Args:
        path: Path of the file.
        shape: Shape of a sample; a file of that shape is one sample.
        size: Samples in a piece; the last has the rest.

    Raises:
        UserError: If it is no such file, or cannot be read.
    """
    array = open_array(path)
    if array.shape == shape:
        array = array[None]
    for start in range(0, len(array), size):
        yield array_piece(array, slice(start, start + size))


def array_piece(array: np.ndarray[Any, Any], at: slice, what: str = "sample") -> Piece:
    """Return some samples of the array of a whole file, whose places count from its beginning.

    Args:
        array: The array of all samples.
        at: Which of them.
        what: What samples are called.
    """
    start, stop, _ = at.indices(len(array))
    return Piece(array[at], stop / len(array), where=lambda place: f"{what} {start + place} (counted from 0)")


def open_array(path: Path) -> np.ndarray[Any, Any]:
    """Return the array in a ``.npy`` file, which stays on the disk, or the inputs in a ``.npz`` file.

    Raises:
        UserError: If it is no such file, cannot be read, or holds one number.
    """
    if path.suffix not in ARRAYS:
        raise UserError(f"{path}: samples that are arrays are read from .npy files, as by numpy.save")
    try:
        with np.errstate(all="ignore"):  # a header may say any size
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy raises many kinds for a header that is none
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0] or type(error).__name__
        raise UserError(f"{path} cannot be read: {reason}{searched(path)}") from None
    if not isinstance(array, np.ndarray):
        array = _only(path, array)
    if array.ndim == 0:
        raise UserError(f"{path} is one number and no array of samples")
    return array


def _only(path: Path, archive: Any) -> np.ndarray[Any, Any]:
    """Return the inputs in an archive of arrays: the only one, or the one that is called so."""
    names = list(archive.files)
    (name,) = names if len(names) == 1 else [each for each in names if each == _INPUTS] or [""]
    if not name:
        raise UserError(
            f"{path} has several arrays, {', '.join(names)[:_LONGEST]}: call the inputs {_INPUTS!r}, or write"
            " them alone by numpy.save"
        )
    try:
        found: np.ndarray[Any, Any] = archive[name]
        return found
    except Exception as error:  # as of objects, which are not read
        raise UserError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
