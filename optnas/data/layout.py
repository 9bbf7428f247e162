"""Order of the axes of inputs: as arrays come, and as ops take them.

Ops take sequences as (length, features), images as (channels, height, width) and volumes as (channels,
depth, height, width).
"""

from __future__ import annotations

from typing import Literal

from optnas.errors import UserError

__all__ = ["Layout", "argument", "feature_axis", "network_axes"]

Layout = Literal["auto", "channels_first", "channels_last"]
"""Where a sample has its channels or features; ``auto``: as its shape shows."""

_LAYOUTS = ("auto", "channels_first", "channels_last")
# Channels that images have: grey, coloured, and coloured with transparency.
_COLOURS = (1, 3, 4)


def feature_axis(sizes: int) -> int:
    """Return the axis of channels or features in a batch whose samples, as ops take them, have ``sizes``."""
    return 2 if sizes == 2 else 1


def network_axes(
    name: str, shape: tuple[int, ...], layout: Layout, place: str = "", also: str = ""
) -> tuple[int, ...] | None:
    """Return the permutation that brings a batch of ``shape`` to the order that ops take.

    By ``"auto"``, the axis of size 1 of a sequence is that of the features, and images are channels
    first unless only the last axis can be that of colours.

    Args:
        name: Name of the data, for error messages.
        shape: Shape of all samples, (samples, …).
        layout: Where a sample has its channels or features.
        place: Name of the input among several, for error messages; empty if it is the only one.
        also: What else samples of two sizes may be, for that error.

    Returns:
        The permutation, such as (0, 2, 1); ``None`` if the order is right already.

    Raises:
        UserError: If the layout cannot be known from the shape, or is no layout, or the samples have a
            single size.
    """
    if layout not in _LAYOUTS:
        raise UserError(f"data {name!r}: layout={layout!r} must be one of {', '.join(map(repr, _LAYOUTS))}")
    sizes = len(shape) - 1
    if sizes < 2:
        if layout != "auto":
            raise UserError(
                f"data {name!r}: layout={layout!r} is for samples of two sizes or more, not for inputs of"
                f" shape {shape}; a series of one feature is (samples, length, 1)"
            )
        return None
    last = layout == "channels_last"
    if layout == "auto":
        last = (
            _sequence_is_last(name, shape, place, also) if sizes == 2 else _image_is_last(name, shape, place)
        )
    if sizes == 2:
        return None if last else (0, 2, 1)
    return (0, sizes, *range(1, sizes)) if last else None


def argument(name: str, value: str, place: str) -> str:
    """Return how an argument is written: one value for all inputs, or by name."""
    return f"{name}={value!r}" if not place else f"{name}={{{place!r}: {value!r}}}"


def _sequence_is_last(name: str, shape: tuple[int, ...], place: str, also: str) -> bool:
    _, first, last = shape
    if last == 1 or first == 1:
        return last == 1
    raise UserError(
        f"data {name!r}: inputs of shape {shape} are {last} time steps of {first} features"
        f" (say {argument('layout', 'channels_first', place)}), {first} time steps of {last} features"
        f" ({argument('layout', 'channels_last', place)}), or grey images (give x[:, None]){also}"
    )


def _image_is_last(name: str, shape: tuple[int, ...], place: str) -> bool:
    _, *sizes = shape
    first, *between, last = sizes
    frames = len(sizes) == 4 and between[0] in _COLOURS and first not in _COLOURS
    if first in _COLOURS and last in _COLOURS:
        known = all(size == last for size in between)  # channels first, and square
    elif first in _COLOURS or last in _COLOURS:
        return last in _COLOURS
    else:
        known = last >= min(first, *between) and not frames
    if known:
        return False
    raise UserError(
        f"data {name!r}: inputs of shape {shape} are {first} channels of {_by([*between, last])}"
        f" (say {argument('layout', 'channels_first', place)}) or {last} of {_by([first, *between])}"
        f" ({argument('layout', 'channels_last', place)})"
        + f"; frames of {between[0]} channels need x.swapaxes(1, 2) and"
        f" {argument('layout', 'channels_first', place)}" * frames
    )


def _by(sizes: list[int]) -> str:
    return "×".join(map(str, sizes))
