"""A network of a table, from its study to predictions on raw rows where only its folder is left."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch

import optnas
from optnas import UserError
from optnas.data.csv_files import csv_table
from optnas.data.tabular import Plan
from optnas.errors import DataWarning
from optnas.run.files import load_study
from tests.files import assert_refused, call

STUDY = """
from optnas import *

study = Study(
    name="houses",
    space=ops.seq(ops.linear(choose(4, 8, name="width")), ops.relu(), ops.head()),
    task=tasks.regression(data.csv("houses.csv", target="price")),
    objectives=[minimize("rmse"), minimize("flops")],
    training=Training(epochs=3, lr=1e-2),
)
"""
ROWS = 150


def houses() -> pandas.DataFrame:
    """Return rows of numbers, texts, dates and gaps, as a file has them."""
    rng = np.random.default_rng(0)
    area = rng.normal(100, 30, ROWS)
    days = pandas.Series(pandas.date_range("2022-03-05 08:15", periods=ROWS, freq="50h"))
    table = pandas.DataFrame(
        {
            "nr": np.arange(ROWS),
            "area": [f"{a:.2f} m²".replace(".", ",") for a in area],
            "rooms": rng.integers(1, 6, ROWS).astype(str),
            "town": np.array(["Ulm", "São Paulo", 'a "b"; c', ""])[rng.integers(0, 4, ROWS)],
            "garden": np.array(["Yes", "No"])[rng.integers(0, 2, ROWS)],
            "sold": days.dt.strftime("%d.%m.%Y %H:%M"),
            "price": [f"{3000 * a:.2f}".replace(".", ",") for a in area],
        }
    )
    table.loc[::7, "area"] = "n/a"
    table.loc[::11, "sold"] = ""
    return table


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained network alone, with the raw rows of its test part and what is known of them."""
    path, kept = tmp_path_factory.mktemp("study"), tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.delenv("OPTNAS_STORAGE", raising=False)
        houses().to_csv("houses.csv", sep=";", index=False, encoding="cp1252")
        Path("study.py").write_text(STUDY)
        for command in ("run study.py --trials 2 --workers 1", "train study.py --trial 0 --out net"):
            done = call(*command.split())
            assert done.exit_code == 0, done.output
        task = load_study("study.py").task
        assert task is not None
        # What the task itself makes of the features that it trained and measured on.
        network = optnas.load("net").network
        deviation, mean = task.output_scale
        with torch.no_grad():
            values = network(task.data.splits.test.x) * deviation + mean
        np.save(kept / "values.npy", values.numpy())
        table = csv_table(Path("houses.csv"), Plan("houses.csv", "price"))
        held_back = houses().iloc[table.parts(table.aim("values"))[2]]
        assert (task.data.splits.test.y.numpy() == pandas.to_numeric(
            held_back.price.str.replace(",", ".")
        ).to_numpy(np.float32)).all()  # fmt: skip
        held_back.to_csv(kept / "rows.csv", sep=";", index=False, encoding="cp1252")
        held_back.drop(columns="price").to_json(kept / "rows.json", orient="records")
        Path("net").rename(kept / "net")
    for left in sorted(path.rglob("*"), reverse=True):
        left.unlink() if left.is_file() else left.rmdir()
    return kept


