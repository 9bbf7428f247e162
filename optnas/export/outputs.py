"""Outputs of an exported file, for the model card: in words, and as Python code that reads them."""

from __future__ import annotations

from functools import singledispatch

from optnas.answers import (
    Actions,
    Anomalies,
    Answer,
    Boxes,
    Classes,
    Continuation,
    Decoded,
    Forecast,
    Generated,
    PixelClasses,
    Symbols,
    Tags,
    Values,
)

__all__ = ["reading", "returned"]


@singledispatch
def returned(answer: Answer) -> str:
    """Return in words what the outputs of a file are, of which :meth:`Answer.read` makes the answer."""
    return "what the network puts out"


@returned.register
def _(answer: Classes) -> str:
    return (
        f"a logit of each of {len(answer.names):,} classes in the order of `names` in `schema.json`, divided"
        " by the temperature if there is one: the largest is the class, and their softmax the probabilities"
    )


@returned.register
def _(answer: Values) -> str:
    return f"{answer.target or 'the value'}, in the unit of the targets"


@returned.register
def _(answer: Forecast) -> str:
    return f"the {answer.horizon} steps after the window, in the unit of the series"


@returned.register
def _(answer: Anomalies) -> str:
    return (
        "the reconstruction of the normalised sample: the mean of its squared differences from the normalised"
        " sample (mean and deviation are `normalized_by` in `schema.json`) is the anomaly score"
    )


@returned.register(PixelClasses)
@returned.register(Tags)
def _(answer: PixelClasses | Tags) -> str:
    axis = "axis 1" if isinstance(answer, PixelClasses) else "the last axis"
    return (
        f"a logit of each of {len(answer.names):,} classes on {axis}, in the order of `names` in"
        " `schema.json`: the largest is the class"
    )


@returned.register
def _(answer: Actions) -> str:
    return "`policy`, a score of each action, of which the largest is the one to take"


@returned.register
def _(answer: Symbols) -> str:
    return (
        "a logit of each symbol for each frame, the last of them blank: the likeliest of each frame,"
        " repetitions and blanks left out, are the symbols"
    )


@returned.register
def _(answer: Boxes) -> str:
    return (
        "maps with a score for each class and the four sides of a box at each place, of which"
        " `optnas.tasks.detected` makes boxes: that step is not in the file"
    )


@returned.register
def _(answer: Decoded) -> str:
    return (
        "for each place of the target a logit of each word to stand there; the search for the likeliest"
        " sequence, a word at a time, is not in the file"
    )


@returned.register
def _(answer: Continuation) -> str:
    return "for each place of the window a logit of each character to come next, in the order of the alphabet"


@returned.register
def _(answer: Generated) -> str:
    if answer.levels is None:
        return "a sample, normalised as those that it learned from"
    return (
        "the noise in a normalised sample at this level; the steps from noise to a sample (DDIM) are not in"
        " the file"
    )


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
