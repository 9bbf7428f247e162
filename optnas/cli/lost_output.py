"""Output that cannot be written: a full disk, a device that fails, a pipe that nobody reads any more."""

from __future__ import annotations

import contextlib
import errno
import os
import sys

from optnas.shown import note

__all__ = ["ends_output", "lost_output"]

# What writing raises, without the name of a file, where it is to standard output.
_NOT_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE, errno.EBADF, errno.ESTALE}


def ends_output(error: BaseException) -> bool:
    """Return whether an error says that what was printed could not be written."""
    return isinstance(error, OSError) and error.filename is None and error.errno in _NOT_WRITTEN


def lost_output(error: BaseException) -> None:
    """Say in one line on standard error that output could not be written, unless nobody reads it any more."""
    if isinstance(error, OSError) and error.errno != errno.EPIPE:
        with contextlib.suppress(OSError):
            note(f"error: the output cannot be written: {error.strerror}")
    # What is still in their buffers would fail again as Python ends.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
