"""Checks of input shapes, with one-line error messages, and arithmetic of shapes."""

from __future__ import annotations

from optnas.space import AnyShape, Node, Shape
from optnas.space.shapes import numbers_in

__all__ = [
    "Sides",
    "arranged",
    "channel_axis",
    "channels_of",
    "image",
    "numel",
    "positive",
    "sequence",
    "sides",
    "spatial",
    "squared",
    "window",
]

Sides = int | tuple[int, ...]
"""The side of a square window, or its height and width (of volumes depth, height and width)."""


def image(shape: Shape) -> tuple[int, int, int]:
    """Return an image's shape, ``(channels, height, width)``.

    Raises:
        ValueError: If the shape is not an image's.
    """
    if len(shape) != 3:
        raise ValueError(f"it expects (channels, height, width), not {len(shape)} sizes")
    return shape


def spatial(shape: Shape, *, sequences: bool = False) -> tuple[int, tuple[int, ...]]:
    """Return the channels and the sizes of an image or a volume, and if ``sequences`` of a sequence.

    Raises:
        ValueError: If the shape is none of these.
    """
    if len(shape) in (3, 4):
        return shape[0], shape[1:]
    if sequences and len(shape) == 2:
        return shape[1], shape[:1]
    kinds = ["(channels, height, width)", "(channels, depth, height, width)"]
    kinds = ["(length, features)", *kinds] if sequences else kinds
    raise ValueError(f"it expects {', '.join(kinds[:-1])} or {kinds[-1]}, not {len(shape)} sizes")


def arranged(channels: int, sizes: tuple[int, ...]) -> Shape:
    """Return the shape of an image or a volume, (channels, …), or of a sequence, (length, features)."""
    return (channels, *sizes) if len(sizes) > 1 else (*sizes, channels)


def sequence(shape: Shape) -> tuple[int, int]:
    """Return a sequence's shape, ``(length, features)``.

    Raises:
        ValueError: If the shape is not a sequence's.
    """
    if len(shape) != 2:
        raise ValueError(f"it expects (length, features), not {len(shape)} sizes")
    return shape


def channel_axis(shape: Shape) -> int:
    """Return the axis of the channels: the first of an image's shape, the last of any other shape."""
    return 0 if len(shape) >= 3 else len(shape) - 1


def channels_of(width: int | str, shape: Shape) -> int:
    """Return the number of channels: ``width``, or that of ``shape`` if ``width`` is ``"same"``.

    Raises:
        ValueError: If ``width`` is any other string.
    """
    if width == "same":
        return shape[channel_axis(shape)]
    if isinstance(width, str):
        raise ValueError(f"width={width!r} must be a whole number, or 'same' for as many as come in")
    return width


def numel(shape: AnyShape) -> int:
    """Return the number of elements of a tensor of this shape, or of several."""
    return numbers_in(shape)


def positive(**sizes: int) -> None:
    """Raise a ``ValueError`` unless every size is a whole number of at least 1."""
    for name, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{name}={size!r} must be a whole number of at least 1")


def sides(kernel: Sides, dims: int = 2) -> tuple[int, ...]:
    """Return the sides of a window: its height and width, of a volume its depth, height and width.

    Raises:
        ValueError: If it is neither a whole number of at least 1 nor ``dims`` of them.
    """
    window = kernel if isinstance(kernel, tuple) and len(kernel) == dims else (kernel,) * dims
    for side in window:
        if not isinstance(side, int) or isinstance(side, bool) or side < 1:
            several = {1: "", 2: ", or two: (7, 1)", 3: ", or three: (1, 3, 3)"}[dims]
            raise ValueError(f"kernel={kernel!r} must be a whole number of at least 1{several}")
    return window  # type: ignore[return-value]


def squared(node: Node) -> Node:
    """Return ``node`` with one number for its kernel if that is square."""
    arguments = node.arguments
    kernel = arguments["kernel"]
    if not isinstance(kernel, tuple) or len(set(kernel)) != 1:
        return node
    return node.op(*node.children, name=node.name, **{**arguments, "kernel": kernel[0]})


def window(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Return the output length of a sliding window over an input of length ``size``.

    Raises:
        ValueError: If the window does not fit into the padded input.
    """
    length = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    if length < 1:
        raise ValueError(f"a window of {dilation * (kernel - 1) + 1} does not fit into {size + 2 * padding}")
    return length
