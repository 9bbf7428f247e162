"""Image files of torchvision's data sets, wrapped ones too, read without clipping them to 8 bits."""

from __future__ import annotations

import copy
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from torch.utils.data import ConcatDataset, Subset

from optnas.data.pictures import is_deep, open_image

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["file_of", "pictures_of", "with_our_loader"]

# Wrappers that hand on the samples of what they hold as they are.
_PLAIN = (Subset, ConcatDataset)


def with_our_loader(dataset: Any) -> Any:
    """Return a data set whose image files are not clipped; a copy where torchvision's loader reads them.

    torchvision's loader makes 16 bits white, ignores the orientation, and shows what is transparent. It
    is replaced by :func:`open_image`; but where the images go through transforms or a data set of the
    user's own, which were written for its result, by one that only refuses what would be clipped. Data
    sets are searched for within ``Subset``, ``ConcatDataset`` and the attributes of any other.
    """
    return _replaced(dataset, plain=True, within=())


def _replaced(dataset: Any, *, plain: bool, within: tuple[int, ...]) -> Any:
    """Return ``dataset``, or a copy if a loader within it is replaced.

    Args:
        dataset: A data set, or a list, tuple or dictionary that may hold some.
        plain: Whether its samples reach optnas as the loader makes them.
        within: Identities of the objects around it.
    """
    if id(dataset) in within:
        return dataset
    within = (*within, id(dataset))
    if isinstance(dataset, list | tuple | dict) and within[1:]:
        return _replaced_in(dataset, plain=plain, within=within)
    if not _has_samples(dataset):
        return dataset
    has = vars(dataset)
    changed: dict[str, Any] = {}
    if getattr(has.get("loader"), "__module__", None) == "torchvision.datasets.folder":
        transformed = any(has.get(of) is not None for of in ("transform", "transforms"))
        changed["loader"] = open_image if plain and not transformed else _open_unclipped
    plain = plain and type(dataset) in _PLAIN
    for attribute, held in has.items():
        replaced = _replaced(held, plain=plain, within=within)
        if replaced is not held:
            changed[attribute] = replaced
    if not changed:
        return dataset
    copied = copy.copy(dataset)
    vars(copied).update(changed)
    return copied


def _replaced_in(held: Any, *, plain: bool, within: tuple[int, ...]) -> Any:
    """Return a list, tuple or dictionary of data sets, or a copy if a loader within one is replaced."""
    values = list(held.values() if isinstance(held, dict) else held)
    if not any(map(_has_samples, values)):
        return held
    replaced = [_replaced(value, plain=plain, within=within) for value in values]
    if all(new is old for new, old in zip(replaced, values, strict=True)):
        return held
    if isinstance(held, dict):
        return dict(zip(held, replaced, strict=True))
    return replaced if isinstance(held, list) else tuple(replaced)


def _has_samples(found: Any) -> bool:
    return hasattr(type(found), "__getitem__") and hasattr(found, "__dict__")


def _open_unclipped(path: str) -> Image:
    """Read an image file as torchvision does.

    Raises:
        OSError: If it has more than 8 bits, or cannot be read.
    """
    from PIL import Image

    with open(path, "rb") as file, Image.open(file) as image:
        if is_deep(image):
            raise OSError(
                f"{path} has more than 8 bits, which torchvision's loader makes white: leave the transforms"
                " to optnas, or open the folder with loader=PIL.Image.open"
            )
        return image.convert("RGB")


def file_of(dataset: Any, index: int) -> str | None:
    """Return the file of a sample, within ``Subset`` and ``ConcatDataset`` too, if a list of them is kept."""
    if isinstance(dataset, Subset):
        return file_of(dataset.dataset, dataset.indices[index])
    if isinstance(dataset, ConcatDataset):
        place = bisect_right(dataset.cumulative_sizes, index)
        before = dataset.cumulative_sizes[place - 1] if place else 0
        return file_of(dataset.datasets[place], index - before)
    files = getattr(dataset, "samples", None)
    if isinstance(files, list) and len(files) == len(dataset) and isinstance(files[index], tuple):
        return str(files[index][0])
    return None


def pictures_of(dataset: Any) -> list[str] | None:
    """Return the files of a data set whose samples are as :func:`open_image` reads them; else ``None``."""
    if type(dataset) is Subset:
        files = pictures_of(dataset.dataset)
        return None if files is None else [files[index] for index in dataset.indices]
    if type(dataset) is ConcatDataset:
        parts = [pictures_of(part) for part in dataset.datasets]
        return None if None in parts else [file for part in parts for file in part or ()]
    files = getattr(dataset, "samples", None)
    if getattr(dataset, "loader", None) is not open_image or not isinstance(files, list):
        return None
    return [str(each[0]) for each in files]
