"""Holes: the parameters in a search space, for which a trial suggests values."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optnas.space.errors import SpaceError
from optnas.space.values import TreeValue, text_of, tree_value

__all__ = ["Choose", "Hole", "Integer", "Real", "Repeat", "choose", "integer", "real", "repeat", "shared"]

_SCALARS = (type(None), bool, int, float, str)


def is_open(value: object) -> bool:
    """Return whether ``value`` contains a hole."""
    if isinstance(value, tuple):
        return any(is_open(item) for item in value)
    # Not isinstance with a protocol: that takes 10 µs, and this runs for every scalar of every tree.
    return getattr(value, "open", False) is True


@dataclasses.dataclass(frozen=True, repr=False)
class Hole(TreeValue):
    """Parameter in a search space, for which a trial suggests a value; base class of all holes.

    Attributes:
        name: Name in Optuna; ``None`` to use the path in the tree.
        study_wide: Whether it is one parameter for the whole study (see :func:`shared`).
    """

    name: str | None = dataclasses.field(default=None, kw_only=True)
    study_wide: bool = dataclasses.field(default=False, kw_only=True)

    @property
    def open(self) -> bool:
        return True

    def _content(self) -> tuple[Any, ...]:
        return (type(self), *(getattr(self, field.name) for field in dataclasses.fields(self)))

    def __repr__(self) -> str:
        return _text(self)

    @property
    def distribution(self) -> BaseDistribution:
        """The Optuna distribution this hole is suggested from."""
        raise NotImplementedError

    @property
    def word(self) -> str:
        """Its name, or a generic word if it has none."""
        return self.name or "choice"

    def parameter(self, name: str) -> str:
        """Return the name of the Optuna parameter of this hole, if the hole is called ``name``."""
        return name


@dataclasses.dataclass(frozen=True, repr=False)
class Integer(Hole):
    """An integer from ``low`` to ``high``, both included."""

    low: int
    high: int
    step: int = 1
    log: bool = False

    @cached_property
    def distribution(self) -> IntDistribution:
        return IntDistribution(self.low, self.high, log=self.log, step=self.step)


@dataclasses.dataclass(frozen=True, repr=False)
class Real(Hole):
    """A real number from ``low`` to ``high``, both included."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @cached_property
    def distribution(self) -> FloatDistribution:
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)


@dataclasses.dataclass(frozen=True, repr=False)
class Choose(Hole):
    """Choice between several options: scalars, trees, or further holes."""

    options: tuple[Any, ...]

    @cached_property
    def labels(self) -> tuple[Any, ...]:
        """The labels of the options in Optuna, in order.

        A scalar is its own label. A hole is labelled by its name, a tree without holes by its text,
        a tree with holes by its op. Equal labels are numbered.
        """
        plain = [_label(option) for option in self.options]
        times = Counter(plain)
        numbers = {label: itertools.count(1) for label in times}
        labels = []
        for label in plain:
            if times[label] > 1:
                numbered = (f"{label}#{number}" for number in numbers[label])
                label = next(candidate for candidate in numbered if candidate not in times)
            labels.append(label)
        return tuple(labels)

    @cached_property
    def by_label(self) -> Mapping[Any, Any]:
        return dict(zip(self.labels, self.options, strict=True))

    @cached_property
    def distribution(self) -> CategoricalDistribution:
        return CategoricalDistribution(self.labels)


@dataclasses.dataclass(frozen=True, repr=False)
class Repeat(Hole):
    """``low`` to ``high`` copies of ``body``, each with its own parameters."""

    body: Any
    low: int
    high: int

    @property
    def word(self) -> str:
        return self.name or "repeat"

    @cached_property
    def distribution(self) -> IntDistribution:
        return IntDistribution(self.low, self.high)

    def parameter(self, name: str) -> str:
        return name + "s"

    def copy(self, index: int) -> Any:
        """Return the tree of the copy ``index``, counted from 0."""
        return self.body


def _label(option: Any) -> Any:
    if isinstance(option, _SCALARS):
        return option
    if isinstance(option, Hole):
        return option.word
    if is_open(option) and not isinstance(option, tuple):
        return option.op.name
    return str(option)


def choose(*options: Any, name: str | None = None) -> Any:
    """Make a categorical choice between ``options``: numbers, strings, trees, or further holes.

    Args:
        options: At least one, all different.
        name: Name in Optuna, e.g. ``"width"``; by default its path in the tree.

    Raises:
        SpaceError: If there is no option, or an option occurs twice.

    >>> choose(8, 16, 32, name="width")
    choose(8, 16, 32, name='width')
    """
    options = tuple(tree_value(option, "an option of choose") for option in options)
    if not options:
        raise SpaceError("choose() has no options: give at least one")
    seen: set[Any] = set()
    for option in options:
        # 1, 1.0 and True are one choice to Optuna, which compares by ==.
        if option in seen:
            raise SpaceError(f"choose(): the option {option!r} stands there twice")
        seen.add(option)
    return Choose(options, name=checked_name(name))


