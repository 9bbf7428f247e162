"""A trained network's folder that a stranger made or changed: one line, and nothing outside is touched."""

from __future__ import annotations

import copy
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import optnas
from optnas import UserError
from optnas.data.csv_pieces import FileFormat, csv_pieces
from optnas.data.schemas.array_files import array_pieces
from optnas.files import replace_file, replacing_file
from optnas.winner.folder import check_folder, checkpoint_of, finished
from optnas.winner.json_file import read_json
from tests.files import assert_refused, call

ARRAY = {
    "kind": "array",
    "shape": [4],
    "dtype": "float32",
    "axes": [0, 1],
    "normalized_by": {"mean": [1.0, 2.0, 3.0, 4.0], "deviation": [1.0, 2.0, 3.0, 4.0]},
    "span": [0.0, 9.0],
}
FIGURES = {"fill": 0.0, "mean": 0.0, "deviation": 1.0}
MEASURED = {"missing": [""], "exponent": 0, "figures": [FIGURES], "gap": {"mean": 0.1, "deviation": 0.3}}
NUMBER = {"decimal": ".", "unit": "", "others_missing": False, "seconds": False, **MEASURED}
DATE = {"format": "%Y-%m-%d", "clock": True, "zoned": False, "places": [], **MEASURED}
TABLE = {
    "kind": "table",
    "columns": [
        {"name": "a", "kind": "number", **NUMBER},
        {"name": "b", "kind": "yes or no", "yes": "y", "no": "n", **MEASURED},
        {"name": "c", "kind": "date", **DATE},
        {"name": "d", "kind": "category", "missing": [""], "categories": ["", "u"]},
    ],
    "file": {"separator": ",", "encoding": None, "names": None, "target": "t"},
}
IDS = {"kind": "ids", "shape": [3], "most": 4}
PICTURES = {**ARRAY, "kind": "pictures", "shape": [1, 4, 4], "dtype": "uint8", "resized": True, "bits": 8}
PICTURES |= {"axes": None, "normalized_by": {"mean": 1.0, "deviation": 2.0}, "span": [0, 255]}
CLASSES = {"kind": "classes", "names": ["p", "q"], "target": "t"}
VALUES = {"kind": "values", "target": "t"}
SCALE = {"deviation": [2.0, 2.0], "mean": [1.0, 1.0]}
LINEAR = "seq(linear(4), relu, head)"
ROW = {"a": "1", "b": "y", "c": "2020-01-02", "d": "u"}
FOLDERS: dict[str, tuple[Any, Any, Any, str, Any]] = {
    "array": (ARRAY, CLASSES, None, LINEAR, np.ones((3, 4))),
    "table": (TABLE, VALUES, SCALE, LINEAR, [ROW] * 2),
    "ids": (IDS, CLASSES, None, "seq(embedding(5, 4), last, head)", np.ones((3, 3), int)),
    "pictures": (PICTURES, CLASSES, SCALE, "seq(conv(2), head)", np.full((3, 4, 4, 1), 7, np.uint8)),
    "several": (
        {"kind": "several", "inputs": {"x": ARRAY, "y": IDS}}, {"kind": "outputs"}, SCALE,
        "seq(input('x'), linear(4), head)", {"x": np.ones((2, 4)), "y": np.ones((2, 3), int)},
    ),
}  # fmt: skip
SUMMARY = {"accuracy": {"mean": 0.5, "deviation": None}}
WRONG: list[Any] = [
    None, True, -1, 10**18, 10**400, 1e308, float("nan"), float("inf"), "", "x", "\x1b[31m\n", "é" * 5000, [],
    [None], {}, {"kind": "several"}, [0] * 5000, [10**400], [-1, 2**62], "__import__('os').system('exit')",
]  # fmt: skip

_STEP = 5


def parts(name: str) -> dict[str, Any]:
    schema, answer, scale, architecture, _ = FOLDERS[name]
    record = {"architecture": architecture, "own_ops": {}, "context": {"outputs": 2}}
    record |= {"settings": {}, "seeds": [0], "validation": SUMMARY, "test": {}}
    told = {"input": schema, "answer": answer, "output_scale": scale}
    return copy.deepcopy({"schema.json": told, "metrics.json": record})


