"""Which ops each format takes, tried for real: ``python -m tests.export.op_table`` writes it down."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import torch

import optnas.export
from optnas import ops, parse
from optnas.export import FORMATS
from optnas.export.export import TOLERANCE
from optnas.export.traced import CannotExport
from tests.export.helpers import difference, model_of, one_library, schema_for, traced_of
from tests.ops.test_layers import CASES, IMAGE, ODD, ROW, SEQUENCE, TOKENS, VOLUME

README = Path(optnas.export.__file__).parent / "README.md"
BEGIN, END = "<!-- table of ops: python -m tests.export.op_table -->\n", "<!-- end of the table of ops -->"

INPUTS = {
    IMAGE: "images",
    ODD: "images",
    VOLUME: "volumes",
    SEQUENCE: "sequences",
    ROW: "rows",
    TOKENS: "tokens",
}
VOCABULARY = 11
RUN_BY_OTHERS = [name for name in FORMATS if name != "safetensors"]

# Ops that the list of the layers' tests does not have at a root; others are written by their name.
MORE = {
    "act": "mul(x, sigmoid(scale(x, 1.2, learnable=True)))",
    "add": "add(x, relu)",
    "cell": "cell(node(conv('same'), skip, inputs=(0, 1)), inputs=2)",
    "constant": "mul(x, constant(0.5))",
    "core_unit": "mul(sigmoid(x), tanh(x))",
    "decoder_block": "seq(fork(memory=linear(4), x=identity), decoder_block(2, expansion=2), input('x'))",
    "div": "div(x, exp(x))",
    "fork": "fork(kind=head(3), size=head(1))",
    "fpn": "seq(fpn(conv(4), maxpool(2), width=5), input('p0'))",
    "input": "seq(fork(a=conv(3), b=skip), input('a'))",
    "laplacian": "laplacian(x, relu(x), beta=0.5)",
    "maximum": "maximum(x, relu)",
    "minimum": "minimum(x, relu)",
    "node": "cell(node(conv('same'), skip, inputs=(0, 1)), inputs=2)",
    "none": "add(conv('same'), none)",
    "radial": "radial(x, relu(x), beta=0.5)",
    "scale": "scale(x, 1.2, learnable=True)",
    "shift": "shift(x, 1.2, learnable=True)",
    "stack": "stack(cell(node(conv('same'), skip, inputs=(0, 1)), inputs=2), cell(node(skip(stride=2),"
    " skip(stride=2), inputs=(0, 1)), inputs=2), width=8, cells=3)",
    "sub": "sub(x, relu)",
    "swish": "swish(beta=1.3, learnable=True)",
    "update": "seq(fork(a=conv(3), b=skip), update(a=seq(input('a'), relu)), input('a'))",
    "x": "seq(x, relu)",
}
# Not layers: other spellings, and what reads them.
NO_LAYERS = {"Graph", "graph_of", "lines", "op"}


def cases() -> dict[str, list[tuple[str, tuple[int, ...]]]]:
    """Return for each op architectures that have it at their root, with the shapes of their inputs."""
    found: dict[str, list[tuple[str, tuple[int, ...]]]] = defaultdict(list)
    tried = set()
    for text, shape in CASES:
        name = parse(text).op.name
        # One with defaults and one with what differs most from them, the first and the last of each kind.
        if shape != ODD and (name, shape) not in tried:
            tried.add((name, shape))
            same = [other for other, its in CASES if its == shape and parse(other).op.name == name]
            found[name] += [(each, shape) for each in dict.fromkeys((same[0], same[-1]))]
    for name in sorted(set(ops.__all__) - NO_LAYERS):
        if name not in found or name in MORE:
            shape = SEQUENCE if name == "decoder_block" else IMAGE
            found[name].append((MORE.get(name, name), shape))
    return dict(sorted(found.items()))


def outcome(text: str, shape: tuple[int, ...], formats: list[str]) -> dict[str, str]:
    """Return for each format ``yes``, or why it does not take an architecture."""
    context = {"vocabulary": VOCABULARY} if shape == TOKENS else {}
    traced = traced_of(model_of(parse(text), schema_for(shape, context.get("vocabulary")), **context))
    found = {}
    for name in formats:
        try:
            with one_library():
                apart = difference(FORMATS[name], traced)
            found[name] = "yes" if apart <= TOLERANCE else f"no: it differs by {apart:.1g}"
        except CannotExport as error:
            found[name] = "no: " + str(error).split(": ", 1)[1]
    return found


def table(found: dict[str, list[tuple[str, tuple[int, ...]]]] | None = None) -> str:
    """Return the table: ops of one outcome in one row."""
    rows: dict[tuple[str, ...], list[str]] = defaultdict(list)
    tried = found or cases()
    for op, each in tried.items():
        outcomes = {shape: [] for _, shape in each}
        for text, shape in each:
            outcomes[shape].append(outcome(text, shape, RUN_BY_OTHERS))
        rows[tuple(_told(outcomes, name) for name in RUN_BY_OTHERS)].append(f"`{op}`")
    count = sum(map(len, tried.values()))
    lines = [
        f"| ops ({count} layers tried) | {' | '.join(RUN_BY_OTHERS)} |",
        "| --- " * (1 + len(RUN_BY_OTHERS)) + "|",
    ]
    for outcomes, names in sorted(rows.items(), key=lambda row: -len(row[1])):
        lines.append(f"| {', '.join(names)} | {' | '.join(outcomes)} |")
    return "\n".join(lines) + "\n"


def _told(outcomes: dict[tuple[int, ...], list[dict[str, str]]], name: str) -> str:
    """Return what a format does with an op, by kinds of inputs where these differ."""
    by_kind = {
        INPUTS[shape]: next((each[name] for each in found if each[name] != "yes"), "yes")
        for shape, found in outcomes.items()
    }
    if len(set(by_kind.values())) == 1:
        return next(iter(by_kind.values()))
    refused = [f"{kind}: {told}" for kind, told in by_kind.items() if told != "yes"]
    return "yes, but " + "; ".join(refused)


def kept() -> str:
    """Return the table that the README has."""
    found = re.search(re.escape(BEGIN) + "(.*?)" + re.escape(END), README.read_text(encoding="utf-8"), re.S)
    assert found, f"{README} has no table of ops"
    return found[1]


def write() -> None:
    """Write the table into the README."""
    text = README.read_text(encoding="utf-8")
    README.write_text(text.replace(kept(), table()), encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    write()
