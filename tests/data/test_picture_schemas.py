"""Pictures as users have them become the very pixels that a data set makes of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image

from optnas import UserError, data
from optnas.data.schemas import Arrays, Pictures, Schema, Target, schema_of, schema_record
from tests.data.images import Pairs, folder_of_images


def kept(schema: Schema) -> Schema:
    """Return a schema as it comes back from its file."""
    return schema_of(json.loads(json.dumps(schema_record(schema))))


def photos(root: Path, mode: str = "RGB") -> Path:
    """Write pictures of several sizes, on their side and transparent ones among them."""
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 256, (9 + number, 12, 3), dtype=np.uint8)
            image = Image.fromarray(pixels).convert("RGBA" if number == 3 else mode)
            exif = Image.Exif()
            exif[0x0112] = 6 if number == 4 else 1
            image.save(root / label / f"{number}.png", exif=exif)
    return root


def inputs_of(found: data.Data, paths: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a kept schema makes of files, and all that the data's parts have, in one order."""
    schema = kept(found.schema)
    ours = schema.preparation()(schema.tensors(paths))
    parts = found.splits
    x = torch.cat([parts.prepare(x) for part in (parts.train, parts.validation, parts.test)
                   for x, _ in part.blocks(100)])  # fmt: skip
    weights = torch.rand(ours[0].numel(), generator=torch.Generator().manual_seed(0))
    first, second = (each.flatten(1)[(each.flatten(1) @ weights).argsort()] for each in (ours, x))
    return first, second


@pytest.mark.parametrize("options", [{"size": (8, 6)}, {"size": 7, "channels": 1}, {"size": 8, "memory": 1}])
def test_a_folder_of_files_becomes_the_inputs_that_networks_are_trained_on(
    options: dict[str, Any], tmp_path: Path
) -> None:
    root = photos(tmp_path / "photos")
    ours, theirs = inputs_of(data.image_folder(root, readers=0, **options), root)
    assert ours.shape == theirs.shape
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_names_of_folders_and_labels_that_are_texts_are_those_of_the_classes(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    assert data.image_folder(root, size=8).target == Target("", ("cat", "dog"))
    labels = ["yes", "no"] * 10
    texts = data.dataset(Pairs([torch.rand(3) for _ in labels], labels))
    assert texts.target == Target("", ("no", "yes"))
    numbers = data.dataset(Pairs([torch.rand(3) for _ in labels], [0, 1] * 10))
    assert numbers.target == Target()


def test_images_paths_and_arrays_of_one_picture_are_the_same(tmp_path: Path) -> None:
    root = folder_of_images(tmp_path / "colours")
    schema = kept(data.image_folder(root).schema)
    path = root / "red" / "3.png"
    pixels = np.asarray(Image.open(path))
    expected = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]
    ways: list[Any] = [path, str(path), Image.open(path), pixels, pixels[None], expected[0], expected.float()]
    for given in [*ways, [path], [Image.open(path)], [pixels], np.stack([pixels])]:
        assert torch.equal(schema.tensors(given).double(), expected.double())
    assert all(schema.is_one(given) for given in ways if np.ndim(given) < 4)
    assert schema.tensors([path, pixels, Image.open(path)]).shape == (3, 3, 8, 8)
    assert schema.tensors(root).shape == (20, 3, 8, 8)


def test_bytes_of_another_size_are_cropped_and_scaled_as_images_are(tmp_path: Path) -> None:
    schema = data.image_folder(photos(tmp_path / "photos"), size=8).schema
    pixels = np.random.default_rng(1).integers(0, 256, (20, 14, 3), dtype=np.uint8)
    assert torch.equal(schema.tensors(pixels), schema.tensors(Image.fromarray(pixels)))
    with pytest.raises(UserError, match=r"20×14 pixels, and the network was trained on 8×8"):
        schema.tensors(pixels.astype(float))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda x: x / 255, "from 0.* to 1, and the network was trained on whole numbers .* x . 1"),
        (lambda x: x / 127.5 - 1, "pixels from -1 to 1, and .* 8 bits, 0 to 255"),
        (lambda x: x.astype(np.uint16) * 257, "pixels from .* to 6.*, and .* 8 bits"),
        (lambda x: x[..., :2], r"\(samples, 3, 8, 8\) or \(samples, 8, 8, 3\), not of shape \(1, 8, 8, 2\)"),
        (lambda x: x[:4], "4×8 pixels, and the network was trained on 8×8"),
        (lambda x: Image.fromarray(x[:4]), "picture 0 is of 4×8 pixels"),
        (lambda x: Image.fromarray(x[..., 0].astype(np.uint16) * 257), "picture 0 has 16 bits a pixel"),
        (lambda x: "nowhere.png", "no such picture or folder: nowhere.png"),
        (lambda x: ["nowhere.png"], "nowhere.png cannot be read"),
        (lambda x: x * np.nan, "not a finite number"),
        (lambda x: ["a", 3], "cannot be read|must be"),
    ],
)
def test_what_networks_were_not_trained_on_is_one_line(made: Any, told: str, tmp_path: Path) -> None:
    schema = kept(data.image_folder(folder_of_images(tmp_path / "colours")).schema)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    pixels[0, 0] = 255
    with pytest.raises(UserError, match=told) as refused:
        schema.tensors(made(pixels))
    assert "\n" not in str(refused.value)


