"""Data sets of images: folders of image files, and the data sets of torchvision."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from optnas.data._torchvision import torchvision as _torchvision
from optnas.data.data import Data
from optnas.data.datasets import dataset
from optnas.data.folder import ImageFolder
from optnas.errors import UserError, nearest, searched

__all__ = ["image_folder", "torchvision"]

# torchvision's names for the parts, the preferred first.
_TRAIN = ("trainval", "train", "train-standard")
_TEST = ("test", "val")


def image_folder(root: str | Path, test: str | Path | float = 0.2, **options: Any) -> Data:
    """Make a data set from a folder of images with one subfolder for each class.

    Args:
        root: Folder of ``<class>/<anything>.png``, or of other formats that Pillow reads. Images become
            RGB of 8 bits, but for grey ones of more bits, which keep their range; where some have 16
            bits, those of 8 are scaled to 16, and all become RGB if any is coloured. They are turned as
            their EXIF orientation says; what is transparent is laid on white; of an animation the first
            frame counts. Hidden files and folders are left out, and pictures that are passed over are told.
        test: Folder of the official test part; or, without one, the share of the samples held out
            for the winner.
        options: Options of :func:`dataset`, such as ``size=64``, which images of different sizes need.

    Raises:
        UserError: As by :func:`dataset`, with the file's name; or if there is no such folder.
    """

    def folder(path: Any) -> Callable[[], Any]:
        def open_() -> Any:
            if not Path(path).is_dir():
                raise UserError(f"no such folder: {path}{searched(path)}")
            if importlib.util.find_spec("PIL") is None:
                raise UserError("Pillow is not installed: pip install pillow")
            return ImageFolder(Path(path))

        return open_

    options = {"name": Path(root).name, **options}
    return dataset(folder(root), test if isinstance(test, float | int) else folder(test), **options)


def torchvision(
    name: str,
    *,
    root: str | Path,
    download: bool = False,
    arguments: Mapping[str, Any] | None = None,
    **options: Any,
) -> Data:
    """Make a data set from one of torchvision's image classification data sets.

    The test part is its official test part, or its validation part if it has no test part. If it has
    neither, a share of the samples is held out, as in :func:`dataset`.

    Args:
        name: Name of a class in ``torchvision.datasets``, such as ``"FashionMNIST"`` or ``"CIFAR10"``.
        root: The folder that holds it, as torchvision lays it out.
        download: Whether to download it if it is not there.
        arguments: Further arguments of the class, such as ``{"split": "letters"}`` for ``"EMNIST"``.
        options: Options of :func:`dataset`, such as ``samples=10_000``.

    Raises:
        UserError: As by :func:`dataset`; or if torchvision has no such data set, or it is not in ``root``.

    >>> from optnas import data
    >>> data.torchvision("FashionMNIST", root="data", download=True, samples=10_000)
    Data('FashionMNIST')
    """
    options = {"name": name, **options}
    share = options.pop("test", 0.2)
    given = dict(arguments or {})

    def test() -> Any:
        official = _open(name, root, _TEST, download, given)
        return share if official is None else official

    return dataset(lambda: _open(name, root, _TRAIN, download, given), test, **options)


def _open(name: str, root: str | Path, parts: tuple[str, ...], download: bool, given: dict[str, Any]) -> Any:
    """Open one part of a torchvision data set; ``None`` for the test part of a data set without parts."""
    kind = _kind(name)
    takes = _takes(kind)
    given = {"root": os.path.expanduser(root), **given}
    if "download" in takes:
        given["download"] = download
    ways: list[dict[str, Any]] = [{}]
    if "train" in takes:
        ways = [{"train": parts is _TRAIN}]
    elif "split" in takes:
        ways = [{"split": part} for part in parts]
    elif parts is _TEST:
        return None
    for way in ways:
        try:
            return kind(**given, **way)
        except Exception as error:
            failure = error
        if "for argument split" not in str(failure):  # otherwise it has no part of that name
            break
    reason = str(failure).strip().split("\n")[0].rstrip(".") or type(failure).__name__
    files = f"put {_files(kind, Path(root))}"
    fix = f"where there is no network, {files}" if download else f"give download=True, or {files}"
    if "download" not in takes:
        fix = files
    # torchvision's own hint is for its own argument.
    reason = re.sub(r"[.,]? *You can use download=True to download it", "", reason)
    raise UserError(f"data {name!r} in {root}{searched(root)}: {reason}; {fix}") from failure


def _kind(name: str) -> type:
    datasets = _torchvision().datasets
    kinds = {known: getattr(datasets, known) for known in datasets.__all__}
    known = [known for known, kind in kinds.items() if "root" in _takes(kind)]
    if name not in known:
        raise UserError(f"torchvision has no data set of images {name!r}: {nearest(name, known)}")
    kind: type = kinds[name]
    return kind


def _takes(kind: Any) -> set[str]:
    """Return the names of all constructor parameters of a class and of its base classes."""
    starts = [vars(base).get("__init__") for base in getattr(kind, "__mro__", ())]
    return {
        name for start in starts if inspect.isfunction(start) for name in inspect.signature(start).parameters
    }


def _files(kind: Any, root: Path) -> str:
    """Return the files of a data set and their folder as a text, as far as its class tells them."""
    about = vars(kind)
    if isinstance(about.get("resources"), list):
        files = ", ".join(file for file, _ in about["resources"])
        return f"{files} into {root / kind.__name__ / 'raw'}"
    return f"{about.get('filename', 'its files')} into {root}"