def write(folder: Path, files: dict[str, Any]) -> None:
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a network of arrays."""
    return made(tmp_path / "net", "array")


def made(folder: Path, name: str) -> Path:
    folder.mkdir()
    files = parts(name)
    write(folder, files)
    shape = optnas.data.schemas.schema_of(files["schema.json"]["input"]).shape
    built = optnas.parse(files["metrics.json"]["architecture"]).build(shape, outputs=2)
    save_file(built.state_dict(), folder / "model.safetensors")
    return folder


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every field, at any depth."""
    yield before
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from places(each, (*before, key))


def with_field(whole: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    changed = whole.copy()
    changed[place[0]] = with_field(whole[place[0]], place[1:], value)
    return changed


def line_of(folder: Path, given: Any) -> str:
    """Return the line that loading or predicting ends in; empty if it does not."""
    try:
        optnas.load(folder).predict(given)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FOLDERS)
def test_whatever_stands_in_a_field_is_one_line(name: str, tmp_path: Path) -> None:
    folder, given, files = made(tmp_path / "net", name), FOLDERS[name][-1], parts(name)
    assert line_of(folder, given) == ""
    for file, content in files.items():
        for i, place in enumerate(places(content)):
            # In turn, so that every kind of field has every value somewhere.
            for value in WRONG[i % _STEP :: _STEP]:
                write(folder, {file: with_field(content, place, value)})
                line_of(folder, given)
        write(folder, {file: content})
    assert line_of(folder, given) == ""


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("schema.json", b"[" * 100_000, "nested too deeply"),
        ("schema.json", b'{"input": "\\ud800"}', "no text in UTF-8"),
        ("schema.json", b'{"x": [' + b"{}," * 3_000_000 + b"0]}", "lists and objects, more than any record"),
        ("metrics.json", b'{"x": [' + b"0," * 9_000_000 + b"0]}", "values, more than any record"),
        ("metrics.json", b"\xff\xfe", "no text in UTF-8"),
    ],
)
def test_json_that_is_too_much_is_refused_before_memory_is(
    file: str, content: bytes, said: str, folder: Path
) -> None:
    (folder / file).write_bytes(content)
    assert said in line_of(folder, np.ones((3, 4)))


def test_a_file_of_blanks_is_not_read_whole(folder: Path) -> None:
    with (folder / "schema.json").open("wb") as file:
        file.truncate(2**40)
    assert "more than 67,108,864 bytes" in line_of(folder, np.ones((3, 4)))


def test_a_line_is_short_whatever_stands_in_the_folder(folder: Path) -> None:
    files = parts("array")
    files["schema.json"]["input"]["kind"] = "\x1b[31m\n" + "k" * 100_000
    write(folder, files)
    line = line_of(folder, np.ones((3, 4)))
    assert len(line) < 500
    assert line.isprintable()


@pytest.mark.parametrize("seeds", [[True], ["../../x"], [10**4000], [], list(range(1000)), None])
def test_members_of_an_ensemble_are_in_the_folder(seeds: Any, folder: Path) -> None:
    files = parts("array")
    files["metrics.json"]["ensemble"] = {"seeds": seeds}
    write(folder, files)
    assert len(line_of(folder, np.ones((3, 4)))) in range(1, 500)


@pytest.mark.parametrize(
    "architecture",
    [
        "__import__('os').system('exit')", "seq(" * 100_000, "-" * 900_000 + "1", "1," * 10**6,
        "seq(conv(10**9))", f"seq({'linear(4), ' * 20_000}head)", "seq(linear(1000000000000000000000))",
        "seq(linear(1000000000), head)", "repeat(linear(4), 1000000000)",
    ],
)  # fmt: skip
def test_an_architecture_that_is_none_is_one_line(architecture: str, folder: Path) -> None:
    files = parts("array")
    files["metrics.json"]["architecture"] = architecture
    write(folder, files)
    assert len(line_of(folder, np.ones((3, 4)))) in range(1, 500)


@pytest.mark.parametrize("change", [{"shape": [2, 8]}, {"shape": [2**40, 2**20]}, {"data_offsets": [0, 4]}])
def test_weights_whose_header_lies_are_one_line(change: dict[str, Any], folder: Path) -> None:
    path = folder / "model.safetensors"
    written = path.read_bytes()
    (length,) = struct.unpack("<Q", written[:8])
    header = json.loads(written[8 : 8 + length])
    header[max(header)] |= change
    changed = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(changed)) + changed + written[8 + length :])
    assert "damaged" in line_of(folder, np.ones((3, 4)))


