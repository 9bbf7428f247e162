"""Parser of search spaces and architectures; walks the syntax tree of the text and executes nothing."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from optnas.errors import nearest
from optnas.space.errors import SpaceError
from optnas.space.holes import choose, integer, real, repeat, shared
from optnas.space.node import Node
from optnas.space.op import Op, ops_by_name
from optnas.space.spellings import spellings
from optnas.space.stage import stage
from optnas.space.values import tree_value

__all__ = ["MOST_OPS", "parse", "parse_tree"]

_HOLES: dict[str, Callable[..., Any]] = {
    "choose": choose,
    "integer": integer,
    "real": real,
    "repeat": repeat,
    "shared": shared,
    "stage": stage,
}

# Far beyond any architecture, and within the limits of Python's parser and of recursion.
_LONGEST_TEXT = 1_000_000
_DEEPEST_TREE = 60
MOST_OPS = 10_000


def parse(text: str) -> Node:
    """Return the tree that is written as ``text``: the output of ``str(tree)``, for any tree.

    Other notations are read too, if their modules are imported: a list of layers, one per line or
    separated by `` / `` (``conv3x3 / bn / relu / fc``), NAS-Bench-201's strings
    (``|skip_connect~0|+|…``) and DARTS' ``Genotype(…)``.

    Nothing is executed: names are looked up among the registered ops and the holes, and only
    numbers, strings, tuples and calls are accepted.

    Raises:
        SpaceError: If the text is not a tree; the message says where and what was expected.

    >>> parse("seq(conv(16), norm, swish(beta=1.2), head)")
    seq(conv(16), norm, swish(beta=1.2), head)
    """
    if not isinstance(text, str):
        raise SpaceError(f"parse() takes a text, not {type(text).__name__}")
    _check_length(text)
    for spelling in spellings().values():
        if spelling.recognises(text):
            return spelling.read(text)
    return parse_tree(text)


def parse_tree(text: str, unknown: Callable[[str], Op] | None = None) -> Node:
    """Return the tree that is written as ``text`` in the notation of ``str(tree)``, and in no other.

    Args:
        text: The text.
        unknown: Returns the op to take for a name that no op has, or for one that takes other arguments
            than the text gives it; by default both are errors.

    Raises:
        SpaceError: If the text is not a tree.
    """
    _check_length(text)
    try:
        expression = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise SpaceError(f"not an architecture's text: {error.msg} at {_shorten(text)!r}") from None
    except (ValueError, RecursionError, MemoryError):
        raise SpaceError(f"not an architecture's text: {_shorten(text)!r}") from None
    tree = tree_value(_Reader(text, unknown).value(expression, 0), "the text")
    if not isinstance(tree, Node):
        raise SpaceError(f"not an architecture's text: {_shorten(text)!r} is no op")
    return tree


def _check_length(text: str) -> None:
    if len(text) > _LONGEST_TEXT:
        raise SpaceError(f"the text has {len(text):,} characters; {_LONGEST_TEXT:,} are the most")


class _Reader:
    def __init__(self, text: str, unknown: Callable[[str], Op] | None) -> None:
        self.text = text
        self.unknown = unknown
        self.read = 0

    def value(self, part: ast.expr, depth: int) -> Any:
        if depth > _DEEPEST_TREE:
            raise SpaceError(f"the tree is nested deeper than {_DEEPEST_TREE} levels")
        if isinstance(part, ast.Call | ast.Name | ast.Attribute):
            self.read += 1
            if self.read > MOST_OPS:
                raise SpaceError(f"the tree has more than {MOST_OPS:,} ops")
        match part:
            case ast.Constant(value=None | bool() | int() | float() | str() as constant):
                return constant
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=ast.Constant(value=number)) if (
                isinstance(number, int | float) and not isinstance(number, bool)
            ):
                return -number if isinstance(sign, ast.USub) else number
            case ast.Tuple(elts=items) | ast.List(elts=items):
                return tuple(self.value(item, depth + 1) for item in items)
            case ast.Call(func=function, args=args, keywords=keywords):
                maker = self.maker(function)
                positional = [self.value(arg, depth + 1) for arg in args]
                named: dict[str, Any] = {}
                for keyword in keywords:
                    if keyword.arg is None:
                        raise self.refusal(keyword.value)
                    if keyword.arg in named:
                        raise SpaceError(f"{self.excerpt(part)!r}: {keyword.arg}= stands there twice")
                    named[keyword.arg] = self.value(keyword.value, depth + 1)
                try:
                    return maker(*positional, **named)
                except SpaceError:
                    if self.unknown is None or not isinstance(maker, Op):
                        raise
                    return self.unknown(maker.name)(*positional, **named)
                except (TypeError, ValueError) as error:
                    raise SpaceError(f"{self.excerpt(part)!r}: {error}") from None
            case ast.Name() | ast.Attribute():
                maker = self.maker(part)
                call = ast.copy_location(ast.Call(part, [], []), part)
                return maker() if isinstance(maker, Op) else self.value(call, depth)
        raise self.refusal(part)

    def maker(self, part: ast.expr) -> Callable[..., Any]:
        """Return the op or the hole function of that name; ``ops.conv`` means ``conv``."""
        match part:
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="ops"), attr=name):
                known: dict[str, Callable[..., Any]] = {**_HOLES, **ops_by_name()}
                if name not in known and self.unknown is not None:
                    return self.unknown(name)
                if name not in known:
                    offered = [each for each, op in known.items() if not getattr(op, "internal", False)]
                    raise SpaceError(
                        f"no op is called {_shorten(name)!r}: {nearest(_shorten(name), offered)}"
                    )
                return known[name]
        raise self.refusal(part)

    def refusal(self, part: ast.expr) -> SpaceError:
        return SpaceError(
            f"{self.excerpt(part)!r} cannot stand in a tree: use ops, numbers, texts, tuples and holes"
        )

    def excerpt(self, part: ast.expr) -> str:
        return _shorten(ast.get_source_segment(self.text.strip(), part) or type(part).__name__)


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "…"