def test_pictures_of_eight_bits_are_scaled_where_networks_know_sixteen(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        (tmp_path / "x" / label).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 2**16, (6, 6)).astype(np.uint16)
            deep = Image.fromarray(pixels if number % 2 else (pixels // 256).astype(np.uint8))
            deep.save(tmp_path / "x" / label / f"{number}.png")
    found = data.image_folder(tmp_path / "x")
    with pytest.warns(match="10 of 20 pictures have 16 bits"):
        ours, theirs = inputs_of(found, tmp_path / "x")
    assert torch.allclose(ours, theirs, atol=1e-5)
    bytes_ = np.full((6, 6), 200, np.uint8)
    assert found.schema.tensors(bytes_).unique().tolist() == [200 * 257]
    assert found.schema.tensors(Image.fromarray(bytes_)).unique().tolist() == [200 * 257]
    Image.fromarray(np.ones((6, 6), np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(UserError, match=r"x\.tif has 32 bits a pixel, and the network was trained on 16"):
        found.schema.tensors(tmp_path / "x.tif")


@pytest.mark.parametrize("memory", [1e9, 1])
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.int64])
def test_data_sets_of_arrays_say_their_layout_type_and_range(memory: float, kind: Any) -> None:
    x = np.random.default_rng(0).integers(0, 200, (20, 5, 4, 3)).astype(kind)
    found = data.dataset(Pairs(x, [0, 1] * 10), memory=memory, readers=0)
    schema = kept(found.schema)
    assert isinstance(schema, Arrays)
    assert (schema.shape, schema.given, schema.dtype) == ((3, 5, 4), (5, 4, 3), np.dtype(kind).name)
    assert schema.span is not None
    assert 0 <= schema.span[0] < schema.span[1] < 200
    assert inputs_of(found, x)[0].shape == (20, 60)
    ours, theirs = inputs_of(found, x)
    assert torch.allclose(ours, theirs, atol=1e-5)
    if kind is np.uint8:
        with pytest.raises(UserError, match="trained on whole numbers"):
            schema.tensors(x / 255)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shape": [3, 8]}, "the normalisation is not of inputs"),
        ({"shape": [7, 8, 8], "normalized_by": None}, "no shape of pictures"),
        ({"shape": [3, 10**9, 10**9]}, "too large"),
        ({"bits": 4}, "4 bits"),
        ({"resized": 1}, "bits"),
        ({"axes": [0, 2, 3, 1]}, "no shape of pictures"),
    ],
)
def test_a_record_of_no_pictures_is_refused(change: dict[str, Any], told: str, tmp_path: Path) -> None:
    schema = data.image_folder(folder_of_images(tmp_path / "colours")).schema
    assert isinstance(schema, Pictures)
    with pytest.raises(ValueError, match=told):
        schema_of({**schema_record(schema), **change})


def test_a_folder_without_pictures_is_told(tmp_path: Path) -> None:
    schema = data.image_folder(folder_of_images(tmp_path / "colours")).schema
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("none")
    with pytest.raises(UserError, match="empty has no picture that Pillow reads"):
        schema.tensors(tmp_path / "empty")


def test_pictures_of_a_folder_are_read_in_pieces_with_their_names(tmp_path: Path) -> None:
    root = folder_of_images(tmp_path / "colours")
    schema = data.image_folder(root).schema
    found = list(schema.read_file(root, 8))
    assert [len(piece.given) for piece in found] == [8, 8, 4]
    assert [piece.share for piece in found] == [0.4, 0.8, 1]
    assert found[0].named["file"].tolist()[:2] == ["green/0.png", "green/1.png"]
    assert schema.tensors(found[0].given).shape == (8, 3, 8, 8)
    (one,) = schema.read_file(root / "red" / "3.png", 8)
    assert one.named["file"].tolist() == [str(root / "red" / "3.png")]


def test_a_picture_that_is_a_program_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran, ghostscript = tmp_path / "ran", tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {ran}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    path = tmp_path / "x.png"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n")
    pixels = Arrays((1, 4, 4), "uint8", None, (0.0, 255.0))
    with pytest.raises(UserError, match=r"x\.png cannot be read: it is a program of the format EPS"):
        Pictures(pixels, resized=True).tensors(path)
    assert not ran.exists()
