"""Tasks: what is learned, by which loss, and what is measured."""

from optnas.tasks.classification import Classification, classification
from optnas.tasks.language import Language, language
from optnas.tasks.regression import Regression, regression
from optnas.train.task import Step, Task

__all__ = [
    "Classification",
    "Language",
    "Regression",
    "Step",
    "Task",
    "classification",
    "language",
    "regression",
]
