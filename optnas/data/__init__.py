"""Data sets: training, validation and test part, normalised by the training part alone."""

from optnas.data.boxes import padded_boxes
from optnas.data.csv_files import csv, frame
from optnas.data.data import Data, Part, Split, Splits
from optnas.data.datasets import dataset
from optnas.data.images import image_folder, torchvision
from optnas.data.mel import log_mel
from optnas.data.pairs import Pairs, pairs
from optnas.data.scikit import sklearn
from optnas.data.sources import digits, tensors
from optnas.data.split_rules import at_random, by_group, by_index, by_time
from optnas.data.text import text
from optnas.data.windows import Windows, windows

__all__ = [
    "Data",
    "Pairs",
    "Part",
    "Split",
    "Splits",
    "Windows",
    "at_random",
    "by_group",
    "by_index",
    "by_time",
    "csv",
    "dataset",
    "digits",
    "frame",
    "image_folder",
    "log_mel",
    "padded_boxes",
    "pairs",
    "sklearn",
    "tensors",
    "text",
    "torchvision",
    "windows",
]
