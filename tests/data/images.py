"""Folders and data sets of images that tests make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from optnas import data
from tests.tables import data_folder

__all__ = ["Pairs", "fashion_mnist", "folder_of_images", "look_at"]


class Pairs(Dataset):
    """Inputs and their labels, as a person would write it."""

    def __init__(self, inputs: object, labels: object) -> None:
        self.inputs, self.labels = inputs, labels

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[object, object]:
        return self.inputs[index], self.labels[index]


def folder_of_images(
    root: Path, classes: tuple[str, ...] = ("red", "green"), *, each: int = 10, ending: str = "png"
) -> Path:
    """Write ``each`` 8×8 images a class, in a folder a class, all different."""
    for channel, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(each):
            pixels = np.zeros((8, 8, 3), dtype=np.uint8)
            pixels[..., channel % 3] = 100 + number
            Image.fromarray(pixels).save(root / name / f"{number}.{ending}")
    return root


def fashion_mnist(folder: Path) -> Path:
    """Return a root that torchvision finds Fashion-MNIST in; skips the test where there is none."""
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in data_folder("fashion_mnist").glob("*.gz"):
        (raw / file.name).symlink_to(file)
    return folder


def look_at(held: data.Data) -> None:
    """Load the data and read every sample."""
    for part in (held.splits.train, held.splits.validation, held.splits.test):
        list(part.blocks(50))
