"""Code that says what the numbers of inputs and outputs stand for: names of columns, categories, classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from optnas.answers import Answer, Boxes, Classes, Continuation, PixelClasses, Symbols, Tags
from optnas.data.schemas import Schema, Several, Table, Texts
from optnas.data.schemas.column import Measured
from optnas.data.schemas.columns import DateColumn, NumberColumn, YesNoColumn
from optnas.export.python.layout import WIDTH, literal
from optnas.export.python.names import Names, words

__all__ = ["Meanings", "meanings_of"]

# More are no code that someone reads; they stand in the header of the weights' file.
_MOST_TEXTS = 1000
_IN_HEADER = "in the header of the .safetensors file, under optnas.schema"
# Of what the probabilities are, the shape of outputs, and the axis of these that is the classes'.
_SOFTMAX: dict[type[Answer], tuple[str, str, int]] = {
    Classes: ("the classes", "(samples, classes)", 1),
    PixelClasses: ("the classes at each pixel", "(samples, classes, height, width)", 1),
    Tags: ("the classes at each position", "(samples, length, classes)", -1),
    Continuation: ("the next character at each position", "(samples, length, characters)", -1),
}
_PROBABILITIES = '''\
def {name}(outputs: Tensor) -> Tensor:
    """Return the probabilities of {of} from outputs {shape}."""
    return outputs.softmax({axis})'''


@dataclasses.dataclass(frozen=True)
class Meanings:
    """The meanings of inputs and outputs that the code of a network states.

    Attributes:
        constants: Assignments, a comment above each.
        functions: Functions of outputs.
    """

    constants: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()


def meanings_of(schema: Schema, answer: Answer, names: Names) -> Meanings:
    """Return what the code of a network says of its inputs and outputs.

    Args:
        schema: What users have of a sample.
        answer: What outputs are read as.
        names: The names that are taken in the file.
    """
    constants = [*_of_inputs(schema, "x", "", names)]
    match answer:
        case Classes(classes) | Tags(classes) | PixelClasses(classes) | Boxes(classes):
            constants.append(
                _commented("The classes, in the order of outputs", names.of_constant("CLASSES"), classes)
            )
        case Symbols(symbols) if symbols:
            told = "The symbols, in the order of outputs; the blank is behind them"
            constants.append(_commented(told, names.of_constant("SYMBOLS"), symbols))
    functions = []
    for kind, (of, shape, axis) in _SOFTMAX.items():
        if isinstance(answer, kind):
            name = names.of_function("probabilities")
            functions.append(_PROBABILITIES.format(name=name, of=of, shape=shape, axis=axis))
    return Meanings(tuple(constants), tuple(functions))


def _of_inputs(schema: Schema, given: str, prefix: str, names: Names) -> Iterator[str]:
    """Yield the constants of an input; ``given`` is the code that it is had by."""
    match schema:
        case Several():
            for place, (name, each) in enumerate(schema.inputs.items()):
                of = f"{'_'.join(words(name)).upper()}_" if schema.named else f"INPUT_{place}_"
                at = literal(name) if schema.named else place
                yield from _of_inputs(each, f"{given}[{at}]", prefix + of, names)
        case Table():
            if schema.measured:
                read = {column.name: _read_as(column) for column in schema.measured}
                told = f'The columns of {given}["numbers"], in their order; NaN where one is missing'
                yield _commented(told, names.of_constant(f"{prefix}NUMBERS"), read)
            if schema.categories:
                known = {column.name: column.categories for column in schema.categories}
                told = f'The columns of {given}["codes"]: each code is the place of a category, or -1'
                if any("" in one for one in known.values()):
                    told += '; "" is a missing one'
                yield _commented(told, names.of_constant(f"{prefix}CATEGORIES"), known)
        case Texts():
            told = f"The characters in the order of the tokens in {given}, which is filled up with -1"
            yield _commented(told, names.of_constant(f"{prefix}ALPHABET"), schema.alphabet)


def _read_as(column: Measured) -> str:
    match column:
        case DateColumn():
            return "seconds since 1970"
        case YesNoColumn():
            return f"1 for {column.yes!r}, 0 for {column.no!r}"
        case NumberColumn(seconds=True):
            return "seconds"
        case NumberColumn(unit=unit) if unit:
            return f"number, in {unit}"
    return "number"


def _commented(
    told: str, name: str, value: str | Sequence[str] | Mapping[str, str] | Mapping[str, Sequence[str]]
) -> str:
    each = list(value.values()) if isinstance(value, Mapping) else [value]
    count = sum(1 if isinstance(one, str) else len(one) for one in each)
    if count > _MOST_TEXTS and not _is_range(value):
        return f"# {told}: {count:,} texts, {_IN_HEADER}."
    return "\n".join([f"# {told}.", *_assigned(name, value)])


def _assigned(
    name: str, value: str | Sequence[str] | Mapping[str, str] | Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the lines of an assignment; longer ones are denser than ruff would have them."""
    if _is_range(value):
        return [f"{name} = tuple(map(str, range({len(value)})))"]
    if isinstance(value, Mapping):
        inner = ", ".join(f"{literal(key)}: {literal(one)}" for key, one in value.items())
        if len(line := f"{name} = {{{inner}}}") <= WIDTH:
            return [line]
        lines = [line for key, one in value.items() for line in _item(f"{literal(key)}: ", one)]
        return [f"{name} = {{", *lines, "}  # fmt: skip"]
    if isinstance(value, str) or len(f"{name} = {literal(value)}") <= WIDTH:
        return [f"{name} = {literal(value)}"]
    return [f"{name} = (", *_packed(value, 1), ")  # fmt: skip"]


def _item(before: str, value: str | Sequence[str]) -> list[str]:
    """Return the lines of an item of a dictionary."""
    line = f"    {before}{literal(value)},"
    if isinstance(value, str) or len(line) <= WIDTH:
        return [line]
    return [f"    {before}(", *_packed(value, 2), "    ),"]


def _packed(texts: Sequence[str], indent: int) -> list[str]:
    """Return the lines of the items of a tuple, as many in each as fit."""
    space = "    " * indent
    lines = [space]
    for text in texts:
        item = f"{literal(text)},"
        if len(lines[-1]) + 1 + len(item) > WIDTH and lines[-1] != space:
            lines.append(space)
        lines[-1] += item if lines[-1] == space else f" {item}"
    return lines


def _is_range(value: object) -> bool:
    """Return whether texts are the numbers from 0 on, and so many that this is shorter."""
    return isinstance(value, tuple) and len(value) > 10 and value == tuple(map(str, range(len(value))))
