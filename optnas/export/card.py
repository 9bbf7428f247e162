"""The section of a model card about an exported file: what goes in, what comes out, and code that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optnas.export.export import BATCHES, Exported, Int8
from optnas.export.format import Call, Format, quoted
from optnas.export.inputs import Encoded, encoded, inputs_of
from optnas.export.outputs import reading
from optnas.reports.markdown import as_block, as_code, as_table, as_text
from optnas.reports.numbers import short
from optnas.winner.model import Model
from optnas.winner.names import SCHEMA
from optnas.winner.sections import put_section

__all__ = ["add_to_card", "code_of", "gain_told", "section", "tensor_text"]

# A share of the size or of the time that differs less from 1 is no gain: latencies vary as much.
_GAIN = 0.95


def add_to_card(run: Path, model: Model, form: Format, done: Exported) -> bool:
    """Write a file's section into the model card of its network, in place of the one that is there.

    Returns:
        Whether the folder has a card.

    Raises:
        UserError: If the card cannot be read or written.
    """
    file = _from(run, done.files[0])
    return put_section(run, f"export {file}", section(file, model, form, done))


def _from(run: Path, file: Path) -> str:
    """Return a file's path as code names it that is run in the network's folder, wherever that lies then."""
    path, folder = file.resolve(), run.resolve()
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def section(file: str, model: Model, form: Format, done: Exported) -> str:
    """Return a file's section in Markdown.

    Args:
        file: Its path as code in the network's folder names it.
        model: The network.
        form: Its format.
        done: What is known of the file.
    """
    code, given = code_of(file, model, form, done)
    beside = [as_code(Path(path).name) for path in done.files[1:]]
    files = f" ({' and '.join(beside)} beside it)" if beside else ""
    parts = [
        f"## {as_code(file)}",
        f"{form.name}{files}: {as_text(done.version)}, {done.bytes:,} bytes. Batches are of any size.",
        as_table(("input", "type and shape", "holds"), _rows(done.inputs, given.told)),
        f"It returns {_returned(done)}.",
    ]
    if given.prepares:
        parts.append(
            f"Before the file is run, {given.prepares}: `optnas.load('.').schema.tensors(…)` makes these"
            " arrays of whatever `predict` takes"
            + (", and the code below of one sample without optnas." if given.lines else ".")
        )
    if Path(file).is_absolute():
        parts.append(
            "The file lies outside of this folder, so the code names it by its full path: where you moved it,"
            " put its new place there. The code is run in this folder like all other code of this card."
        )
    parts += [as_block(code, "python"), _compared(done)]
    if done.latency_ms:
        parts.append(_latencies(done))
    if done.int8 is not None:
        parts += [_int8(done.int8), gain_told(done, done.int8)]
    return "\n\n".join(parts)


def code_of(file: str, model: Model, form: Format, done: Exported) -> tuple[str, Encoded]:
    """Return code that runs a file for one sample, in the folder of its network, and how inputs are made."""
    schema, answer = model.schema, model.answer
    given = encoded(schema, iter(inputs_of(done.inputs)), 'schema["input"]')
    taken = form.taken(done.files[0], list(done.inputs))
    members = len(model.record["ensemble"]["seeds"]) if "ensemble" in model.record else 0
    call = Call(file, done.structure["inputs"], done.structure["outputs"], members)
    imports, run = form.code(call)
    read = reading(answer) if not (members and form.name == "safetensors") else ()
    last = list(read) or ["print(output)" if isinstance(call.outputs, str) else "print(outputs)"]
    lines = []
    if given.reads_schema or any("schema[" in line for line in last):
        imports = [*imports, "import json", "from pathlib import Path"]
        lines.append(f'schema = json.loads(Path("{SCHEMA}").read_text(encoding="utf-8"))')
    values = dict(zip(done.inputs, given.values, strict=True))
    entries = [f"{quoted(name)}: {values[name]}" for name in taken]
    several = ["inputs = {", *(f"    {each}," for each in entries), "}"]
    lines += [*given.lines, *(several if len(entries) > 1 else [f"inputs = {{{''.join(entries)}}}"])]
    imported = _imports(("import numpy as np", *imports, *given.imports))
    return "\n".join([*imported, "", *lines, *run, *last]), given


def _imports(lines: Sequence[str]) -> list[str]:
    """Return imports in the order of linters: Python's own, then others."""
    own = ("datetime", "importlib", "json", "math", "pathlib", "sys")
    once = sorted(set(lines), key=lambda line: (line.startswith("from"), line))
    ours = [line for line in once if line.split()[1] in own]
    others = [line for line in once if line not in ours]
    return [*ours, *([""] if ours else []), *others]


def _rows(each: Mapping[str, Any], told: Sequence[str]) -> list[tuple[str, str, str]]:
    return [
        (as_code(name), tensor_text(figures), as_text(words).replace("\\`", "`"))
        for (name, figures), words in zip(each.items(), told, strict=True)
    ]


def tensor_text(figures: Mapping[str, Any]) -> str:
    """Return the type and the shape of a tensor in words."""
    return f"{figures['dtype']} ({', '.join(['batch', *map(str, figures['shape'][1:])])})"


def _returned(done: Exported) -> str:
    each = (f"{as_code(name)}, {tensor_text(figures)}" for name, figures in done.outputs.items())
    return f"{', '.join(each)}: {done.unread}"


def _compared(done: Exported) -> str:
    if done.difference is None:
        return "It has no graph: whoever builds the network checks what it returns."
    usual = done.by_default
    default = (
        ""
        if usual is None
        else " With the runtime's own settings it computes in the precision that a device is fastest in, here"
        f" {usual.precision}, and differs by {usual.difference:.2g}."
    )
    return (
        f"Compared with PyTorch on {done.compared_on}, its outputs differ by {done.difference:.2g} at most"
        f" (of outputs above 1 as a share of the largest).{default}"
    )


def _latencies(done: Exported) -> str:
    rows = [
        (size, f"{done.latency_ms[size]['file']:.3g}", f"{done.latency_ms[size]['pytorch']:.3g}")
        for size in BATCHES
        if size in done.latency_ms
    ]
    table = as_table(("samples in a batch", "this file, ms", "PyTorch, ms"), rows)
    return (
        f"Median latencies on {as_text(done.measured_on)}, from inputs as they stand above to what is"
        f" returned, so with their preparation, in the file and in PyTorch alike:\n\n{table}"
    )


def _int8(costs: Int8) -> str:
    rows = [
        (part, as_text(name), short(value), short(costs.after[part][name]))
        for part, metrics in costs.before.items()
        for name, value in metrics.items()
    ]
    table = as_table(("part", "metric", "PyTorch", "int8"), rows)
    return f"It computes in int8, by scales of {costs.calibrated_on}:\n\n{table}"


def gain_told(done: Exported, costs: Int8) -> str:
    """Return in a sentence what int8 gains beside the same format in floating point."""
    size = done.bytes / costs.float_bytes
    speed = {n: done.latency_ms[n]["file"] / ms for n, ms in costs.float_ms.items() if n in done.latency_ms}
    line = f"In floating point the file has {costs.float_bytes:,} bytes; int8 is {size:.2f} times as large"
    if speed:
        each = " and ".join(f"{ratio:.2f} for a batch of {n}" for n, ratio in speed.items())
        line += f", and takes {each} of the time"
    gains = min([size, *speed.values()]) < _GAIN
    return f"{line}." if gains else f"{line}: it gains nothing here, so leave --quantize away."
