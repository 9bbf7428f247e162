"""What ops expect of a shape, said in one line where it does not fit."""

from __future__ import annotations

from optnas.space import Shape

__all__ = ["channel_axis", "channels_of", "image", "numel", "positive", "sequence", "window"]


def image(shape: Shape) -> tuple[int, int, int]:
    """Return ``(channels, height, width)``.

    Raises:
        ValueError: If the shape is not an image's.
    """
    if len(shape) != 3:
        raise ValueError(f"it expects (channels, height, width), not {len(shape)} sizes")
    return shape


def sequence(shape: Shape) -> tuple[int, int]:
    """Return ``(length, features)``.

    Raises:
        ValueError: If the shape is not a sequence's.
    """
    if len(shape) != 2:
        raise ValueError(f"it expects (length, features), not {len(shape)} sizes")
    return shape


def channel_axis(shape: Shape) -> int:
    """Return which size counts the channels: the first of an image's, the last of any other shape."""
    return 0 if len(shape) >= 3 else len(shape) - 1


def channels_of(width: int | str, shape: Shape) -> int:
    """Return how many channels ``width`` is: a number, or ``"same"`` for those of ``shape``.

    Raises:
        ValueError: If it is another word.
    """
    if width == "same":
        return shape[channel_axis(shape)]
    if isinstance(width, str):
        raise ValueError(f"width={width!r} must be a whole number, or 'same' for as many as come in")
    return width


def numel(shape: Shape) -> int:
    """Return how many numbers a shape holds."""
    product = 1
    for size in shape:
        product *= size
    return product


def positive(**sizes: int) -> None:
    """Raise a ``ValueError`` unless every size is a whole number of at least 1."""
    for name, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{name}={size!r} must be a whole number of at least 1")


def window(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Return the length that a sliding window leaves of ``size``.

    Raises:
        ValueError: If the window does not fit in.
    """
    length = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    if length < 1:
        raise ValueError(f"a window of {dilation * (kernel - 1) + 1} does not fit into {size + 2 * padding}")
    return length
