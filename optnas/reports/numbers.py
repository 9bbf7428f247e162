"""Formatting of numbers for people."""

from __future__ import annotations

import math
from typing import Any

from optnas.shown import readable

__all__ = ["choice_text", "exact", "readable", "share", "short", "with_deviation"]

_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
# From here on, and for infinity, powers of ten say more.
_LARGEST = 1e16


def short(value: float | None) -> str:
    """Format a value with a few digits: 0.9861, 921.8 k, 1.23 M.

    >>> short(921_760), short(0.98607), short(20.0)
    ('921.8 k', '0.9861', '20')
    """
    if value is None:
        return "–"
    if not abs(value) < _LARGEST:
        return f"{value:.4g}"
    for unit, letter in _UNITS:
        if abs(value) >= 10 * unit or (abs(value) >= unit and unit > 1e3):
            return f"{value / unit:.4g} {letter}"
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 1 else f"{value:.4f}" if abs(value) >= 1e-3 else f"{value:.3g}"


def with_deviation(mean: float, deviation: float | None) -> str:
    """Format a mean with its standard deviation; without one if that is unknown, as of one value.

    >>> with_deviation(0.98607, 0.0021), with_deviation(0.98607, None)
    ('0.9861 ± 0.0021', '0.9861')
    """
    return short(mean) if deviation is None else f"{short(mean)} ± {short(deviation)}"


def exact(value: float) -> str:
    """Format a whole number in full, and any other value with four digits.

    >>> exact(921_760.0), exact(1234.5678), exact(0.98607)
    ('921,760', '1,235', '0.9861')
    """
    whole = abs(value) >= 1000 or float(value).is_integer()
    return f"{value:,.0f}" if whole and math.isfinite(value) else f"{value:.4g}"


def share(value: float | None) -> str:
    """Format a number between 0 and 1 with three digits: 0.613.

    >>> share(0.6127), share(None)
    ('0.613', '–')
    """
    return "–" if value is None else f"{value:.3f}"


def choice_text(name: str, value: Any) -> str:
    """Return the text of a parameter's value; ``None`` as the loss is the loss of the task.

    >>> choice_text("loss", None), choice_text("act", None), choice_text("beta", 0.123456)
    ("the task's own", 'None', '0.1235')
    """
    if value is None and name.rpartition(".")[2] == "loss":
        return "the task's own"
    return f"{value:.4g}" if isinstance(value, float) else readable(str(value))
