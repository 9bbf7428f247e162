from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from optnas import UserError, data
from optnas.data._torchvision import torchvision
from optnas.data.folder import ImageFolder
from optnas.errors import DataWarning
from tests.data.images import fashion_mnist, folder_of_images, look_at


def test_a_folder_of_images_has_a_class_for_each_folder_in_it(tmp_path: Path) -> None:
    folder = data.image_folder(folder_of_images(tmp_path / "colours"))
    splits = folder.splits
    assert (folder.name, folder.shape, folder.outputs) == ("colours", (3, 8, 8), 2)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [12, 4, 4]
    assert splits.train.x.dtype == torch.uint8
    green, red = 0, 1
    for part in (splits.train, splits.validation, splits.test):
        assert torch.equal(part.x[:, 0, 0, 0] > 0, part.y == red)
        assert torch.equal(part.x[:, 1, 0, 0] > 0, part.y == green)


def test_a_folder_beside_it_is_the_official_test_part(tmp_path: Path) -> None:
    train, test = folder_of_images(tmp_path / "train"), folder_of_images(tmp_path / "test", each=3)
    splits = data.image_folder(train, test).splits
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [16, 4, 6]


def test_images_of_differing_sizes_are_brought_to_one(tmp_path: Path) -> None:
    root = folder_of_images(tmp_path / "colours")
    Image.new("RGB", (40, 20), "red").save(root / "red" / "wide.png")
    with pytest.raises(UserError, match=r"red/wide.png is 3×20×40 of uint8.*give size="):
        look_at(data.image_folder(root))
    assert data.image_folder(root, size=(6, 5)).shape == (3, 6, 5)
    assert data.image_folder(root, size=16, channels=1).shape == (1, 16, 16)


def test_a_corrupt_file_is_told_by_its_name(tmp_path: Path) -> None:
    root = folder_of_images(tmp_path / "colours")
    for damaged in (b"no image", (root / "red" / "0.png").read_bytes()[:50]):
        (root / "red" / "7.png").write_bytes(damaged)
        with pytest.raises(UserError, match=r"red/7.png cannot be read: .+"):
            look_at(data.image_folder(root))


def test_a_folder_that_is_none_or_has_an_empty_class_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        look_at(data.image_folder(tmp_path / "nowhere"))
    root = folder_of_images(tmp_path / "colours")
    (root / "blue").mkdir()
    with pytest.raises(UserError, match=r"is no folder of images.*blue"):
        look_at(data.image_folder(root))


def test_fashion_mnist_keeps_its_official_test_part_and_its_bytes(tmp_path: Path) -> None:
    root = fashion_mnist(tmp_path)
    clothes = data.torchvision("FashionMNIST", root=root, download=True)
    splits = clothes.splits
    assert (clothes.shape, clothes.outputs) == ((1, 28, 28), 10)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [48_000, 12_000, 10_000]
    assert torch.bincount(splits.validation.y).tolist() == [1200] * 10
    from torchvision.datasets import FashionMNIST

    assert torch.equal(splits.test.x[:, 0], FashionMNIST(root, train=False).data)
    inputs = splits.prepare(splits.train.x)
    assert inputs.mean().abs() < 1e-4
    assert (inputs.std() - 1).abs() < 1e-4


def test_a_part_of_a_large_data_set_keeps_the_classes_shares_and_the_test_part(tmp_path: Path) -> None:
    root = fashion_mnist(tmp_path)
    splits = data.torchvision("FashionMNIST", root=root, download=True, samples=1000).splits
    assert torch.bincount(splits.train.y).tolist() == [80] * 10
    assert [len(splits.validation), len(splits.test)] == [200, 10_000]


def test_what_torchvision_resizes_is_not_what_it_holds_in_memory(tmp_path: Path) -> None:
    root = fashion_mnist(tmp_path)
    small = data.torchvision("FashionMNIST", root=root, download=True, samples=100, size=14).splits
    assert small.train.shape == (1, 14, 14)


def test_a_set_of_torchvision_without_a_test_part_is_tested_on_its_validation_part(tmp_path: Path) -> None:
    classes = tuple(torchvision().datasets.Imagenette._WNID_TO_CLASS)
    folder_of_images(tmp_path / "imagenette2" / "train", classes, ending="jpeg")
    folder_of_images(tmp_path / "imagenette2" / "val", classes, each=3, ending="jpeg")
    splits = data.torchvision("Imagenette", root=tmp_path, channels=1).splits
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [80, 20, 30]


def test_a_set_of_torchvision_without_parts_is_split_in_three(tmp_path: Path) -> None:
    folder_of_images(tmp_path / "eurosat" / "2750")
    splits = data.torchvision("EuroSAT", root=tmp_path, test=0.3).splits
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [10, 4, 6]


