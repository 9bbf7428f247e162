"""Notation of an architecture as a list of layers, one per line or separated by ``/``.

``conv3x3 / bn / swish(beta=1.2) / maxpool2x2 / fc / softmax``
"""

from __future__ import annotations

import ast
import re

from optnas.errors import nearest
from optnas.ops.containers import seq
from optnas.ops.linear import flatten, head
from optnas.ops.shapes import sides
from optnas.space import Node, SpaceError, Spelling, ops_by_name, register_spelling
from optnas.space.parse import MOST_OPS, parse_tree
from optnas.space.values import text_of

__all__ = ["read", "write"]

# A window begins with its first digit: to try each would take a long text of digits forever.
_LAYER = re.compile(
    r"(?P<name>[A-Za-z_]\w*?)(?P<window>(?<!\d)\d+x\d+)?(?:-(?P<width>\d+))?(?P<args>\(.*\))?", re.DOTALL
)
# A layer ends at a slash or a new line, unless that stands in brackets or in quotes.
_TOKEN = re.compile(r"""'[^'\n]*'|"[^"\n]*"|[()\[\]/\n]""")

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
_POOLS = ("maxpool", "avgpool")
_MOST_DIGITS = 9
# How they are written.
_SHORT = {"norm": "bn", "layernorm": "ln", "global_avgpool": "gap"}


def _layers(text: str) -> list[str]:
    parts, depth, begun = [], 0, 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "(" | "[":
                depth += 1
            case ")" | "]":
                depth -= 1
            case "/" | "\n" if depth == 0:
                parts.append(text[begun : token.start()])
                begun = token.end()
    stripped = (part.strip() for part in (*parts, text[begun:]))
    return [part for part in stripped if part]


def _known(name: str) -> str:
    """Return a layer's name as it is known: ``Conv`` and ``ReLU`` in lower case."""
    lower = name.lower()
    other = lower in ops_by_name() or lower in _WINDOWED or lower in _OTHERWISE or lower in _DENSE
    return lower if name not in ops_by_name() and (other or lower == "softmax") else name


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
        return _known(name) in _WINDOWED
    return name in (*_OTHERWISE, *_DENSE) and name not in ops_by_name()


def read(text: str) -> Node:
    """Return the chain of layers that ``text`` lists.

    ``conv3x3``, ``sepconv5x5``, ``depthwise7x1``, ``maxpool2x2`` and ``avgpool2x2`` are read with
    their windows, height × width; ``conv3x3-16`` or ``conv3x3(16)`` has 16 output channels, ``conv3x3``
    as many as the input has. ``Conv3x3`` and ``ReLU`` may have capitals. ``fc`` is a linear layer from
    all numbers to the task's outputs, ``fc(64)`` to 64.
    A ``softmax`` at the end is dropped, as the task's loss applies it. Anything else is an op as in
    any tree.

    Raises:
        SpaceError: If a layer is unknown; the message says which.
    """
    layers = _layers(text)
    if len(layers) > MOST_OPS:
        raise SpaceError(f"the list has {len(layers):,} layers; {MOST_OPS:,} are the most")
    if len(layers) > 1 and layers[-1].lower() in ("softmax", "softmax()"):
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
    name, window, width, args = _known(match["name"]), match["window"], match["width"], match["args"]
    arguments = args[1:-1].strip() if args else ""
    if width:
        arguments = f"{_size(width, layer)}" + (f", {arguments}" if arguments else "")
    if name in _DENSE and not window:
        return [flatten(), parse_tree(f"linear({arguments})") if arguments else head()]
    if window or width:
        if name not in _WINDOWED:
            raise SpaceError(f"no layer is called {layer[:60]!r}: {nearest(name, _WINDOWED)}")
        name = _WINDOWED[name]
    if window:
        down, across = (_size(side, layer) for side in window.split("x"))
        kernel = f"{down}" if down == across else f"({down}, {across})"
        if name in _POOLS:
            arguments = kernel + (f", {arguments}" if arguments else "")
        else:
            positional, named = _given(arguments)
            if "kernel" in named or (positional > 1 and name in _WIDE):
                raise SpaceError(f"{layer[:60]!r}: the kernel is {kernel} already")
            arguments = f"{arguments}, kernel={kernel}" if arguments else f"kernel={kernel}"
            if name in _WIDE and not positional and "width" not in named:
                arguments = f"'same', {arguments}"
    elif name not in ops_by_name():
        name = _OTHERWISE.get(name, name)
    return [parse_tree(f"{name}({arguments})")]


def _size(digits: str, layer: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise SpaceError(f"{layer[:60]!r}: {digits[:_MOST_DIGITS]}… is too large")
    return int(digits)


def _given(arguments: str) -> tuple[int, set[str | None]]:
    """Return how many arguments are given by position, and the names of the others."""
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return 0, set()  # parse_tree reports the error
    if not isinstance(call, ast.Call):
        return 0, set()
    return len(call.args), {keyword.arg for keyword in call.keywords}


def write(architecture: Node) -> str:
    """Return the layers of ``architecture`` as a list that :func:`read` reads: ``conv3x3-16 / bn / relu``.

    What has branches stands in the list as it does in a tree.
    """
    layers = _chain(architecture)
    written: list[str] = []
    for layer in layers:
        dense = _dense(layer) if written and written[-1] == "flatten" else None
        if dense is None:
            written.append(_write_layer(layer))
        else:
            written[-1] = dense
    if len(written) > 1 and written[-1] == "softmax":
        written[-1] = "seq(softmax)"  # as such it would be dropped
    return " / ".join(written) or str(architecture)


def _chain(node: Node) -> list[Node]:
    """Return the layers of nested chains, one after the other."""
    if not node.op.chain or node.name is not None:
        return [node]
    return [layer for child in node.children for layer in _chain(child)]


def _dense(layer: Node) -> str | None:
    """Return what a layer is called behind ``flatten``, the two together."""
    if layer == head():
        return "fc"
    name = layer.op.name
    return f"fc{str(layer).removeprefix(name)}" if name == "linear" and layer.name is None else None


def _write_layer(layer: Node) -> str:
    name = layer.op.name
    if name not in _WINDOWED.values() or layer.name is not None:
        return f"{_SHORT.get(name, name)}{str(layer).removeprefix(name)}"
    arguments = layer.arguments
    down, across = sides(arguments.pop("kernel"))
    width = arguments.pop("width", "same")
    others = [
        f"{arg}={text_of(given)}" for arg, given in arguments.items() if given != layer.op.default(arg)[1]
    ]
    return f"{name}{down}x{across}{'' if width == 'same' else f'-{width}'}" + f"({', '.join(others)})" * bool(
        others
    )


register_spelling(Spelling("lines", _recognises, read, write))
