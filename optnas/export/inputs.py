"""Inputs of an exported file, for the model card: in words, and as code that makes them without optnas."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import singledispatch
from typing import Any

from optnas.data.schemas import Arrays, Ids, Noise, Pictures, Schema, Sequences, Series, Several, Table, Texts
from optnas.data.tokens import BEGIN, END

__all__ = ["Encoded", "Input", "encoded", "inputs_of"]


@dataclasses.dataclass(frozen=True)
class Input:
    """One input of an exported file: its name, its type (``float32``) and the shape of a sample."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def numpy(self) -> str:
        """NumPy's type, as code."""
        return "np.bool_" if self.dtype == "bool" else f"np.{self.dtype}"

    @property
    def zeros(self) -> str:
        """Code of one sample of zeros."""
        sizes = ", ".join(map(str, (1, *self.shape)))
        return f"np.zeros(({sizes}{'' if self.shape else ','}), {self.numpy})"


@dataclasses.dataclass(frozen=True)
class Encoded:
    """Words and code for the inputs of an exported file.

    Attributes:
        told: What each input holds, in words.
        values: Code of an array of one sample for each input.
        lines: Code that stands before these.
        imports: Lines that import what it needs beside NumPy.
        reads_schema: Whether the code needs ``schema``, the content of ``schema.json``.
        prepares: What is read before the file is run, in words; empty if arrays are all that users have.
    """

    told: tuple[str, ...]
    values: tuple[str, ...]
    lines: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    reads_schema: bool = False
    prepares: str = ""


def inputs_of(described: Mapping[str, Mapping[str, Any]]) -> list[Input]:
    """Return the inputs that an export describes (:attr:`Traced.inputs`)."""
    return [Input(name, each["dtype"], tuple(each["shape"][1:])) for name, each in described.items()]


@singledispatch
def encoded(schema: Schema, inputs: Iterator[Input], place: str) -> Encoded:
    """Return how the inputs of a schema are made, as many as its tensors.

    Args:
        schema: What users have.
        inputs: The inputs of the file; those of the schema are taken from it.
        place: Code of its part of ``schema.json``.
    """
    return Encoded((schema.told(),), (next(inputs).zeros,))


@encoded.register
def _(schema: Several, inputs: Iterator[Input], place: str) -> Encoded:
    keys = (repr(name) if schema.named else str(i) for i, name in enumerate(schema.inputs))
    parts = [
        encoded(each, inputs, f'{place}["inputs"][{key}]')
        for key, each in zip(keys, schema.inputs.values(), strict=True)
    ]
    return Encoded(
        tuple(told for part in parts for told in part.told),
        tuple(value for part in parts for value in part.values),
        tuple(line for part in parts for line in part.lines),
        tuple(dict.fromkeys(line for part in parts for line in part.imports)),
        any(part.reads_schema for part in parts),
        "; ".join(part.prepares for part in parts if part.prepares),
    )


@encoded.register
def _(schema: Arrays, inputs: Iterator[Input], place: str) -> Encoded:
    (value,) = (next(inputs).zeros,)
    span = "" if schema.span is None else f" from {schema.span[0]:.6g} to {schema.span[1]:.6g}"
    how = "as the network takes them" if schema.figures is None else "not normalised: the file does that"
    return Encoded((f"numbers{span}, {how}",), (value,))


@encoded.register
def _(schema: Ids, inputs: Iterator[Input], place: str) -> Encoded:
    return Encoded((f"ids, whole numbers from 0 to {schema.most}",), (next(inputs).zeros,))


@encoded.register
def _(schema: Series, inputs: Iterator[Input], place: str) -> Encoded:
    told = f"the last {schema.shape[0]} steps of a series, not normalised: the file does that"
    return Encoded((told,), (next(inputs).zeros,))


@encoded.register
def _(schema: Pictures, inputs: Iterator[Input], place: str) -> Encoded:
    channels, height, width = schema.shape
    colours = "grey" if channels == 1 else "RGB"
    numbers = {8: "bytes, 0 to 255", 16: "16 bits, 0 to 65,535"}.get(schema.bits, "numbers as they were")
    return Encoded(
        (f"{colours} pixels, channels first, {numbers}, not normalised: the file does that",),
        (next(inputs).zeros,),
        prepares="pictures are decoded, turned as their EXIF orientation says, cropped around their centre"
        f" and scaled to {height}×{width}, {colours}",
    )


