"""An image file becomes the picture that it shows, or one line that names it."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from optnas import UserError, data
from optnas.errors import DataWarning
from tests.data.images import Pairs, folder_of_images

RNG = np.random.default_rng(0)
FORMATS = ["AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "SGI", "TGA", "TIFF", "WEBP"]
ENDINGS = {"JPEG2000": "jp2", "PPM": "ppm", "JPEG": "jpg", "TIFF": "tif"}
DEEP = ("I;16", "I;16B", "I;16L", "I", "F")
MODES = ["1", "L", "L key", "LA", "La", "P", "P transparent", "PA", "RGB", "RGB key", "RGBA", "RGBa", "RGBX"]
MODES += ["CMYK", "YCbCr", "LAB", "HSV", *DEEP]


def picture(mode: str, size: tuple[int, int] = (6, 5), seed: int = 0) -> Image.Image:
    """Return an image of random pixels; ``key`` and ``transparent`` make some of them transparent."""
    width, height = size
    rng = np.random.default_rng(seed)
    if mode == "F":
        return Image.fromarray(rng.random((height, width), dtype=np.float32))
    if mode == "I":
        return Image.fromarray(rng.integers(0, 2**16, (height, width), dtype=np.int32))
    if mode in DEEP:
        values = rng.integers(0, 2**16, (height, width)).astype(">u2" if mode == "I;16B" else "<u2")
        return Image.frombytes(mode, size, values.tobytes())
    coloured = Image.fromarray(rng.integers(0, 256, (height, width, 4), dtype=np.uint8), "RGBA")
    if mode == "P transparent":
        made = coloured.convert("RGB").quantize(8)
        made.info["transparency"] = 0
        return made
    if mode.endswith("key"):
        made = coloured.convert(mode.split()[0])
        made.info["transparency"] = made.getpixel((0, 0))
        return made
    if mode in ("La", "LA", "PA"):
        grey = coloured.convert("LA")
        return grey if mode == "LA" else grey.convert(mode)
    if mode in ("LAB", "HSV", "CMYK", "YCbCr", "RGBX", "P", "L", "1"):
        coloured = coloured.convert("RGB")
    if mode == "LAB":
        return Image.frombytes("LAB", size, coloured.tobytes())
    return coloured.convert(mode)


def shown(image: Image.Image) -> np.ndarray:
    """Return the pixels (channels, height, width) that a person sees on white paper, by NumPy."""
    if image.mode in DEEP:
        values = np.asarray(image).astype(np.float64)
        key = image.info.get("transparency")
        return (values if key is None else np.where(values == key, 65535, values))[None]
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1).astype(float)
    image = image.convert("LA") if image.mode == "La" else image
    rgba = np.asarray(image.convert("RGBA")).transpose(2, 0, 1).astype(float)
    share = rgba[3] / 255
    return rgba[:3] * share + 255 * (1 - share)


def folder(root: Path, files: dict[str, bytes]) -> Path:
    """Write files into two classes, each with enough copies for three parts."""
    shutil.rmtree(root, ignore_errors=True)
    for name, content in files.items():
        for class_ in "ab":
            for copy in range(6):
                path = root / class_ / f"{copy}-{name}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    return root


def read(root: Path, **options: object) -> torch.Tensor:
    """Return the first input as it is stored."""
    return data.image_folder(root, **options).splits.train.x[0]


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    content = io.BytesIO()
    if "transparency" in image.info:
        options["transparency"] = image.info["transparency"]
    image.save(content, format_, **options)
    return content.getvalue()


def writable(mode: str, format_: str) -> bool:
    try:
        Image.open(io.BytesIO(saved(picture(mode), format_))).load()
    except (OSError, ValueError, KeyError, TypeError, SyntaxError):
        return False
    return True


WRITTEN = [(mode, format_) for mode in MODES for format_ in FORMATS if writable(mode, format_)]


def test_most_modes_are_written_by_some_format() -> None:
    assert {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"} <= {mode for mode, _ in WRITTEN}
    assert len(WRITTEN) > 60


@pytest.mark.parametrize(("mode", "format_"), WRITTEN)
def test_a_file_of_any_mode_and_format_is_what_it_shows(mode: str, format_: str, tmp_path: Path) -> None:
    content = saved(picture(mode), format_)
    written = Image.open(io.BytesIO(content))
    written.load()
    found = read(folder(tmp_path, {f"x.{ENDINGS.get(format_, format_.lower())}": content}))
    deep = torch.float32 if written.mode == "F" else torch.int32
    assert found.dtype == (deep if written.mode in DEEP else torch.uint8)
    expected = shown(written)
    assert found.shape == expected.shape
    assert np.abs(found.numpy() - expected).max() <= (1 if written.has_transparency_data else 0)


@pytest.mark.parametrize("mode", MODES)
def test_an_image_of_a_data_set_is_what_it_shows(mode: str) -> None:
    image = picture(mode)
    found = data.dataset(Pairs([image] * 12, [0, 1] * 6)).splits.train.x[0]
    expected = shown(image)
    assert len(found) == (1 if mode.split()[0] in ("1", "L", "LA", "La", *DEEP) else 3)
    assert np.abs(found.numpy() - expected).max() <= 1
    coloured = data.dataset(Pairs([image] * 12, [0, 1] * 6), channels=3).splits.train.x[0]
    assert np.abs(coloured.numpy() - expected).max() <= 1
    assert coloured.shape == (3, 5, 6)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("mode", "format_"), [("RGB", "JPEG"), ("RGBA", "PNG"), ("L", "WEBP"), ("I;16", "TIFF")]
)
def test_an_image_is_turned_as_its_orientation_says(
    orientation: int, mode: str, format_: str, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(picture(mode, (6, 4)), format_, exif=exif)
    found = read(folder(tmp_path, {f"x.{ENDINGS.get(format_, format_.lower())}": content}))
    plain = Image.open(io.BytesIO(content))
    expected = shown(ImageOps.exif_transpose(plain))
    assert found.shape == expected.shape == (len(found), *((4, 6) if orientation < 5 else (6, 4)))
    assert np.abs(found.numpy() - expected).max() <= 1


def test_sixteen_bits_are_kept_and_normalised_by_their_own_range(tmp_path: Path) -> None:
    values = RNG.integers(0, 2**16, (20, 8, 8), dtype=np.uint16)
    for number, pixels in enumerate(values):
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "ab"[number % 2] / f"{number}.png")
    splits = data.image_folder(tmp_path).splits
    every = torch.cat([part.x for part in (splits.train, splits.validation, splits.test)])
    assert sorted(x.sum().item() for x in every) == sorted(values.astype(int).sum(axis=(1, 2)).tolist())
    inputs = splits.prepare(splits.train.x)
    assert inputs.mean().item() == pytest.approx(0, abs=1e-6)
    assert inputs.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    small = data.image_folder(tmp_path, size=4).splits.train.x
    assert (small.dtype, small.shape[1:]) == (torch.int32, (1, 4, 4))
    assert small.double().mean().item() == pytest.approx(splits.train.x.double().mean().item(), rel=0.05)


@pytest.mark.parametrize("size", [None, 4])
def test_images_of_eight_bits_of_any_mode_lie_in_one_folder(size: int | None, tmp_path: Path) -> None:
    modes = ["1", "L", "LA", "P", "P transparent", "RGB", "RGBA"]
    contents = {f"{place}.png": saved(picture(mode), "PNG") for place, mode in enumerate(modes)}
    contents["7.tif"] = saved(picture("CMYK"), "TIFF")
    contents["8.gif"] = saved(picture("P"), "GIF")
    root = folder(tmp_path, contents)
    splits = data.image_folder(root, size=size).splits
    every = torch.cat([part.x for part in (splits.train, splits.validation, splits.test)])
    assert len(every) == 12 * len(contents)
    if size is None:
        expected = [shown(Image.open(root / "a" / f"0-{name}")) for name in contents]
        expected = [np.broadcast_to(pixels, (3, 5, 6)) for pixels in expected]
        assert max(min(np.abs(x.numpy() - pixels).max() for pixels in expected) for x in every) <= 1


@pytest.mark.parametrize("size", [None, 4])
@pytest.mark.parametrize("modes", [["L", "I;16"], ["I;16", "L", "RGB"], ["P", "I;16"], ["LA", "I;16", "1"]])
def test_eight_and_sixteen_bits_in_one_folder_are_read_together_and_told(
    modes: list[str], size: int | None, tmp_path: Path
) -> None:
    contents = {f"{place}.png": saved(picture(mode), "PNG") for place, mode in enumerate(modes)}
    contents |= {"jpeg.jpg": saved(picture("RGB"), "JPEG")} if "RGB" in modes else {}
    root = folder(tmp_path, contents)
    what = rf"12 of {12 * len(contents)} pictures have 16 bits, such as .*{modes.index('I;16')}.png"
    with pytest.warns(DataWarning, match=what):
        splits = data.image_folder(root, size=size).splits
    every = torch.cat([part.x for part in (splits.train, splits.validation, splits.test)])
    colour = not {*modes} <= {"1", "L", "LA", "I;16"}
    assert every.dtype == torch.int32
    assert every.shape == (12 * len(contents), 3 if colour else 1, *((5, 6) if size is None else (4, 4)))
    if size is None:
        expected = [shown(Image.open(root / "a" / f"0-{name}")) for name in contents]
        expected = [x if len(x) == 1 else x * 257 for x in expected]
        closest = [min(np.abs(x.numpy() - pixels).max() for pixels in expected) for x in every]
        assert max(closest) <= 257


def test_a_test_part_of_another_depth_is_brought_to_the_same(tmp_path: Path) -> None:
    train = folder(tmp_path / "train", {"0.png": saved(picture("RGB"), "PNG")})
    test = folder(tmp_path / "test", {"0.png": saved(picture("I;16"), "PNG")})
    with pytest.warns(DataWarning, match="12 of 24 pictures have 16 bits"):
        splits = data.image_folder(train, test).splits
    assert splits.train.x.dtype == splits.test.x.dtype == torch.int32
    assert splits.train.x.max() > 255
    assert splits.train.x.shape[1] == splits.test.x.shape[1] == 3


def test_eight_bits_and_floating_point_numbers_in_one_folder_are_refused(tmp_path: Path) -> None:
    root = folder(tmp_path, {"0.tif": saved(picture("L"), "TIFF")})
    (root / "b" / "odd.tif").write_bytes(saved(picture("F"), "TIFF"))
    with pytest.raises(UserError, match=r"b/odd.tif is .* all must be of one type") as refused:
        data.image_folder(root).splits  # noqa: B018
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "JPEG", "BMP", "GIF", "WEBP"])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF|Truncated File")
def test_a_file_that_is_cut_off_is_named(format_: str, share: float, tmp_path: Path) -> None:
    content = saved(Image.fromarray(RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8)), format_)
    ending = ENDINGS.get(format_, format_.lower())
    root = folder(tmp_path, {f"whole.{ending}": content})
    (root / "a" / f"cut.{ending}").write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=rf"a/cut.{ending} cannot be read: .+") as refused:
        data.image_folder(root).splits  # noqa: B018
    assert "\n" not in str(refused.value)
    assert "<" not in str(refused.value)


def test_what_is_no_image_beside_images_is_passed_over(tmp_path: Path) -> None:
    root = folder_of_images(tmp_path / "colours")
    for name in ("notes.txt", "Thumbs.db", ".DS_Store", "._0.png"):
        (root / "red" / name).write_bytes(b"no image")
    (root / "red" / "more.GIF").write_bytes(saved(Image.new("RGB", (8, 8), "red"), "GIF"))
    splits = data.image_folder(root).splits
    assert sum(len(part) for part in (splits.train, splits.validation, splits.test)) == 21


def test_a_size_for_what_is_no_image_of_pillow_is_refused() -> None:
    arrays = Pairs(RNG.integers(0, 256, (12, 3, 6, 6), dtype=np.uint8), [0, 1] * 6)
    for option in ({"size": 4}, {"channels": 1}):
        with pytest.raises(UserError, match="are for Pillow's images, and sample 0 is a ndarray"):
            data.dataset(arrays, **option).splits  # noqa: B018


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes, bool]:
    """Draw an image file: its name, its content, and whether it is damaged."""
    formats = ("PNG", "TIFF", "JPEG", "GIF", "WEBP")
    mode, format_ = draw(st.sampled_from([pair for pair in WRITTEN if pair[1] in formats]))
    options: dict[str, object] = {}
    if format_ != "GIF" and draw(st.booleans()):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = draw(st.integers(0, 9))
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    content = saved(picture(mode, size, draw(st.integers(0, 99))), format_, **options)
    name = f"x.{ENDINGS.get(format_, format_.lower())}"
    damage = draw(st.sampled_from(["none", "none", "cut", "changed"]))
    at = draw(st.integers(0, 999)) * len(content) // 1000
    if damage == "cut":
        return name, content[:at], True
    if damage == "changed":
        return name, content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :], True
    return name, content, False


@pytest.mark.filterwarnings("ignore:Corrupt EXIF|Truncated File")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=files())
def test_any_file_ends_in_what_pillow_shows_or_in_one_line(
    file: tuple[str, bytes, bool], tmp_path: Path
) -> None:
    name, content, damaged = file
    found, refused = None, ""
    try:
        found = read(folder(tmp_path / "drawn", {name: content}))
    except UserError as error:
        refused = str(error)
    if found is None:
        assert damaged
        assert name in refused
        assert "\n" not in refused
        return
    expected = shown(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    assert found.shape == expected.shape
    assert np.abs(found.numpy() - expected).max() <= 1


def test_images_that_pillow_does_not_read_are_told(tmp_path: Path) -> None:
    root = folder(tmp_path, {"x.png": saved(picture("RGB"), "PNG")})
    (next(root.iterdir()) / "phone.HEIC").write_bytes(b"no matter")
    with pytest.warns(DataWarning, match="1 file is passed over, such as [ab]/phone.HEIC"):
        data.image_folder(root).splits  # noqa: B018
