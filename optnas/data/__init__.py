"""Data sets: tensors in three parts, normalised by the training part alone."""

from optnas.data.data import Data, Split, Splits
from optnas.data.sources import digits, tensors

__all__ = ["Data", "Split", "Splits", "digits", "tensors"]
