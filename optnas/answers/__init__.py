"""Answers: what users of a trained network read, made from what it puts out."""

from optnas.answers.actions import Actions
from optnas.answers.anomalies import Anomalies
from optnas.answers.answer import Answer, answer_of, answer_record
from optnas.answers.boxes import Boxes
from optnas.answers.classes import Classes
from optnas.answers.continuation import Continuation
from optnas.answers.decoded import Decoded
from optnas.answers.forecast import Forecast
from optnas.answers.generated import Generated
from optnas.answers.outputs import Outputs
from optnas.answers.places import PixelClasses, Tags
from optnas.answers.symbols import Symbols
from optnas.answers.values import Values

__all__ = [
    "Actions",
    "Anomalies",
    "Answer",
    "Boxes",
    "Classes",
    "Continuation",
    "Decoded",
    "Forecast",
    "Generated",
    "Outputs",
    "PixelClasses",
    "Symbols",
    "Tags",
    "Values",
    "answer_of",
    "answer_record",
]
