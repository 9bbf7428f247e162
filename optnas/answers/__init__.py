"""Answers: what users of a trained network read, made from what it puts out."""

from optnas.answers.answer import Answer, answer_of, answer_record
from optnas.answers.classes import Classes
from optnas.answers.outputs import Outputs
from optnas.answers.values import Values

__all__ = ["Answer", "Classes", "Outputs", "Values", "answer_of", "answer_record"]
