"""Code that reads the outputs of an exported file, for the model card."""

from __future__ import annotations

from functools import singledispatch

from optnas.answers import Actions, Answer, Classes, PixelClasses, Tags

__all__ = ["reading"]


@singledispatch
def reading(answer: Answer) -> tuple[str, ...]:
    """Return code that prints the answers in ``output``, or in ``outputs`` by name, as NumPy arrays.

    It may use ``schema``, the content of ``schema.json``; empty where printing the outputs is all.
    """
    return ()


@reading.register(Classes)
def _(answer: Classes) -> tuple[str, ...]:
    return ('print([schema["answer"]["names"][place] for place in output.argmax(axis=1)])',)


@reading.register(PixelClasses)
def _(answer: PixelClasses) -> tuple[str, ...]:
    return ("print(output.argmax(axis=1))",)


@reading.register(Tags)
def _(answer: Tags) -> tuple[str, ...]:
    return ('print([[schema["answer"]["names"][place] for place in row] for row in output.argmax(axis=-1)])',)


@reading.register(Actions)
def _(answer: Actions) -> tuple[str, ...]:
    return ('print(outputs["policy"].argmax(axis=1))',)
