"""Predictions for arrays in a file, a piece at a time, as the columns of a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from optnas import UserError
from optnas.answers import Answer, Classes, Outputs
from optnas.data.schemas import Arrays, Ids, Pictures, Schema, Sequences, Series, Several, Texts
from optnas.winner.model import Model
from optnas.winner.predicting import predictions_of


class Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def model(function: Callable[[Any], Any], schema: Schema, answer: Answer | None = None) -> Model:
    return Model(Function(function), nn.Identity(), schema, answer or Outputs(), {})


def flat(x: Any) -> Any:
    return x.flatten(1) if isinstance(x, Tensor) and x.ndim > 1 else x


def predictions(made: Model, path: Path) -> pandas.DataFrame:
    found = list(predictions_of(made, path))
    assert found[-1][1] == 1
    return pandas.concat([table for table, _ in found], ignore_index=True)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optnas.winner.predicting._PIECE", 4)


def test_an_array_is_predicted_in_pieces_that_stay_on_the_disk(tmp_path: Path) -> None:
    given = np.arange(30, dtype=np.float32).reshape(10, 3)
    np.save(tmp_path / "x.npy", given)
    schema = Arrays((3,))
    pieces = list(schema.read_file(tmp_path / "x.npy", 4))
    assert [len(piece.given) for piece in pieces] == [4, 4, 2]
    assert all(isinstance(piece.given, np.memmap) for piece in pieces)
    found = predictions(model(lambda x: x[:, :2] * 2, schema), tmp_path / "x.npy")
    assert list(found.columns) == ["output 0", "output 1"]
    assert found.to_numpy().tolist() == (given[:, :2] * 2).tolist()
    classes = predictions(model(lambda x: x[:, :2], schema, Classes(("a", "b"))), tmp_path / "x.npy")
    assert classes["class"].tolist() == ["b"] * 10
    np.save(tmp_path / "one.npy", given[0])
    assert len(predictions(model(lambda x: x, schema), tmp_path / "one.npy")) == 1


def test_an_archive_of_inputs_and_targets_is_predicted_as_it_was_trained_on(tmp_path: Path) -> None:
    x = np.arange(30, dtype=np.float32).reshape(10, 3)
    made = model(lambda x: x[:, :2] * 2, Arrays((3,)))
    for arrays in ({"x": x, "y": x[:, 0]}, {"any": x}):
        np.savez(tmp_path / "x.npz", **arrays)
        found = predictions(made, tmp_path / "x.npz")
        assert found.to_numpy().tolist() == (x[:, :2] * 2).tolist()
    np.savez(tmp_path / "x.npz", a=x, b=x)
    with pytest.raises(UserError, match="has several arrays, a, b: call the inputs 'x'"):
        predictions(made, tmp_path / "x.npz")
    series = model(lambda x: x[:, -1], Series(Arrays((4, 2))))
    windows = np.random.default_rng(0).normal(size=(6, 4, 2)).astype(np.float32)
    np.savez(tmp_path / "s.npz", x=windows, y=np.zeros(6))
    assert predictions(series, tmp_path / "s.npz").to_numpy().tolist() == windows[:, -1].tolist()


def test_several_outputs_stand_side_by_side_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(5))
    both = model(lambda x: {"left": x.float(), "right": torch.stack([x, -x], 1).float()}, Ids((), 9))
    found = predictions(both, tmp_path / "x.npy")
    assert found.to_dict("list") == {
        "left: output": [0, 1, 2, 3, 4],
        "right: output 0": [0, 1, 2, 3, 4],
        "right: output 1": [0, -1, -2, -3, -4],
    }


def test_errors_name_the_place_in_the_users_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the sample that does not fit is far behind the first piece and the first batch."""
    monkeypatch.setattr("optnas.winner.predicting._PIECE", 300)
    bad, folder = 700, tmp_path / "pictures"
    numbers = np.zeros((800, 3))
    numbers[bad, 1] = np.nan
    np.save(tmp_path / "numbers.npy", numbers)
    np.save(tmp_path / "windows.npy", numbers[..., None])
    np.save(tmp_path / "steps.npy", numbers[: bad + 2, 1])
    np.save(tmp_path / "ids.npy", np.where(np.isnan(numbers[:, 1]), 9, 1))
    rows = ["value", *("1" for _ in range(bad)), "", "", "inf", "2"]
    (tmp_path / "steps.csv").write_text("\n".join(rows))
    (tmp_path / "texts.txt").write_text("\n" + "a b\n" * bad + "c\n" + "a\n" * 9)
    folder.mkdir()
    for name, size in (("a", 2), ("b", 2), ("c", 4)):
        Image.new("L", (size, 2)).save(folder / f"{name}.png")
    series = Series(Arrays((3, 1), "float64"))
    words = Sequences(("", "", "", "a", "b"), 4, 4, letters=False)
    for schema, name, said in (
        (Arrays((3,)), "numbers.npy", f"sample {bad} (counted from 0) holds a value"),
        (Ids((), 8), "ids.npy", f"sample {bad} (counted from 0) has the id 9, and the network has learned"),
        (series, "windows.npy", f"window {bad} (counted from 0) holds a value"),
        (series, "steps.npy", f"step {bad} (counted from 0) holds a value"),
        (series, "steps.csv", f"line {bad + 4} holds a value that is not a finite number"),
        (
            Texts("a b", 3),
            "texts.txt",
            f"line {bad + 2} has characters that the network has never seen ('c')",
        ),
        (words, "texts.txt", f"line {bad + 2} has words that the network has never seen ('c')"),
    ):
        with pytest.raises(UserError) as refused:
            predictions(model(flat, schema), tmp_path / name)
        assert str(refused.value).startswith(f"{tmp_path / name}, {said}")
    pictures = Pictures(Arrays((1, 2, 2), "uint8"), resized=False)
    with pytest.raises(UserError, match=rf"^{folder / 'c.png'} is of 2×4 pixels"):
        predictions(model(flat, pictures), folder)


