"""Tasks: what is learned, by which loss, and what is measured."""

from optnas.tasks.classification import Classification, classification
from optnas.tasks.task import Task

__all__ = ["Classification", "Task", "classification"]