def integer(low: int, high: int, *, step: int = 1, log: bool = False, name: str | None = None) -> Any:
    """Make an integer parameter from ``low`` to ``high``, both included.

    Raises:
        SpaceError: If the range is empty, or Optuna does not accept its step or scale.
    """
    low, high, step = (tree_value(number, "integer") for number in (low, high, step))
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in (low, high, step)):
        raise SpaceError(f"integer({low!r}, {high!r}): low, high and step must be whole numbers")
    return _checked(Integer(low, high, step, log, name=checked_name(name)), f"integer({low!r}, {high!r})")


def real(
    low: float, high: float, *, log: bool = False, step: float | None = None, name: str | None = None
) -> Any:
    """Make a real-valued parameter from ``low`` to ``high``, both included.

    Raises:
        SpaceError: If the range is empty or not finite, or Optuna does not accept its step or scale.
    """
    try:
        bounds = float(low), float(high)
        step = None if step is None else float(step)
    except (TypeError, ValueError):
        raise SpaceError(f"real({low!r}, {high!r}): low, high and step must be numbers") from None
    except OverflowError:
        bounds = math.inf, math.inf
    if not all(map(math.isfinite, (*bounds, step or 0))):
        raise SpaceError("real(): low, high and step must be finite")
    return _checked(Real(*bounds, log, step, name=checked_name(name)), f"real({low!r}, {high!r})")


def repeat(body: Any, low: int, high: int | None = None, *, name: str | None = None) -> Any:
    """Repeat ``body`` ``low`` to ``high`` times among an op's children.

    Each copy has its own parameters. If the name is ``layer``, the number of copies is the parameter
    ``layers``, and a ``width`` within the copies is ``layer0.width``, ``layer1.width``, …

    Args:
        body: The tree, or the choice between trees, to repeat.
        low: The smallest number of copies, 0 or more.
        high: The largest number; by default ``low``, which fixes the number.
        name: Name of one copy; by default ``repeat``.

    Raises:
        SpaceError: If the range is empty or negative.
    """
    low, high = (tree_value(number, "repeat") for number in (low, low if high is None else high))
    if not all(isinstance(bound, int) and not isinstance(bound, bool) for bound in (low, high)):
        raise SpaceError(f"repeat(…, {low!r}, {high!r}): the numbers of copies must be whole numbers")
    if not 0 <= low <= high:
        raise SpaceError(f"repeat(…, {low}, {high}): give 0 <= low <= high")
    return Repeat(tree_value(body, "the body of repeat"), low, high, name=checked_name(name))


def shared(hole: Any) -> Any:
    """Make a named hole one parameter for the whole study, wherever it occurs in the search space.

    Raises:
        SpaceError: If it is not a hole, or has no name.
    """
    if not isinstance(hole, Hole):
        raise SpaceError(f"shared({hole!r}): only a hole can be shared, e.g. choose(8, 16, name='width')")
    if hole.name is None:
        raise SpaceError(f"shared({hole!r}): give the hole a name, e.g. choose(8, 16, name='width')")
    return dataclasses.replace(hole, study_wide=True)


def outcomes(value: Any, *, repeats: bool = True) -> Iterator[Any]:
    """Yield all possible replacements of ``value``: options of choices and bodies of repeats."""
    if isinstance(value, Choose):
        for option in value.options:
            yield from outcomes(option, repeats=repeats)
    elif repeats and isinstance(value, Repeat):
        yield from outcomes(value.body)
    else:
        yield value


def _checked(hole: Integer | Real, text: str) -> Hole:
    if not isinstance(hole.log, bool):
        raise SpaceError(f"{text}: log={hole.log!r} must be True or False")
    try:
        hole.distribution  # noqa: B018 - its constructor checks the range
    except ValueError as error:
        raise SpaceError(f"{text}: {error}") from None
    return hole


def checked_name(name: str | None) -> str | None:
    """Return ``name`` if it is ``None`` or a string that is not empty and has no spaces around it.

    Raises:
        SpaceError: If it is anything else.
    """
    if name is not None and not (
        isinstance(name, str) and name.strip() == name and name and name.isprintable()
    ):
        raise SpaceError(f"name={name!r}: a name is a word that people read, e.g. 'width'")
    return name


def _text(hole: Hole) -> str:
    """Return the Python call that makes the hole."""
    match hole:
        case Choose():
            body = [text_of(option) for option in hole.options]
        case Repeat():
            body = [text_of(hole.body), str(hole.low), str(hole.high)]
        case Integer():
            body = [str(hole.low), str(hole.high)]
            body += [f"step={hole.step}"] if hole.step != 1 else []
            body += ["log=True"] if hole.log else []
        case Real():
            body = [repr(hole.low), repr(hole.high)]
            body += ["log=True"] if hole.log else []
            body += [f"step={hole.step!r}"] if hole.step is not None else []
        case _:
            raise TypeError(f"not a hole: {type(hole).__name__}")
    body += [f"name={hole.name!r}"] if hole.name is not None else []
    text = f"{type(hole).__name__.lower()}({', '.join(body)})"
    return f"shared({text})" if hole.study_wide else text
