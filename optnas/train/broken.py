"""Errors after which a process can use its GPU no more."""

from __future__ import annotations

from optnas.errors import chain
from optnas.train.micro_batches import is_out_of_memory

__all__ = ["DeviceBroken", "is_broken"]

# What CUDA says of an error that stays: its context answers every later call with the same.
# https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html
_SIGNS = (
    "device-side assert triggered",
    "an illegal memory access was encountered",
    "misaligned address",
    "an illegal instruction was encountered",
    "invalid program counter",
    "unspecified launch failure",
    "hardware stack error",
    "the launch timed out and was terminated",
    "uncorrectable ECC error encountered",
)


class DeviceBroken(RuntimeError):
    """Error: this process can use its GPU no more. The message says by what trial, and how."""


def is_broken(error: BaseException) -> bool:
    """Return whether ``error``, or what it came from, says that the process's GPU context is broken.

    >>> is_broken(RuntimeError("CUDA error: device-side assert triggered"))
    True
    """
    return any(map(_says_so, chain(error)))


def _says_so(error: BaseException) -> bool:
    if not isinstance(error, RuntimeError) or is_out_of_memory(error):
        return False
    told = str(error)
    return "CUDA" in told and any(sign in told for sign in _SIGNS)
