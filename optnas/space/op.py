"""Ops, the kinds of nodes: their arguments, their cost and the modules they build for a shape."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from optnas.errors import Note
from optnas.space.errors import BuildError, OpError, SpaceError
from optnas.space.holes import Hole, Repeat, checked_name, outcomes
from optnas.space.memo import forget, remembered
from optnas.space.node import Node
from optnas.space.shapes import AnyShape, Shape, Shapes, as_shape
from optnas.space.source import digest_of, place_of, source_of
from optnas.space.spellings import spellings
from optnas.space.values import TreeValue, tree_value

__all__ = ["Op", "Shape", "Site", "ops_by_name", "register", "seal"]

# Enough for every subtree of some thousand recently seen architectures; about 100 MB when full.
_COSTS_REMEMBERED = 2**17

_KINDS = inspect.Parameter


class Op(TreeValue):
    """A kind of node, such as a layer; calling it with arguments or holes returns a :class:`Node`.

    Attributes:
        name: Its name in an architecture's text.
        signature: The arguments it takes. Parameters without a default are written by position,
            the others by name; a ``*children`` parameter takes nodes.
        sequential: Whether its children are applied one after the other.
        chain: Whether applying its children one after the other is all that it does.
        commutative: Whether the order of its children makes no difference.
        alternatives: Whether its children are options for the same place, each of which takes a stride.
        takes_several: Whether it takes several tensors by name as well as one.
        builtin: Whether it is one of optnas's, not of the user's own.
        internal: Whether it stands only in the trees of other ops, and nobody writes it.
        names_ops: Arguments in which the name of another op may stand for it.
    """

    sequential: bool = False
    chain: bool = False
    commutative: bool = False
    alternatives: bool = False
    takes_several: bool = False
    builtin: bool = False
    internal: bool = False
    names_ops: frozenset[str] = frozenset()

    def __init__(self, name: str, signature: inspect.Signature, doc: str | None = None) -> None:
        self.name = name
        self.signature = signature
        self.__signature__ = signature
        self.__name__ = self.__qualname__ = name
        self.__doc__ = doc
        self._parameters = signature.parameters
        # For messages: no annotations, because from __future__ import annotations puts them in quotes.
        self._plain = inspect.Signature([p.replace(annotation=p.empty) for p in self._parameters.values()])
        kinds = {parameter.kind for parameter in self._parameters.values()}
        self._takes_children = _KINDS.VAR_POSITIONAL in kinds
        self._open_ended = next(
            (p.name for p in self._parameters.values() if p.kind is _KINDS.VAR_KEYWORD), None
        )
        self.defined_in = type(self).__module__
        self._base = frozenset(vars(self))

    def __call__(self, /, *args: Any, name: str | None = None, **kwargs: Any) -> Node:
        """Return the node with these arguments.

        Args:
            args: Arguments by position, or the children where the op takes children.
            name: Name of this part of a space, with which the names of its holes begin.
            kwargs: Arguments by name.

        Raises:
            SpaceError: If the op does not take these arguments.
        """
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise SpaceError(f"{self.name}: {error}; it takes {self.name}{self._plain}") from None
        given = set(bound.arguments)
        bound.apply_defaults()
        arguments: list[tuple[str, Any]] = []
        children: tuple[Any, ...] = ()
        for key, value in bound.arguments.items():
            kind = self._parameters[key].kind
            if kind is _KINDS.VAR_POSITIONAL:
                children = tuple(self._child(child) for child in value)
            elif kind is _KINDS.VAR_KEYWORD:
                arguments += [(k, tree_value(v, f"{self.name}({k}=…)")) for k, v in value.items()]
            elif key in given or _can_stand(value):
                arguments.append((key, self.argument(key, value)))
        return Node(self, tuple(arguments), children, checked_name(name))

    def __get__(self, instance: object, owner: type | None = None) -> Op:
        # As an attribute of a class it is itself. That help() takes it for a function, and shows its
        # signature, is what this is for.
        return self

    def _in_tree(self) -> Node:
        return self()

    def _child(self, value: Any) -> Any:
        value = tree_value(value, f"a child of {self.name}")
        for child in outcomes(value):
            if not isinstance(child, Node):
                raise SpaceError(f"{self.name}: the child {child!r} is not an op's node")
        return value

    def argument(self, key: str, value: Any) -> Any:
        """Return ``value`` converted for the argument ``key``.

        Raises:
            SpaceError: If a tree cannot hold the value.
        """
        value = tree_value(value, f"{self.name}({key}=…)")
        if isinstance(value, Hole) and any(isinstance(v, Repeat) for v in outcomes(value, repeats=False)):
            raise SpaceError(
                f"{self.name}({key}=…): repeat stands among an op's children, not in an argument;"
                " wrap it in seq"
            )
        # swish(beta=1) and swish(beta=1.0) are one architecture, so they must have one text.
        if isinstance(self.default(key)[1], float) and type(value) is int:
            return float(value)
        return value

    # What it computes, of ops of the user's own.

    @property
    def definition(self) -> tuple[Any, ...]:
        """The functions, classes and constants that determine what it computes."""
        beside = self._base | {"builtin", "digest", "identity"}
        return (type(self), {name: value for name, value in vars(self).items() if name not in beside})

    @property
    def declared(self) -> tuple[Any, ...]:
        """The functions that say something of it without changing what it computes, such as its cost."""
        return ()

    @cached_property
    def digest(self) -> str | None:
        """Digest of the source of :attr:`definition`; ``None`` for an op of optnas's."""
        return None if self.builtin else digest_of(*self.definition)

    @cached_property
    def identity(self) -> str | None:
        """Digest of the source of :attr:`definition` and :attr:`declared`; ``None`` for an op of optnas's."""
        return None if self.builtin else digest_of(*self.definition, *self.declared)

    @property
    def module(self) -> str:
        """Name by which the module that defines it is imported."""
        module = sys.modules.get(self.defined_in)
        file = getattr(module, "__file__", None)
        # A script and a study file are run under other names than their own.
        run = getattr(module, "__spec__", None) is None
        return Path(file).stem if run and file else self.defined_in

    def same_as(self, other: Op) -> bool:
        """Return whether ``other`` has the same name and the same source."""
        return self is other or (self.name == other.name and self.identity == other.identity)

    @property
    def function(self) -> Any:
        """The function that modules of it apply."""
        raise NotImplementedError

    def _content(self) -> tuple[Any, ...]:
        return (self.name,) if self.builtin else (self.name, *self.definition)

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> Any:
        return (_registered, (self.name, *(() if self.builtin else (self.module, self.digest))))

    def __deepcopy__(self, memo: dict[int, Any]) -> Op:
        return self

    def default(self, arg: str) -> tuple[bool, Any]:
        """Return whether ``arg`` is required, and its default if it is not."""
        parameter = self._parameters.get(arg)
        if parameter is None or parameter.default is _KINDS.empty:
            return True, None
        return False, parameter.default

    def positional(self, arg: str) -> bool:
        """Return whether ``arg`` can be written by position."""
        parameter = self._parameters.get(arg)
        return parameter is not None and parameter.kind is _KINDS.POSITIONAL_OR_KEYWORD

    def simplify(self, node: Node) -> Node | None:
        """Return an equivalent simpler tree for :attr:`Node.key`; ``None`` for the identity function."""
        return node

    def stands_for(self, node: Node, site: Site | None = None) -> Node | None:
        """Return the tree that a composite op stands for at ``site``; ``None`` for any other op."""
        return None

    def cost(self, node: Node, site: Site) -> Any:
        """Return the cost of the node at ``site``, including the output ``shape``."""
        raise SpaceError(f"{self.name} is not a layer: it cannot be counted")

    def build(self, node: Node, site: Site) -> Any:
        """Return a fresh module for the node at ``site``."""
        raise SpaceError(f"{self.name} is not a layer: it cannot be built")