def test_a_data_set_that_is_not_there_is_told_with_the_files_to_put_there(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        look_at(data.torchvision("FashionMNIST", root=tmp_path))
    assert "Dataset not found" in str(error.value)
    assert "give download=True" in str(error.value)
    assert "train-images-idx3-ubyte.gz" in str(error.value)
    assert str(tmp_path / "FashionMNIST" / "raw") in str(error.value)
    with pytest.raises(UserError, match=r"give download=True.* put cifar-10-python.tar.gz into"):
        look_at(data.torchvision("CIFAR10", root=tmp_path))


def test_an_unknown_data_set_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'FashionMNIST'"):
        look_at(data.torchvision("FashonMNIST", root=tmp_path))


def sums(root: Path, **options: object) -> list[int]:
    """Return the sum of each picture's numbers, and its class, sorted."""
    splits = data.image_folder(root, **options).splits
    parts = (splits.train, splits.validation, splits.test)
    return sorted((int(x.sum()), int(y)) for part in parts for x, y in zip(part.x, part.y, strict=True))


@pytest.mark.parametrize(
    "beside",
    [
        ".thumbs",
        "red/.ipynb_checkpoints",
        "red/more/.cache",
        "@eaDir",
        "red/@eaDir",
        "__MACOSX",
        "lost+found",
    ],
)
def test_hidden_folders_and_those_of_systems_are_left_out(beside: str, tmp_path: Path) -> None:
    root = folder_of_images(tmp_path / ".hidden" / "colours")
    before = sums(root)
    (root / beside).mkdir(parents=True)
    for number in range(5):
        shutil.copy(root / "red" / "0.png", root / beside / f"{number}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sums(root) == before


@pytest.mark.parametrize(
    ("link", "to"),
    [
        ("red/loop", "."),
        ("red/loop", ".."),
        ("red/loop", "/"),
        ("red/deep/loop", ".."),
        ("red/deep/loop", "../.."),
        ("loop", "."),
        ("loop", "../.."),
        ("red/again", "deep"),
    ],
)
def test_a_link_that_leads_back_is_not_followed_and_told(link: str, to: str, tmp_path: Path) -> None:
    root = folder_of_images(tmp_path / "colours")
    (root / "red" / "deep").mkdir()
    (root / "red" / "0.png").rename(root / "red" / "deep" / "0.png")
    before = sums(root)
    (root / link).symlink_to(to)
    with pytest.warns(DataWarning, match=f"1 link is passed over, such as {link}, as such links lead to"):
        assert sums(root) == before


def test_a_class_may_be_a_link_and_have_folders_linked_from_elsewhere(tmp_path: Path) -> None:
    whole = folder_of_images(tmp_path / "whole")
    before = sums(whole)
    root = tmp_path / "linked"
    (root / "red").mkdir(parents=True)
    (root / "green").symlink_to(whole / "green")
    (root / "red" / "day1").symlink_to(whole / "red")
    assert sums(root) == before


def test_samples_keep_the_order_of_torchvision(tmp_path: Path) -> None:
    root = folder_of_images(tmp_path / "colours", ("b", "a", "C"))
    for number, inner in enumerate(("z", "A", "a-b", "a/c", "a")):
        (root / "a" / inner).mkdir(parents=True, exist_ok=True)
        (root / "a" / f"{number}.png").rename(root / "a" / inner / "x.png")
    ours, theirs = ImageFolder(root), torchvision().datasets.ImageFolder(str(root))
    assert (ours.classes, ours.samples, ours.targets) == (theirs.classes, theirs.samples, theirs.targets)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "red/scan",
            "1 file is passed over, such as red/scan, for want of an ending such as .png: rename them",
        ),
        ("red/deep/scan", "such as red/deep/scan, for want of an ending"),
        ("0.png", "such as 0.png, as they lie in no class's folder: move them into one"),
        ("scan", "such as scan, as they lie in no class's folder"),
        ("phone.heic", "such as phone.heic, as Pillow does not read .heic: convert them"),
    ],
)
def test_pictures_that_are_passed_over_are_told(name: str, said: str, tmp_path: Path) -> None:
    root = folder_of_images(tmp_path / "colours")
    before = sums(root)
    for notes in ("README", "LICENSE.txt", "red/labels", "red/notes.csv"):
        (root / notes).write_text("no picture")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sums(root) == before
    (root / name).parent.mkdir(exist_ok=True)
    shutil.copy(root / "red" / "1.png", root / name)
    with pytest.warns(DataWarning) as told:
        assert sums(root) == before
    assert len(told) == 1
    assert said in str(told[0].message)


def test_pictures_without_class_folders_are_told_with_what_to_do(tmp_path: Path) -> None:
    shutil.copy(folder_of_images(tmp_path / "colours") / "red" / "1.png", tmp_path / "colours.png")
    flat = tmp_path / "colours" / "red"
    with (
        pytest.warns(DataWarning, match="10 files are passed over, such as 0.png, as they lie in no class's"),
        pytest.raises(UserError, match="is no folder of images, one folder a class: it has no subfolder"),
    ):
        data.image_folder(flat).splits  # noqa: B018