@pytest.mark.parametrize("name", ["metrics.json", "schema.json", "model.safetensors"])
@pytest.mark.parametrize("kind", ["link", "pipe", "device", "folder"])
def test_only_files_of_the_folder_are_read(name: str, kind: str, folder: Path) -> None:
    path = folder / name
    path.rename(folder.parent / "outside")
    if kind == "link":
        path.symlink_to(folder.parent / "outside")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    assert line_of(folder, np.ones((3, 4)))
    with pytest.raises(UserError):
        check_folder(folder)
    if kind == "pipe":
        with pytest.raises(ValueError, match="is no file"):
            read_json(path)


@pytest.mark.parametrize("name", ["model.safetensors.part", "README.md", "checkpoints", "exported"])
def test_nothing_is_written_where_a_link_leads(name: str, folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir() if "." not in name else outside.write_text("mine")
    (folder / name).symlink_to(outside)
    with pytest.raises(UserError, match="a link that leads out of the folder"):
        check_folder(folder)
    if name == "exported":
        assert_refused(call("export", folder, "--format", "safetensors"), "leads out of the folder")
        assert not list(outside.iterdir())


def test_a_checkpoint_is_of_the_folder(folder: Path) -> None:
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "seed-0.safetensors").symlink_to(folder.parent / "outside")
    with pytest.raises(UserError, match="a link that leads out of the folder"):
        checkpoint_of(folder, 0)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_part_of_a_file_is_never_anothers(link: Any, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    for name in ("one", "two"):
        link(outside, tmp_path / f"{name}.part")
    replace_file(tmp_path / "one", "written")
    with replacing_file(tmp_path / "two") as file:
        file.write("written")
    assert outside.read_text() == "mine"
    assert (tmp_path / "one").read_text() == (tmp_path / "two").read_text() == "written"


def test_a_finished_record_is_read_with_the_same_bounds(folder: Path) -> None:
    files = parts("array")
    files["metrics.json"]["validation"] = {"accuracy": {"mean": 10**400, "deviation": 10**400}}
    write(folder, files)
    with pytest.raises(UserError, match="is not of optnas train"):
        finished(folder)


def test_a_network_that_does_not_fit_its_answer_says_so(folder: Path) -> None:
    files = parts("array")
    files["schema.json"]["answer"]["names"] = ["p"]
    write(folder, files)
    with torch.no_grad():
        optnas.load(folder)
    # So many, all over the place, that both classes are met whatever the network learned.
    rng = np.random.default_rng(0)
    found = {line_of(folder, rng.normal(size=(500, 4)) * spread) for spread in (1, 50)}
    assert any("the network cannot predict" in line for line in found)
    with pytest.raises(TypeError, match="takes no length"):
        optnas.load(folder).predict(np.ones((3, 4)), length=3)


def test_a_line_of_any_length_stays_within_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optnas.data.csv_pieces._LONGEST", 50)
    monkeypatch.setattr("optnas.data.csv_pieces._ENOUGH", 100)
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "1,2222222222\n" * 50)
    found = list(csv_pieces(path, FileFormat(), ["a", "b"], 1000))
    assert len(found) > 1
    assert [start for _, start, _, _ in found] == np.cumsum([0, *(len(t) for t, *_ in found)])[:-1].tolist()
    assert sum(len(table) for table, *_ in found) == 50
    for text, said in (("a,b\n1," + "2" * 60, "line 2 has more than 50"), ('a,b\n1,"' + "2\n" * 60, "limit")):
        path.write_text(text)
        with pytest.raises(UserError, match=said):
            list(csv_pieces(path, FileFormat(), ["a", "b"], 1000))


@pytest.mark.parametrize("shape", ["(4611686018427387904, 4)", "(-1, 4)", "(" * 9000, "(3, 4), 'x': 1"])
def test_an_array_whose_header_lies_is_one_line(shape: str, tmp_path: Path) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 96)
    with pytest.raises(UserError, match=r"x\.npy"):
        list(array_pieces(path, (4,), 10))


def test_arrays_of_objects_and_archives_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    with (tmp_path / "archive.npy").open("wb") as file:
        np.savez(file, first=np.zeros((2, 4)), second=np.zeros((2, 4)))
    for name in ("objects", "archive"):
        with pytest.raises(UserError, match=name):
            list(array_pieces(tmp_path / f"{name}.npy", (4,), 10))