Watch = Callable[[Node, "Site"], Callable[[Any], None]]


@dataclasses.dataclass(frozen=True)
class Site:
    """The input shape and the context for which a node is built.

    Attributes:
        shape: The input's shape without the batch, or those of several inputs by name.
        context: Values for op arguments left at ``None``, such as the task's number of outputs.
        watch: Called before each part of a network is built, with its node and site; returns what is called
            with the module that was built. ``None`` for none.
    """

    shape: Any
    context: tuple[tuple[str, Any], ...] = ()
    watch: Watch | None = dataclasses.field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, shape: AnyShape, context: Mapping[str, Any]) -> Site:
        """Return the site of a whole architecture with input ``shape``."""
        return cls(as_shape(shape), tuple(sorted(context.items())))

    def at(self, shape: AnyShape) -> Site:
        """Return the site with input ``shape`` and the same context."""
        return self if shape == self.shape else Site(shape, self.context, self.watch)

    def cost(self, node: Node) -> Any:
        """Return the cost of ``node`` at this site; cached for every subtree.

        Raises:
            BuildError: If it cannot be built at this site.
        """
        # Without the watch: what is cached must not keep modules that someone watches.
        return _cost(node, self if self.watch is None else Site(self.shape, self.context))

    def build(self, node: Node) -> Any:
        """Return a fresh module for ``node``.

        Raises:
            BuildError: If it cannot be built at this site.
        """
        if self.watch is None:
            return _located("build", node, self)
        built = self.watch(node, self)
        module = _located("build", node, self)
        built(module)
        return module


