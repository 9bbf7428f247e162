"""Signs of the kinds of layers, so that colour never stands alone."""

from __future__ import annotations

from optnas.drawing.svg import Item, Path

__all__ = ["icon"]


def _dots(*points: tuple[float, float]) -> list[tuple[str, tuple[float, ...]]]:
    steps: list[tuple[str, tuple[float, ...]]] = []
    for x, y in points:
        steps += [("M", (x - 1, y - 1)), ("L", (x + 1, y - 1, x + 1, y + 1, x - 1, y + 1)), ("Z", ())]
    return steps


# Within ±5 of the centre.
_STEPS: dict[str, list[tuple[str, tuple[float, ...]]]] = {
    # Into the network.
    "input": [
        ("M", (-5, -5)), ("L", (5, -5)), ("M", (0, -5)), ("L", (0, 4)), ("M", (-3, 1)), ("L", (0, 4.5, 3, 1)),
    ],
    # A kernel's grid.
    "conv": _dots(*((x, y) for x in (-4, 0, 4) for y in (-4, 0, 4))),
    # All to all.
    "linear": [
        ("M", (-4, -4)), ("L", (4, -4)), ("M", (-4, -4)), ("L", (4, 4)), ("M", (-4, 4)), ("L", (4, -4)),
        ("M", (-4, 4)), ("L", (4, 4)),
    ],
    # A bell.
    "norm": [("M", (-5, 4)), ("C", (-1, 4, -2, -4, 0, -4)), ("C", (2, -4, 1, 4, 5, 4))],
    "activation": [("M", (-5, 3)), ("L", (0, 3, 5, -4))],
    # From many to few.
    "pool": [("M", (-5, -4)), ("L", (5, -4, 1.5, 4, -1.5, 4)), ("Z", ())],
    # Each looks at each.
    "attention": [
        ("M", (-5, 3)), ("C", (-4, -6, 4, -6, 5, 3)), ("M", (-5, 3)), ("C", (-4, -1, -1, -1, 0, 3)),
        ("M", (0, 3)), ("C", (1, -1, 4, -1, 5, 3)),
    ],
    # A loop.
    "recurrent": [
        ("M", (3, -3)), ("C", (-1, -6, -5, -3, -4.5, 0.5)), ("C", (-4, 5, 3, 6, 4.5, 0.5)), ("M", (3.2, -6)),
        ("L", (3.2, -2.8, 0, -2.6)),
    ],
    # Rows of a table.
    "tokens": [("M", (-5, -4)), ("L", (5, -4)), ("M", (-5, 0)), ("L", (5, 0)), ("M", (-5, 4)), ("L", (5, 4))],
    "plain": [("M", (0, -5)), ("L", (0, 4)), ("M", (-3, 1)), ("L", (0, 4.5, 3, 1))],
    # A small graph.
    "cell": [
        ("M", (-4, -4)), ("L", (4, 0, -4, 4)), ("Z", ()), *_dots((-4, -4), (4, 0), (-4, 4)),
    ],
    # Braces.
    "own": [
        ("M", (-1.5, -5)), ("C", (-4, -5, -2, 0, -5, 0)), ("C", (-2, 0, -4, 5, -1.5, 5)), ("M", (1.5, -5)),
        ("C", (4, -5, 2, 0, 5, 0)), ("C", (2, 0, 4, 5, 1.5, 5)),
    ],
}  # fmt: skip


def icon(kind: str, x: float, y: float) -> list[Item]:
    """Return the sign of a kind, with its centre at a point."""
    steps = tuple(
        (letter, tuple(n + (x if i % 2 == 0 else y) for i, n in enumerate(numbers)))
        for letter, numbers in _STEPS[kind]
    )
    return [Path(steps, f"i-{kind}")]
