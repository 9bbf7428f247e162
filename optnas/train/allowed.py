"""The values that each training setting can take, of those that are searched every one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from optnas.errors import UserError, nearest
from optnas.space.holes import Choose, Hole, Integer, Real
from optnas.train.schedule import SCHEDULES

__all__ = ["check_own", "check_values", "possible_values"]

_SMALLEST = 1e-12
_BELOW_ONE = 0.999999
_WHOLE = ("epochs", "batch_size", "crop", "cutout")
_RANGES = (
    ("epochs", 1, 1_000_000),
    ("batch_size", 1, 1_000_000_000),
    ("lr", _SMALLEST, 1e6),
    ("momentum", 0, _BELOW_ONE),
    ("weight_decay", 0, 1e6),
    ("clip", 0, 1e12),
    ("ema", 0, _BELOW_ONE),
    ("warm_up", 0, _BELOW_ONE),
    ("label_smoothing", 0, _BELOW_ONE),
    ("crop", 0, 1_000_000),
    ("cutout", 0, 1_000_000),
    ("mixup", 0, 1_000_000),
    ("focal_gamma", 0, 1_000),
    ("lr_decay", _SMALLEST, 1),
    ("rotate", 0, 180),
    ("brightness", 0, 1),
    ("contrast", 0, 1),
    ("saturation", 0, 1),
)
_NAMED: tuple[tuple[str, Collection[Any]], ...] = (
    ("schedule", SCHEDULES),
    ("padding", ("reflect", "zero")),
    ("flip", (False, True)),
    ("balanced", (False, True)),
    ("inherit", (None, "parent", "one-shot")),
)

# Of tuples: a word that stands for one, the numbers that it may have, and the range of each.
_TUPLES = (
    ("betas", None, (2, 2), (0, _BELOW_ONE), "two numbers, such as (0.9, 0.999)"),
    ("milestones", None, (1, 1_000), (0, _BELOW_ONE), "shares of the steps, such as (0.5, 0.75)"),
    ("class_weights", "balanced", (2, 1_000_000), (0, 1e12), "'balanced', or a weight for each class"),
)


def check_values(settings: Mapping[str, Any]) -> None:
    """Raise if a number or a name of ``settings`` is none that the setting can take.

    Raises:
        UserError: If so.
    """
    for name, low, high in _RANGES:
        for value in possible_values(settings[name]):
            if value is None and name == "warm_up":
                continue
            _check_number(f"Training({name}={value!r})", value, low, high, whole=name in _WHOLE)
    for name, known in _NAMED:
        for value in possible_values(settings[name]):
            if value not in known:
                raise UserError(f"Training({name}={value!r}): {nearest(str(value), map(str, known))}")
    for name, word, (fewest, most), (low, high), wanted in _TUPLES:
        for value in possible_values(settings[name]):
            if (word is not None and value == word) or (value is None and name != "milestones"):
                continue
            if not isinstance(value, tuple) or not fewest <= len(value) <= most:
                raise UserError(f"Training({name}={value!r}): give {wanted}")
            for number in (end for item in value for end in possible_values(item)):
                _check_number(f"Training({name}={value!r})", number, low, high)
            if name == "class_weights" and not any(end for item in value for end in possible_values(item)):
                raise UserError(f"Training({name}={value!r}): no class counts; give one a weight above 0")


def check_own(
    what: str,
    plural: str,
    named: Iterable[Any],
    own: Mapping[str, Callable[..., Any]],
    builtin: Collection[str],
) -> None:
    """Raise if ``named`` are not among optnas's own names and the user's, or these are no functions.

    Args:
        what: The setting that names one.
        plural: The setting that holds the user's own.
        named: The possible values of the first.
        own: The value of the second.
        builtin: The names that optnas has.

    Raises:
        UserError: If so.
    """
    if not isinstance(own, Mapping):
        raise UserError(
            f"Training({plural}=…) takes functions by name, such as {{'mine': f}}, not {own!r:.60}"
        )
    for name, function in own.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise UserError(f"Training({plural}={{{name!r}: …}}): a name is a word, such as 'mine'")
        if name in builtin:
            raise UserError(
                f"Training({plural}={{{name!r}: …}}): optnas has one of that name: choose another"
            )
        if not callable(function):
            raise UserError(f"Training({plural}={{{name!r}: {function!r:.60}}}): it must be a function")
    for value in named:
        if callable(value):
            raise UserError(
                f"Training({what}={value!r:.60}): give it a name: {plural}={{'mine': f}}, {what}='mine'"
            )
        if value not in own and value not in builtin:
            raise UserError(
                f"Training({what}={value!r}): {nearest(str(value), [*builtin, *own])} (your own go by name in"
                f" {plural}={{…}})"
            )


def possible_values(value: Any) -> list[Any]:
    """Return the values that a setting can take: itself, a hole's options, or the ends of its range."""
    if isinstance(value, Choose):
        return [end for option in value.options for end in possible_values(option)]
    if isinstance(value, Integer | Real):
        return [value.low, value.high]
    if isinstance(value, Hole):
        raise UserError(f"Training takes choose, integer and real, not {value!r}")
    return [value]


def _check_number(where: str, value: Any, low: float, high: float, *, whole: bool = False) -> None:
    if not isinstance(value, int if whole else int | float) or isinstance(value, bool):
        raise UserError(f"{where}: give a {'whole ' * whole}number")
    if not low <= value <= high:
        raise UserError(f"{where}: it must be {_range(low, high)}")


def _range(low: float, high: float) -> str:
    if low == _SMALLEST:
        return "above 0" if high > 1 else f"above 0, and at most {high:g}"
    return f"from {low:g} to {high:g}"