@encoded.register
def _(schema: Noise, inputs: Iterator[Input], place: str) -> Encoded:
    x = next(inputs)
    sizes = ", ".join(map(str, (1, *x.shape)))
    told, values = (
        ["random numbers of mean 0 and deviation 1"],
        [f"np.random.default_rng(0).standard_normal(({sizes}), {x.numpy})"],
    )
    if schema.levels is not None:
        told.append(f"the level of noise of each sample, from {schema.levels - 1} down to 0 as it is removed")
        values.append(f"np.full(1, {schema.levels - 1}, {next(inputs).numpy})")
    return Encoded(tuple(told), tuple(values))


@encoded.register
def _(schema: Texts, inputs: Iterator[Input], place: str) -> Encoded:
    each = next(inputs)
    lines = (
        f'alphabet, text = {place}["alphabet"], {schema.example()}',
        f"tokens = [alphabet.index(character) for character in text[-{schema.context}:]]",
        f"window = np.full((1, {schema.context}), -1, {each.numpy})",
        "window[0, : len(tokens)] = tokens",
    )
    told = (
        f"the places of the last {schema.context} characters of a text in `alphabet` of `schema.json`, -1"
        " behind the last one"
    )
    return Encoded((told,), ("window",), lines, (), True, "characters become their places in the alphabet")


@encoded.register
def _(schema: Sequences, inputs: Iterator[Input], place: str) -> Encoded:
    source, target = next(inputs), next(inputs)
    words = list(schema.words[END + 1 :][: schema.length - 1][:2])
    lines = (
        f'words = {place}["words"]',
        f"tokens = [*(words.index(word) for word in {words!r}), {END}]",
        f"source = np.zeros((1, {schema.length}), {source.numpy})",
        "source[0, : len(tokens)] = tokens",
        f"target = np.zeros((1, {schema.target_length}), {target.numpy})",
        f"target[0, 0] = {BEGIN}",
    )
    told = (
        f"the places of words in `words` of `schema.json`, then {END}, then 0",
        f"{BEGIN}, then the places of the words that are known so far, then 0",
    )
    return Encoded(
        told, ("source", "target"), lines, (), True, "words become their places in the list of words"
    )


# A row as the model's predict takes it, with its conversion by what schema.json says of each column.
_NUMBER = {
    "yes or no": '    if column["kind"] == "yes or no":\n'
    '        return {column["yes"]: 1.0, column["no"]: 0.0}[value.lower()]',
    "date": '    if column["kind"] == "date":\n'
    '        form = column["format"] + ("T%H:%M:%S%z" if column["zoned"] and column["clock"] else "")\n'
    "        moment = datetime.strptime(value, form)\n"
    "        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()",
}


@encoded.register
def _(schema: Table, inputs: Iterator[Input], place: str) -> Encoded:
    lines = [
        f'columns = {place}["columns"]',
        f"row = {schema.example()}",
        "",
        "",
        "def known(column, value):",
        "    if isinstance(value, str):",
        "        value = value.strip()",
        '        return None if value.lower() in column["missing"] else value',
        "    return value",
        "",
    ]
    told, values, imports = [], [], []
    if schema.measured:
        numbers = next(inputs)
        kinds = {column.kind for column in schema.measured}
        lines += [
            "",
            "",
            "def number(column, value):",
            "    if value is None:",
            "        return math.nan",
            *(code for kind, code in _NUMBER.items() if kind in kinds),
            "    return float(value)",
            "",
            "",
            "numbers = [",
            '    number(column, known(column, row[column["name"]]))',
            "    for column in columns",
            '    if column["kind"] not in ("category", "left out")',
            "]",
        ]
        imports += ["import math", *(["from datetime import UTC, datetime"] if "date" in kinds else [])]
        values.append(f"np.array([numbers], {numbers.numpy})")
        told.append(f"{', '.join(map(_measured, schema.measured))}; NaN where a value is missing")
    if schema.categories:
        codes = next(inputs)
        lines += [
            *([] if schema.measured else [""]),
            "codes = [",
            '    column["categories"].index(value) if value in column["categories"] else -1',
            "    for column in columns",
            '    if column["kind"] == "category"',
            '    for value in [known(column, row[column["name"]]) or ""]',
            "]",
        ]
        values.append(f"np.array([codes], {codes.numpy})")
        names = ", ".join(column.name for column in schema.categories)
        told.append(
            f"{names}: the place of the value in the column's `categories` in `schema.json`, -1 if it is none"
            " of them"
        )
    prepares = "texts, dates and categories of a row become numbers"
    return Encoded(tuple(told), tuple(values), tuple(lines), tuple(imports), True, prepares)


def _measured(column: Any) -> str:
    if column.kind == "yes or no":
        return f"{column.name} (1 for {column.yes}, 0 for {column.no})"
    if column.kind == "date" or getattr(column, "seconds", False):
        return f"{column.name} (seconds{' since 1970 in UTC' if column.kind == 'date' else ''})"
    return str(column.name)
