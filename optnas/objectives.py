"""Objectives and constraints: expressions over metrics, directions and limits."""

from __future__ import annotations

import ast
import dataclasses
import math
import operator
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Literal

from optnas.errors import UserError
from optnas.own_code import own_code

__all__ = ["Constraint", "Expression", "Objective", "maximize", "minimize"]

_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "sqrt": math.sqrt,
}

# Within Python's recursion limit, and beyond anything a person writes.
_DEEPEST = 50


@dataclasses.dataclass(frozen=True)
class Expression:
    """An arithmetic expression over metrics, evaluated without ``eval``.

    Understands numbers, names, ``+ - * / % **``, parentheses, and the functions abs, exp, log, log2,
    log10, max, min and sqrt.

    >>> Expression("loss + 0.1 * log10(flops)")({"loss": 0.5, "flops": 1e6})
    1.1
    """

    text: str

    def __post_init__(self) -> None:
        self.names  # noqa: B018 - reads the text, so that mistakes show at once

    def __str__(self) -> str:
        return self.text

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of the metrics in the expression."""
        return frozenset(_names(self._tree, self.text))

    @cached_property
    def _tree(self) -> ast.expr:
        return _parsed(self.text)

    def __call__(self, metrics: Mapping[str, float]) -> float:
        """Return the value of the expression.

        Raises:
            KeyError: If a metric it needs is not among ``metrics``.
            ArithmeticError: If it has no value there, such as a logarithm of 0.
        """
        return _value(self._tree, metrics, self.text)


def _parsed(text: str) -> ast.expr:
    if not isinstance(text, str) or len(text) > 1000:
        raise UserError(f"{text!r} is not the name of a metric nor arithmetic over metrics")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UserError(f"{text!r} is not the name of a metric nor arithmetic over metrics") from None


def _names(part: ast.expr, text: str, depth: int = 0) -> set[str]:
    """Return the names of the metrics in ``part``; raise ``UserError`` if it is not arithmetic."""
    if depth > _DEEPEST:
        raise UserError(f"{text[:40]!r}… is nested deeper than {_DEEPEST} levels")
    match part:
        case ast.Name(id=name):
            return {name}
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float()):
            return set()
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _names(left, text, depth + 1) | _names(right, text, depth + 1)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _names(operand, text, depth + 1)
        case ast.Call(func=ast.Name(id=function), args=[_, *_] as args, keywords=[]):
            if function in _FUNCTIONS:
                return set().union(*(_names(arg, text, depth + 1) for arg in args))
    raise UserError(
        f"{ast.unparse(part)!r} in {text!r} is not understood: use names, numbers, + - * / ** % and "
        + ", ".join(_FUNCTIONS)
    )


def _value(part: ast.expr, metrics: Mapping[str, float], text: str) -> float:
    try:
        match part:
            case ast.Name(id=name):
                return float(metrics[name])
            case ast.Constant(value=int() | float() as number):
                return float(number)  # not int: 9**9**9 must overflow, not run for ever
            case ast.BinOp(left=left, op=op, right=right):
                result = _OPERATORS[type(op)](_value(left, metrics, text), _value(right, metrics, text))
            case ast.UnaryOp(op=op, operand=operand):
                result = _OPERATORS[type(op)](_value(operand, metrics, text))
            case ast.Call(func=ast.Name(id=function), args=args):
                result = _FUNCTIONS[function](*(_value(arg, metrics, text) for arg in args))
            case _:
                raise TypeError(f"not arithmetic: {ast.dump(part)}")
    except (ArithmeticError, ValueError) as error:
        raise ArithmeticError(f"{text!r} has no value: {error}") from None
    if isinstance(result, complex):
        raise ArithmeticError(f"{text!r} has no real value")
    return result


@dataclasses.dataclass(frozen=True)
class Objective:
    """A value to maximise or minimise.

    Attributes:
        metric: A metric's name, or arithmetic over metrics.
        direction: Whether larger or smaller values are better.
        limit: The worst value inside the region of interest; ``None`` if not given.
        label: A name for arithmetic; ``None`` for its text.
    """

    metric: Expression
    direction: Literal["maximize", "minimize"]
    limit: float | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        limit, label = self.limit, self.label
        if label is not None and not (isinstance(label, str) and label.strip() and label.isprintable()):
            raise UserError(f"{self.direction}({self.metric.text!r}, name={label!r}): give it a name")
        if limit is None:
            return
        if not isinstance(limit, int | float) or isinstance(limit, bool) or not math.isfinite(limit):
            word = "above" if self.direction == "maximize" else "below"
            raise UserError(f"{self.direction}({self.name!r}, {word}={limit!r}): give a number")

    @property
    def name(self) -> str:
        """Its name in tables and the dashboard."""
        return self.metric.text if self.label is None else self.label

    @property
    def bound(self) -> Constraint | None:
        """The limit as a constraint, for values known before training; ``None`` without a limit."""
        if self.limit is None:
            return None
        comparison = "<=" if self.direction == "minimize" else ">="
        return Constraint.of(f"{self.metric} {comparison} {self.limit!r}")

    @property
    def sign(self) -> int:
        """Factor that turns the value into one to minimise: 1 or -1."""
        return 1 if self.direction == "minimize" else -1

    def __repr__(self) -> str:
        word = "above" if self.direction == "maximize" else "below"
        limit = "" if self.limit is None else f", {word}={self.limit:g}"
        name = "" if self.label is None else f", name={self.label!r}"
        return f"{self.direction}({self.metric.text!r}{limit}{name})"


def maximize(metric: str, *, above: float | None = None, name: str | None = None) -> Objective:
    """Maximise ``metric``: a metric's name, or arithmetic over metrics.

    Args:
        metric: Such as ``"accuracy"``.
        above: The worst useful value: the search is for trade-offs above it alone. By default it is a
            fifth of the way from the best value found so far to chance level, if that is known.
        name: A name for arithmetic in tables and the dashboard, such as ``"score"``.
    """
    return Objective(Expression(metric), "maximize", above, name)


def minimize(metric: str, *, below: float | None = None, name: str | None = None) -> Objective:
    """Minimise ``metric``: a metric's name, or arithmetic over metrics.

    Args:
        metric: Such as ``"flops"``.
        below: The worst useful value: the search is for trade-offs below it alone. If the value is
            known before training, as FLOPs are, a candidate above it is not trained.
        name: A name for arithmetic in tables and the dashboard, such as ``"score"``.
    """
    return Objective(Expression(metric), "minimize", below, name)


@dataclasses.dataclass(frozen=True)
class Constraint:
    """A limit that a candidate must keep.

    Attributes:
        name: Its name in the dashboard and in the recorded reason of a trial that breaks it.
        needs: Names of the metrics it uses; ``None`` for a function of the candidate.
    """

    name: str
    needs: frozenset[str] | None
    _violation: Callable[[Any], float]

    @classmethod
    def of(cls, limit: str | Callable[[Any], float | bool]) -> Constraint:
        """Make a constraint from a text or a function.

        Args:
            limit: A comparison such as ``"params <= 200_000"``, or a function of the
                :class:`~optnas.candidate.Candidate` that returns whether the limit is kept (a
                ``bool``) or the violation (a number, 0 or less if the limit is kept).

        Raises:
            UserError: If the text is not a comparison.
        """
        if callable(limit):
            return cls(getattr(limit, "__name__", repr(limit)), None, _of_function(limit))
        if not isinstance(limit, str):
            raise UserError(f"{limit!r} is not a constraint: write e.g. 'params <= 200_000', or a function")
        tree = _parsed(limit)
        if not isinstance(tree, ast.Compare) or any(type(op) not in _COMPARISONS for op in tree.ops):
            raise UserError(f"{limit!r} is not a constraint: write e.g. 'params <= 200_000'")
        sides = [Expression(ast.unparse(side)) for side in (tree.left, *tree.comparators)]
        compare = list(zip(sides, tree.ops, sides[1:], strict=False))

        def violation(metrics: Mapping[str, float]) -> float:
            return max(
                _violation(left, _COMPARISONS[type(op)], right, metrics) for left, op, right in compare
            )

        return cls(limit, frozenset().union(*(side.names for side in sides)), violation)

    def violation(self, subject: Any) -> float:
        """Return the violation of the constraint: 0 or less if it is kept.

        Args:
            subject: The metrics by name; for a function, the candidate.
        """
        return self._violation(subject)


def _of_function(function: Callable[[Any], float | bool]) -> Callable[[Any], float]:
    def violation(candidate: Any) -> float:
        with own_code():
            answer = function(candidate)
        if hasattr(answer, "item"):  # a tensor or a NumPy scalar, whose bool is not Python's
            answer = answer.item()
        if isinstance(answer, bool):
            return 0.0 if answer else 1.0
        if not isinstance(answer, int | float) or math.isnan(answer):
            name = getattr(function, "__name__", "a function")
            raise TypeError(
                f"constraint {name!r} answered {answer!r}: return whether a candidate is kept, or how far"
                " it breaks the limit"
            )
        return float(answer)

    return violation


def _violation(
    left: Expression, comparison: tuple[int, bool], right: Expression, metrics: Mapping[str, float]
) -> float:
    """Return the violation of one comparison, relative to its constant side.

    Samplers add violations up, and relative ones compare whatever their units.
    """
    sign, strict = comparison
    smaller, larger = left(metrics), right(metrics)
    limit = smaller if right.names and not left.names else larger
    if strict and smaller == larger:
        return math.ulp(1.0)
    return sign * (smaller - larger) / (abs(limit) or 1.0)


_COMPARISONS: dict[type[ast.cmpop], tuple[int, bool]] = {
    ast.LtE: (1, False),
    ast.Lt: (1, True),
    ast.GtE: (-1, False),
    ast.Gt: (-1, True),
}


def as_numbers(metrics: Any) -> dict[str, float]:
    """Return metrics as Python numbers, which every storage accepts, in place of tensors and NumPy scalars.

    Raises:
        TypeError: If ``metrics`` is no mapping, or a value of it is an array of several numbers.
    """
    if not isinstance(metrics, Mapping):
        raise TypeError(f"what is measured is a dict such as {{'accuracy': 0.9}}, not {metrics!r:.60}")
    return {name: _number(name, value) for name, value in metrics.items()}


def _number(name: str, value: Any) -> Any:
    if not hasattr(value, "item"):
        return value
    try:
        return value.item()
    except (ValueError, RuntimeError):
        raise TypeError(f"{name} is not one number, but {value!r:.60}") from None


def require(metrics: Mapping[str, float], names: frozenset[str], user: str) -> None:
    """Raise an error that names ``user`` if ``metrics`` lacks a number for one of ``names``.

    Raises:
        LookupError: If one was not measured.
        TypeError: If one is not a number.
    """
    for name in sorted(names):
        if name not in metrics:
            measured = ", ".join(sorted(metrics))
            raise LookupError(f"{user} needs {name!r}, which was not measured; measured: {measured}")
        if not isinstance(metrics[name], int | float):
            raise TypeError(f"{user} needs a number, but {name} is {metrics[name]!r:.60}")
