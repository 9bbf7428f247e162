from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from optnas import UserError, data
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
    from torchvision.datasets import Imagenette

    classes = tuple(Imagenette._WNID_TO_CLASS)
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