@remembered(_COSTS_REMEMBERED)
def _cost(node: Node, site: Site) -> Any:
    return _located("cost", node, site)


def _located(what: Literal["build", "cost"], node: Node, site: Site) -> Any:
    """Call the op's ``build`` or ``cost``; error messages name the innermost node that failed."""
    if not isinstance(node, Node):
        raise BuildError(f"{node!r} is not an architecture: close its holes first")
    if node.open:
        raise BuildError(f"{_told(node)} still has holes: close them with suggest, close or sample first")
    if isinstance(site.shape, Shapes) and not node.op.takes_several:
        raise BuildError(
            f"{_told(node)} takes one tensor, and several come in ({', '.join(site.shape)}): take one"
            f" before it by ops.input({next(iter(site.shape))!r})"
        )
    try:
        return getattr(node.op, what)(node, site)
    except BuildError:
        raise
    except RecursionError:
        raise BuildError(f"{node.op.name}(…) is nested too deeply to be built") from None
    except MemoryError:
        raise
    except Exception as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        where = f"{_told(node)} cannot be built on an input of shape {site.shape}"
        if not node.op.builtin and _is_mistake(error):
            raise OpError(f"{where}: {type(error).__name__}: {reason}{place_of(error)}") from error
        place = "" if node.op.builtin else place_of(error)
        raise BuildError(f"{where}: {reason}{place}") from error


def _told(node: Node) -> str:
    """Return a node's text for a message."""
    from optnas.shown import elided  # brings rich, which `import optnas` does without

    return elided(str(node))


def _is_mistake(error: Exception) -> bool:
    """Return whether an error is the code's own, whatever the shapes are."""
    kinds = TypeError | AttributeError | NameError | KeyError | ImportError | NotImplementedError
    return isinstance(error, kinds)


def _can_stand(default: Any) -> bool:
    """Return whether a tree can hold ``default``; other defaults (functions) are left out of the tree."""
    try:
        tree_value(default, "a default")
    except SpaceError:
        return False
    return True


_registry: dict[str, Op] = {}
_reserved: set[str] = set()


def register(op: Op, *, builtin: bool = False) -> Op:
    """Register ``op`` for :func:`~optnas.space.parse.parse`.

    It replaces an op of that name of the same module, as where a notebook's cell is run again.

    Args:
        op: The op.
        builtin: Whether it is one of optnas's, as all are until :func:`seal` is called.

    Raises:
        SpaceError: If optnas or another module has an op of that name, or it means something else in a text.
    """
    op.builtin = builtin or not _reserved
    if builtin:
        _reserved.add(op.name)
    elif op.name in _reserved:
        raise SpaceError(
            f"op {op.name!r}: optnas has an op of that name; call this one something else, such as"
            f" op(name='my_{op.name}')"
        )
    if not op.builtin and any(spelling.recognises(op.name) for spelling in spellings().values()):
        raise SpaceError(
            f"op {op.name!r}: in a list of layers that is a layer of optnas's; call this one something"
            f" else, such as op(name='my_{op.name}')"
        )
    before = _registry.get(op.name)
    if before is not None:
        # Not by digest: what the source depends on may be defined further down in the file.
        if before.module != op.module and not _alike(before.definition[0], op.definition[0]):
            raise SpaceError(
                f"op {op.name!r}: {before.module} has another op of that name; call one of them something"
                f" else, such as op(name='my_{op.name}')"
            )
        forget()
    _registry[op.name] = op
    return op


def _alike(one: Any, other: Any) -> bool:
    """Return whether two functions or classes have the same source, whatever they depend on."""
    text = source_of(one)
    return text == source_of(other) and (bool(text) or digest_of(one) == digest_of(other))


def seal() -> None:
    """Reserve the names of all ops registered so far: any other op is the user's own."""
    _reserved.update(_registry)


def ops_by_name() -> Mapping[str, Op]:
    """Return all registered ops by name."""
    return _registry


def _registered(name: str, module: str | None = None, digest: str | None = None) -> Op:
    """Return the op that was pickled, from the module that defines it."""
    if name not in _registry and module is not None:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    if name not in _registry:
        of = "the module that defines it" if module is None else f"{module}, which defines it,"
        raise SpaceError(f"no op is called {name!r} here: import {of} first")
    found = _registry[name]
    if digest not in (None, found.digest):
        warnings.warn(
            f"the op {name!r} is not the one that was pickled: its source differs", Note, stacklevel=2
        )
    return found