@pytest.fixture(autouse=True)
def _in_folder(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    torch.set_num_threads(1)


def predictions(text: str) -> Any:
    return pandas.read_csv(io.StringIO(text))


def test_another_process_predicts_raw_rows_as_training_did(run: Path, tmp_path: Path) -> None:
    expected = np.load("values.npy")[:, 0]
    code = (
        "import json, optnas; model = optnas.load('net');"
        "print(json.dumps(model.predict(json.load(open('rows.json')))['price'].tolist()))"
    )
    (tmp_path / "net").symlink_to(run / "net")
    (tmp_path / "rows.json").write_bytes(Path("rows.json").read_bytes())
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert np.array(eval(told.stdout)) == pytest.approx(expected, rel=1e-5)
    by_file = subprocess.run(
        [sys.executable, "-m", "optnas.cli", "predict", run / "net", run / "rows.csv"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert predictions(by_file.stdout)["price"].to_numpy() == pytest.approx(expected, rel=1e-5)
    assert by_file.stderr == ""


def test_rows_are_given_in_any_way() -> None:
    model, expected = optnas.load("net"), np.load("values.npy")[:, 0]
    rows = pandas.read_csv("rows.csv", sep=";", encoding="cp1252", dtype=str, keep_default_na=False)
    ways: list[Any] = [
        rows,
        rows.to_dict("records"),
        rows.to_dict("list"),
        rows.drop(columns=["price", "nr"])[["sold", "town", "garden", "area", "rooms"]],
        rows.assign(rooms=rows.rooms.astype(float), garden=rows.garden == "Yes"),
        rows.assign(sold=pandas.to_datetime(rows.sold, format="%d.%m.%Y %H:%M", errors="coerce")),
    ]
    for given in ways:
        assert model.predict(given)["price"].to_numpy() == pytest.approx(expected, rel=1e-5)
    for one in (rows.iloc[0].to_dict(), rows.iloc[0]):
        assert model.predict(one)["price"].to_numpy() == pytest.approx(expected[:1], rel=1e-5)


def test_the_card_says_what_goes_in_and_its_code_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Path("net/README.md").read_text()
    assert "one of 3 categories" in card
    assert "%d.%m.%Y" in card
    found: dict[str, Any] = {}
    monkeypatch.chdir("net")
    exec(card.split("```python\n")[1].split("```")[0], found | {"__name__": "card"}, found)
    assert list(found["predictions"].columns) == ["price"]
    assert np.isfinite(found["predictions"]["price"]).all()


def test_columns_are_carried_where_that_is_wanted(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    done = call("predict", "net", "rows.csv", "-o", out, "--with-input")
    assert done.exit_code == 0, done.output
    written = pandas.read_csv(out, dtype=str, keep_default_na=False)
    rows = pandas.read_csv("rows.csv", sep=";", encoding="cp1252", dtype=str, keep_default_na=False)
    assert written[list(rows.columns)].equals(rows)
    found = written["price (predicted)"].astype(float).to_numpy()
    assert found == pytest.approx(np.load("values.npy")[:, 0], rel=1e-5)


def test_a_large_file_is_read_in_pieces_and_its_lines_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optnas.winner.predicting._PIECE", 7)
    done = call("predict", "net", "rows.csv")
    assert predictions(done.stdout)["price"].to_numpy() == pytest.approx(np.load("values.npy")[:, 0])
    lines = Path("rows.csv").read_text(encoding="cp1252").splitlines()
    fields = next(csv.reader([lines[20]], delimiter=";"))
    fields[1] = "large"
    with (tmp_path / "bad.csv").open("w", newline="") as file:
        file.write("\n".join(lines[:20]) + "\n")
        csv.writer(file, delimiter=";").writerow(fields)
    out = tmp_path / "out.csv"
    out.write_text("before")
    refused = call("predict", "net", tmp_path / "bad.csv", "-o", out)
    said = "bad.csv: column 'area' in line 21 holds 'large', no number (as in 1,5 and in m²)"
    assert_refused(refused, said)
    assert out.read_text() == "before"
    assert set(os.listdir(tmp_path)) == {"bad.csv", "out.csv"}


def test_unknown_categories_are_told_once_and_count_as_none_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optnas.winner.predicting._PIECE", 7)
    rows = pandas.read_csv("rows.csv", sep=";", encoding="cp1252", dtype=str, keep_default_na=False)
    rows.assign(town=["Rome", "Oslo", *["Rome"] * (len(rows) - 2)]).to_csv(tmp_path / "new.csv", index=False)
    done = call("predict", "net", tmp_path / "new.csv")
    assert done.exit_code == 0
    told = [line for line in done.stderr.splitlines() if "Rome" in line]
    assert told == [
        f"note: column 'town': 'Oslo', 'Rome', in {len(rows)} rows, not in the training part and so 0 in all"
        " features"
    ]
    model = optnas.load("net")
    with pytest.warns(DataWarning, match="column 'town': 'Rome', in 1 row, ") as warned:
        model.predict({**rows.iloc[0], "town": "Rome"})
    assert [each.filename for each in warned] == [__file__]
    with pytest.warns(DataWarning, match="column 'town': 'Rome', in 1 row, "):
        tensors = model.schema.tensors({**rows.iloc[0], "town": "Rome"})
    assert tensors["codes"].tolist() == [[-1]]


def test_a_table_without_rows_has_a_prediction_s_columns_alone(tmp_path: Path) -> None:
    lines = Path("rows.csv").read_text("cp1252").splitlines()
    (tmp_path / "none.csv").write_text(f"{lines[0]}\n")
    done = call("predict", "net", tmp_path / "none.csv")
    assert done.exit_code == 0, done.output
    assert done.stdout == call("predict", "net", "rows.csv").stdout.splitlines(keepends=True)[0]
    assert optnas.load("net").predict(pandas.read_json("rows.json")[:0]).shape[0] == 0


def test_predictions_have_as_many_digits_as_the_network_computes_with() -> None:
    for line in call("predict", "net", "rows.csv").stdout.splitlines()[1:]:
        for cell in line.split(","):
            assert len(cell.partition("e")[0].replace(".", "").lstrip("-0")) <= 9


def test_no_progress_stands_between_predictions_in_a_terminal(tmp_path: Path) -> None:
    import pty
    import subprocess
    import sys

    ours, theirs = pty.openpty()
    code = "from optnas.cli import main; main()"
    for out, shown in (([], False), (["-o", str(tmp_path / "out.csv")], True)):
        done = subprocess.run(
            [sys.executable, "-c", code, "predict", "net", "rows.csv", *out],
            stdout=subprocess.PIPE,
            stderr=theirs,
            check=True,
        )
        os.write(theirs, b"#")
        told = b""
        while not told.endswith(b"#"):
            told += os.read(ours, 10_000)
        assert (b"predicted" in told) == shown
        assert bool(done.stdout) != shown


def test_what_is_no_input_is_refused_in_one_line(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.zeros((2, 5)))
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    rows = pandas.read_csv("rows.csv", sep=";", encoding="cp1252", dtype=str)
    rows.rename(columns={"area": "areas"}).to_csv(tmp_path / "lacking.csv", index=False)
    for name, said in (
        ("none.csv", "No such file"),
        ("empty.csv", "is empty"),
        ("other.csv", "the rows have no columns 'area', "),
        ("other.csv", "given are a, b"),
        ("lacking.csv", "the rows have no column 'area': did you mean 'areas'?"),
    ):
        assert_refused(call("predict", "net", tmp_path / name), said)
    assert_refused(call("predict", tmp_path, "rows.csv"), "holds no network of optnas train")
    assert_refused(call("predict", "net", "rows.csv", "-o", "rows.csv"), "is the input itself")
    assert_refused(call("predict", "net", "rows.csv", "-o", tmp_path / "no" / "out.csv"), "cannot be written")
    full = pandas.read_json("rows.json", dtype=False).iloc[0].to_dict()
    for given, said in (
        (5, "rows of a table"),
        ([5], "rows of a table"),
        ({**full, "area": [1, 2]}, "2 of 'area', one value, no list, of 'rooms'"),
    ):
        with pytest.raises(UserError, match=said):
            optnas.load("net").predict(given)