def test_errors_in_python_count_all_samples_not_those_of_a_batch() -> None:
    array = np.zeros((20, 3))
    array[17] = np.inf
    same = model(lambda x: x["a"], Several({"a": Arrays((3,)), "b": Ids((), 4)}))
    with pytest.raises(UserError, match=r"^input 'a': sample 17 holds a value"):
        same.predict({"a": array, "b": np.zeros(20, int)}, batch_size=5)
    with pytest.raises(UserError, match=r"^input 'b': sample 13 has the id 7"):
        same.predict({"a": np.zeros((20, 3)), "b": np.where(np.arange(20) == 13, 7, 1)}, batch_size=5)
    pixels = np.zeros((20, 1, 2, 2))
    pixels[11] = 300
    pictures = model(lambda x: x.float(), Pictures(Arrays((1, 2, 2), "uint8"), resized=False))
    for given in (pixels, list(pixels)):
        with pytest.raises(UserError, match=r"^picture 11 has pixels from 300 to 300"):
            pictures.predict(given, batch_size=5)


def test_what_cannot_be_predicted_from_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    schema = Arrays((3,))
    np.save(tmp_path / "x.npy", np.zeros((9, 3)))
    np.save(tmp_path / "wide.npy", np.zeros((9, 4)))
    np.save(tmp_path / "number.npy", np.zeros(()))
    np.save(tmp_path / "objects.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    gap = np.zeros((9, 3))
    gap[6] = np.nan
    np.save(tmp_path / "gap.npy", gap)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:200])
    (tmp_path / "empty.npy").write_bytes(b"")
    same = model(lambda x: x, schema)
    for name, said in {
        "none.npy": "cannot be read: No such file",
        "x.csv": "are read from .npy files",
        "wide.npy": r"wide.npy: the network takes inputs \(samples, 3\)",
        "number.npy": "is one number",
        "objects.npy": "cannot be read: ",
        "gap.npy": r"gap\.npy, sample 6 \(counted from 0\) holds a value that is not a finite number$",
        "cut.npy": "cannot be read: ",
        "empty.npy": "cannot be read: ",
    }.items():
        with pytest.raises(UserError, match=said) as refused:
            predictions(same, tmp_path / name)
        assert "\n" not in str(refused.value)
    with pytest.raises(UserError, match=r"of shape \(samples, 3, 1\), which no table holds"):
        predictions(model(lambda x: x[..., None], schema), tmp_path / "x.npy")
    with pytest.raises(UserError, match="--with-input is for tables"):
        list(predictions_of(same, tmp_path / "x.npy", with_input=True))
    with pytest.raises(UserError, match="'several' are not read from files"):
        predictions(model(lambda x: x, Several({"a": schema})), tmp_path / "x.npy")
