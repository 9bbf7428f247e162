"""Folder of image files with one subfolder for each class, each file read once and by its own class."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from optnas.data.pictures import open_image
from optnas.errors import DataWarning, UserError

__all__ = ["ImageFolder", "pictures_in"]

# Folders that systems leave beside pictures: thumbnails of a Synology disk, an archive's of macOS, a disk's.
_SYSTEM = frozenset(["@eaDir", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found"])

# Images that Pillow reads with a plug-in alone, or not at all.
_UNREAD = frozenset(
    [".avif", ".cr2", ".dng", ".exr", ".heic", ".heif", ".jxl", ".nef", ".psd", ".raw", ".svg"]
)


class ImageFolder(Dataset[tuple[Any, int]]):
    """Data set of the image files in a folder's subfolders, at any depth, and the places of their classes.

    Files and folders that are hidden or a system's are left out, and a link to a folder that has been read
    for the class, or that the folder itself lies in, is not followed; the latter, and pictures that are
    passed over, are told by a warning. The order is that of torchvision's data set of the name.

    Attributes:
        classes: The names of the subfolders, sorted.
        samples: The path and the class of each file.
        targets: The class of each file.
        loader: Function that opens a path.

    Raises:
        UserError: If there is no class, a class has no picture, or a folder cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self.loader: Callable[[str], Any] = open_image
        around = {_identity(folder) for folder in (root, *root.resolve().parents)}
        left: list[str] = []
        links: list[str] = []
        self.classes: list[str] = []
        self.samples: list[tuple[str, int]] = []
        try:
            top, loose = _entries(str(root))
            for name in top:
                folder = os.path.join(root, name)
                if _identity(folder) in around:
                    links.append(folder)
                    continue
                files = _files(folder, {*around}, links)
                taken = [file for file in files if _is_image(file)]
                left += [file for file in files if not _is_image(file)]
                self.samples += [(file, len(self.classes)) for file in taken]
                self.classes.append(name)
        except OSError as error:
            raise UserError(f"{error.filename} cannot be read: {error.strerror}") from None
        self.targets = [label for _, label in self.samples]
        empty = [name for place, name in enumerate(self.classes) if place not in {*self.targets}]
        _tell(root, [os.path.join(root, file) for file in loose], left, links)
        if not self.classes or empty:
            why = f"{', '.join(empty)} has no picture that Pillow reads" if empty else "it has no subfolder"
            raise UserError(f"{root} is no folder of images, one folder a class: {why}")

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        path, label = self.samples[index]
        return self.loader(path), label


def pictures_in(root: Path) -> list[str]:
    """Return the paths of all pictures in a folder, at any depth, in the order of their names.

    Hidden files and a system's are left out; pictures that are passed over are told by a warning.

    Raises:
        UserError: If there is none, or a folder cannot be read.
    """
    links: list[str] = []
    try:
        files = _files(str(root), {_identity(folder) for folder in root.resolve().parents}, links)
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}") from None
    taken = [file for file in files if _is_image(file)]
    _tell(root, [], [file for file in files if not _is_image(file)], links)
    if not taken:
        raise UserError(f"{root} has no picture that Pillow reads")
    return taken


def _identity(folder: str | Path) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _entries(folder: str) -> tuple[list[str], list[str]]:
    """Return the sorted names of the folders and of the files in a folder, without hidden ones."""
    with os.scandir(folder) as entries:
        seen = [each for each in entries if not each.name.startswith(".") and each.name not in _SYSTEM]
        folders = sorted(each.name for each in seen if each.is_dir())
        return folders, sorted(each.name for each in seen if not each.is_dir())


def _files(folder: str, seen: set[tuple[int, int]], links: list[str]) -> list[str]:
    """Return the files in a folder and its folders, and add links that lead back to ``links``."""
    found: dict[str, list[str]] = {}
    rest, linked = [folder], list[str]()
    while rest or linked:
        here = rest.pop() if rest else linked.pop()
        if _identity(here) in seen:
            links.append(here)
            continue
        seen.add(_identity(here))
        folders, files = _entries(here)
        found[here] = [os.path.join(here, file) for file in files]
        for name in reversed(folders):
            inner = os.path.join(here, name)
            (linked if os.path.islink(inner) else rest).append(inner)
    return [file for here in sorted(found) for file in found[here]]


def _is_image(path: str) -> bool:
    """Return whether a file has an ending that Pillow reads."""
    from PIL import Image

    return Image.registered_extensions().get(os.path.splitext(path)[1].lower()) in Image.OPEN


def _tell(root: Path, loose: list[str], left: list[str], links: list[str]) -> None:
    """Warn of pictures that are passed over."""
    unread = [file for file in (*loose, *left) if os.path.splitext(file)[1].lower() in _UNREAD]
    ending = os.path.splitext(unread[0])[1] if unread else ""
    for files, why in (
        (unread, f"as Pillow does not read {ending}: convert them"),
        ([file for file in left if _is_unnamed(file)], "for want of an ending such as .png: rename them"),
        (
            [file for file in loose if _is_image(file) or _is_unnamed(file)],
            "as they lie in no class's folder: move them into one",
        ),
        (links, "as such links lead to a folder that is read already: remove them"),
    ):
        if files:
            what = "file is" if len(files) == 1 else "files are"
            if files is links:
                what = "link is" if len(files) == 1 else "links are"
            warnings.warn(
                f"{root}: {len(files)} {what} passed over, such as {os.path.relpath(files[0], root)}, {why}",
                DataWarning,
                stacklevel=2,
            )


def _is_unnamed(path: str) -> bool:
    """Return whether a file is a picture by its content, and has no ending that says what it is."""
    from PIL import Image

    if os.path.splitext(path)[1]:
        return False
    try:
        with open(path, "rb") as file, Image.open(file):
            return True
    except Exception:  # Pillow raises many kinds
        return False
