"""Which ops each format takes, tried for real: ``python -m tests.export.op_table`` writes it down."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import nn

from optnas import ops, parse
from optnas.answers import Outputs
from optnas.export import FORMATS
from optnas.export.export import TOLERANCE
from optnas.export.traced import CannotExport
from optnas.ops.several import Forked
from optnas.winner.model import Model
from tests.export.helpers import difference, model_of, one_library, schema_for, traced_of
from tests.export.readme_tables import RUN_BY_OTHERS, TRIED, outcome, write
from tests.ops.test_layers import CASES, IMAGE, ODD, ROW, SEQUENCE, TOKENS, VOLUME

INPUTS = {
    IMAGE: "images",
    ODD: "images",
    VOLUME: "volumes",
    SEQUENCE: "sequences",
    ROW: "rows",
    TOKENS: "tokens",
}
VOCABULARY = 11

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
# Layers of one kind of input that are tried in one file.
_TOGETHER = 12

# Not layers: other spellings, and what reads them.
NO_LAYERS = {"Graph", "graph_of", "lines", "op"}


def cases() -> dict[str, list[tuple[str, tuple[int, ...]]]]:
    """Return for each op architectures that have it at their root, with the shapes of their inputs."""
    found: dict[str, list[tuple[str, tuple[int, ...]]]] = defaultdict(list)
    for text, shape in CASES:
        if shape != ODD:
            # The last of each kind of input, which differs most from an op's defaults.
            name = parse(text).op.name
            found[name] = [each for each in found[name] if each[1] != shape] + [(text, shape)]
    for name in sorted(set(ops.__all__) - NO_LAYERS):
        if name not in found or name in MORE:
            shape = SEQUENCE if name == "decoder_block" else IMAGE
            found[name].append((MORE.get(name, name), shape))
    return dict(sorted(found.items()))


def tried(text: str, shape: tuple[int, ...], formats: list[str]) -> dict[str, str]:
    """Return for each format ``yes``, or why it does not take an architecture."""
    context = {"vocabulary": VOCABULARY} if shape == TOKENS else {}
    model = model_of(parse(text), schema_for(shape, context.get("vocabulary")), **context)
    return outcome(model, formats)


def outcomes(cases: list[tuple[str, tuple[int, ...]]], formats: list[str]) -> list[dict[str, str]]:
    """Return the outcome of each case: of several in one file where it takes them all, which is quicker."""
    found = {}
    for shape in dict.fromkeys(shape for _, shape in cases):
        same = [text for text, its in cases if its == shape]
        for at in range(0, len(same), _TOGETHER):
            texts = same[at : at + _TOGETHER]
            # Code is written of an architecture, not of layers beside each other; that is quick.
            graphs = [name for name in formats if name in RUN_BY_OTHERS]
            told = _all_at_once(texts, shape, graphs) if len(texts) > 1 else None
            for text in texts:
                rest = formats if told is None else [name for name in formats if name not in told]
                found[text, shape] = {**(told or {}), **tried(text, shape, rest)}
    return [found[case] for case in cases]


def _all_at_once(texts: list[str], shape: tuple[int, ...], formats: list[str]) -> dict[str, str] | None:
    """Return that every format takes all of these; ``None`` if one does not take all."""
    context = {"vocabulary": VOCABULARY} if shape == TOKENS else {}
    schema = schema_for(shape, context.get("vocabulary"))
    layers = [model_of(parse(text), schema, **context).network for text in texts]
    beside = Forked({f"layer{place}": layer for place, layer in enumerate(layers)})
    record = {"architecture": "", "context": context}
    traced = traced_of(Model(beside, nn.Identity(), schema, Outputs(), record))
    try:
        with one_library():
            taken = all(difference(FORMATS[name], traced) <= TOLERANCE for name in formats)
    except CannotExport:
        return None
    return dict.fromkeys(formats, "yes") if taken else None


def table(found: dict[str, list[tuple[str, tuple[int, ...]]]] | None = None) -> str:
    """Return the table: ops of one outcome in one row."""
    rows: dict[tuple[str, ...], list[str]] = defaultdict(list)
    found = found or cases()
    every = list(dict.fromkeys(case for each in found.values() for case in each))
    told = dict(zip(every, outcomes(every, TRIED), strict=True))
    for op, each in found.items():
        by_kind = {shape: [told[text, shape]] for text, shape in each}
        rows[tuple(_told(by_kind, name) for name in TRIED)].append(f"`{op}`")
    return written_down(rows, len(every))


def written_down(rows: dict[tuple[str, ...], list[str]], count: int) -> str:
    lines = [
        f"| ops ({count} layers tried) | {' | '.join(TRIED)} |",
        "| --- " * (1 + len(TRIED)) + "|",
    ]
    for outcome_of_all, names in sorted(rows.items(), key=lambda row: -len(row[1])):
        lines.append(f"| {', '.join(names)} | {' | '.join(outcome_of_all)} |")
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


if __name__ == "__main__":
    torch.set_num_threads(1)
    write("op_table", table())
