"""Notation of an architecture as a list of layers, one per line or separated by `` / ``.

``conv3x3 / bn / swish(beta=1.2) / maxpool2x2 / fc / softmax``
"""

from __future__ import annotations

import ast
import re

from optnas.errors import nearest
from optnas.ops.containers import seq
from optnas.ops.linear import flatten, head
from optnas.space import Node, SpaceError, Spelling, ops_by_name, register_spelling
from optnas.space.parse import parse_tree

__all__ = ["read"]

_LAYER = re.compile(r"(?P<name>[A-Za-z_]\w*?)(?P<window>\d+x\d+)?(?:-(?P<width>\d+))?(?P<args>\(.*\))?")

# The ops of layers that are written with a window, and of other common names.
_WINDOWED = {
    "conv": "conv",
    "depthwise": "depthwise",
    "dwconv": "depthwise",
    "sepconv": "sepconv",
    "maxpool": "maxpool",
    "avgpool": "avgpool",
}
_OTHERWISE = {
    "bn": "norm",
    "batchnorm": "norm",
    "ln": "layernorm",
    "gap": "global_avgpool",
    "lrelu": "leaky_relu",
}
_DENSE = ("fc", "dense")
_WIDE = ("conv", "sepconv")


def _layers(text: str) -> list[str]:
    parts = [part.strip() for line in text.splitlines() for part in line.split(" / ")]
    return [part for part in parts if part]


def _recognises(text: str) -> bool:
    layers = _layers(text)
    matches = [_LAYER.fullmatch(layer) for layer in layers]
    if not layers or not all(matches) or any(layer.count("(") != layer.count(")") for layer in layers):
        return False
    if len(layers) > 1:
        return True
    (match,) = matches
    assert match is not None
    name = match["name"]
    if match["window"] or match["width"]:
        return name in _WINDOWED
    return name in (*_OTHERWISE, *_DENSE) and name not in ops_by_name()


def read(text: str) -> Node:
    """Return the chain of layers that ``text`` lists.

    ``conv3x3``, ``sepconv5x5``, ``depthwise3x3``, ``maxpool2x2`` and ``avgpool2x2`` are read with
    their windows; ``conv3x3-16`` or ``conv3x3(16)`` has 16 output channels, ``conv3x3`` as many as
    the input has. ``fc`` is a linear layer from all numbers to the task's outputs, ``fc(64)`` to 64.
    A ``softmax`` at the end is dropped, as the task's loss applies it. Anything else is an op as in
    any tree.

    Raises:
        SpaceError: If a layer is unknown; the message says which.
    """
    layers = _layers(text)
    if len(layers) > 1 and layers[-1] in ("softmax", "softmax()"):
        layers.pop()
    nodes: list[Node] = []
    for number, layer in enumerate(layers, start=1):
        try:
            nodes += _read_layer(layer)
        except SpaceError as error:
            raise SpaceError(f"layer {number}: {error}") from None
    return nodes[0] if len(nodes) == 1 else seq(*nodes)


def _read_layer(layer: str) -> list[Node]:
    match = _LAYER.fullmatch(layer)
    assert match is not None
    name, window, width, args = match["name"], match["window"], match["width"], match["args"]
    arguments = args[1:-1].strip() if args else ""
    if width:
        arguments = f"{int(width[:9])}" + (f", {arguments}" if arguments else "")
    if name in _DENSE and not window:
        return [flatten(), parse_tree(f"linear({arguments})") if arguments else head()]
    if window or width:
        if name not in _WINDOWED:
            raise SpaceError(f"no layer is called {layer[:60]!r}: {nearest(name, _WINDOWED)}")
        name = _WINDOWED[name]
    if window:
        down, across = window.split("x")
        if down != across:
            raise SpaceError(f"{window[:60]}: windows are square")
        if name in ("maxpool", "avgpool"):
            arguments = f"{int(down[:9])}" + (f", {arguments}" if arguments else "")
        else:
            positional, named = _given(arguments)
            if "kernel" in named or (positional > 1 and name in _WIDE):
                raise SpaceError(f"{layer[:60]!r}: the kernel is {down[:60]} already")
            arguments = f"{arguments}, kernel={int(down[:9])}" if arguments else f"kernel={int(down[:9])}"
            if name in _WIDE and not positional and "width" not in named:
                arguments = f"'same', {arguments}"
    elif name not in ops_by_name():
        name = _OTHERWISE.get(name, name)
    return [parse_tree(f"{name}({arguments})")]


def _given(arguments: str) -> tuple[int, set[str | None]]:
    """Return how many arguments are given by position, and the names of the others."""
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return 0, set()  # parse_tree reports the error
    if not isinstance(call, ast.Call):
        return 0, set()
    return len(call.args), {keyword.arg for keyword in call.keywords}


register_spelling(Spelling("lines", _recognises, read))
