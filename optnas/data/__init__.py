"""Data sets: tensors in three parts, normalised by the training part alone."""

from optnas.data.data import Data, Part, Split, Splits
from optnas.data.datasets import dataset
from optnas.data.images import image_folder, torchvision
from optnas.data.sources import digits, tensors

__all__ = ["Data", "Part", "Split", "Splits", "dataset", "digits", "image_folder", "tensors", "torchvision"]
