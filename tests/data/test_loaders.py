"""Pictures of more than 8 bits are kept, or refused, however a folder of torchvision is wrapped."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, StackDataset, Subset, random_split

from optnas import UserError, data
from optnas.data._torchvision import torchvision
from tests.data.images import look_at

VALUES = np.random.default_rng(0).integers(0, 2**16, (24, 4, 4), dtype=np.uint16)


def opened(root: Path, values: np.ndarray = VALUES, **options: object) -> Dataset:
    for number, pixels in enumerate(values):
        (root / "ab"[number % 2]).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(root / "ab"[number % 2] / f"{number:02}.png")
    return torchvision().datasets.ImageFolder(str(root), **options)


def halves(folder: Dataset) -> list[Dataset]:
    return random_split(folder, [0.5, 0.5], torch.Generator().manual_seed(1))


HANDED_ON: dict[str, Callable[[Dataset], Dataset]] = {
    "itself": lambda folder: folder,
    "Subset": lambda folder: Subset(folder, range(24)),
    "Subset of Subset": lambda folder: Subset(Subset(folder, range(24)), range(24)),
    "ConcatDataset": lambda folder: ConcatDataset([Subset(folder, range(7)), Subset(folder, range(7, 24))]),
    "random_split": lambda folder: ConcatDataset(halves(folder)),
}


@pytest.mark.parametrize("memory", [1e9, 0])
@pytest.mark.parametrize("wrapped", HANDED_ON)
def test_what_hands_on_images_keeps_their_sixteen_bits(wrapped: str, memory: float, tmp_path: Path) -> None:
    folder = opened(tmp_path)
    before = folder.loader
    splits = data.dataset(HANDED_ON[wrapped](folder), memory=memory, readers=1).splits
    parts = (splits.train, splits.validation, splits.test)
    sums = [int(x.sum()) for part in parts for block, _ in part.blocks(99) for x in block]
    assert sorted(sums) == sorted(VALUES.sum(axis=(1, 2), dtype=int).tolist())
    assert folder.loader is before
    pickle.dumps(folder)


class Scaled(Dataset):
    def __init__(self, base: object) -> None:
        self.base = base

    def __len__(self) -> int:
        return len(self.base)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        image, label = self.base[index]
        return np.asarray(image.convert("F"))[None], label


class Plain:
    """A data set that is no ``Dataset`` of PyTorch, and keeps its parts in a dictionary."""

    def __init__(self, base: Dataset) -> None:
        self.parts = {"only": base}

    def __len__(self) -> int:
        return len(self.parts["only"])

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return Scaled(self.parts["only"])[index]


class Transformed(Subset):
    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return Scaled(self.dataset)[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[tuple[np.ndarray, int]]:
        return [self[index] for index in indices]


class Pairs(StackDataset):
    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return Scaled(self.datasets[0])[index]


MADE_ANEW: dict[str, Callable[[Dataset], object]] = {
    "Dataset": Scaled,
    "Dataset of a Subset": lambda folder: Scaled(Subset(folder, range(24))),
    "Subset of a Dataset": lambda folder: Subset(Scaled(folder), range(24)),
    "class of one's own": Plain,
    "Subset with transforms": lambda folder: Transformed(folder, range(24)),
    "StackDataset": Pairs,
}


def _as_array(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("F"))[None]


@pytest.mark.parametrize("memory", [1e9, 0])
@pytest.mark.parametrize("wrapped", [*HANDED_ON, *MADE_ANEW])
def test_what_would_be_clipped_before_code_of_ones_own_gets_it_is_refused_by_its_file(
    wrapped: str, memory: float, tmp_path: Path
) -> None:
    wrap = {**HANDED_ON, **MADE_ANEW}[wrapped]
    transforms = {"transform": _as_array} if wrapped in HANDED_ON else {}
    eight = opened(tmp_path, (VALUES >> 8).astype(np.uint8), **transforms)
    kept = data.dataset(wrap(eight)).splits.train.x
    assert kept.max() <= 255
    assert len(kept.unique()) > 50
    Image.fromarray(VALUES[9]).save(tmp_path / "b" / "09.png")  # not the first
    with pytest.raises(UserError, match=r"b/09.png has more than 8 bits, which .* makes white") as refused:
        look_at(data.dataset(wrap(eight), memory=memory, readers=1))
    assert "\n" not in str(refused.value)
    told = torchvision().datasets.ImageFolder(str(tmp_path), loader=Image.open, **transforms)
    splits = data.dataset(wrap(told)).splits
    assert max(float(part.x.max()) for part in (splits.train, splits.validation, splits.test)) > 255


@pytest.mark.parametrize("wrapped", ["Subset", "Subset of Subset", "ConcatDataset"])
def test_a_broken_file_is_named_within_what_hands_it_on(wrapped: str, tmp_path: Path) -> None:
    folder = opened(tmp_path)
    (tmp_path / "b" / "19.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"b/19.png cannot be read: it is no image"):
        data.dataset(HANDED_ON[wrapped](folder)).splits  # noqa: B018
