"""Tasks: the data, loss and metrics that a network is trained and measured by."""

from optnas.tasks.classification import Classification, classification
from optnas.tasks.forecasting import Forecasting, forecasting
from optnas.tasks.language import Language, language
from optnas.tasks.regression import Regression, regression
from optnas.tasks.transcription import Transcription, transcription
from optnas.train.task import Step, Task

__all__ = [
    "Classification",
    "Forecasting",
    "Language",
    "Regression",
    "Step",
    "Task",
    "Transcription",
    "classification",
    "forecasting",
    "language",
    "regression",
    "transcription",
]
