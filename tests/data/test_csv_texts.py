"""Files as people have them (encodings, separators, quotes, headers) are read as meant, or refused."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optnas import UserError, data
from optnas.data.csv_files import csv_table
from optnas.data.csv_texts import read_texts
from optnas.data.tabular import Plan

ROWS = 40
X = [f"{value:.2f}" for value in np.random.default_rng(0).normal(size=ROWS)]
Y = [f"{value:.3f}" for value in np.random.default_rng(1).normal(size=ROWS)]
LINES = [f"{x},{y}" for x, y in zip(X, Y, strict=True)]
PLAIN = "x,y\n" + "\n".join(LINES)


def put(folder: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path = folder / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le").join([b"\xff\xfe", b""]),
        PLAIN.encode("utf-32"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        "sep=;\n" + PLAIN.replace(",", ";"),
        "\n\n" + PLAIN.replace("\n", "\n\n"),
        "# made by hand, in May\n# twice\n" + PLAIN,
        "#" + PLAIN,
        PLAIN.replace("x,y", " x , y "),
        PLAIN.replace(",", " , "),
        PLAIN.replace("\n", ",\n") + ",",
        PLAIN.replace("\n", ",\n").replace("y,", "y", 1) + ",",
        '"x","y"\n' + "\n".join('"' + line.replace(",", '","') + '"' for line in LINES),
        ",x,y\n" + "\n".join(f"{row},{line}" for row, line in enumerate(LINES)),
    ],
)
def test_a_file_reads_as_it_is_meant(tmp_path: Path, content: str | bytes) -> None:
    plain = data.csv(put(tmp_path, PLAIN), "y").splits
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = data.csv(put(tmp_path, content), "y").splits
    assert torch.equal(found.train.x, plain.train.x)
    assert torch.equal(found.test.y, plain.test.y)


def test_quotes_keep_separators_lines_and_quotes(tmp_path: Path) -> None:
    names = ['a, "b"', "c\nd"]
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["t", "y"], *([names[i % 2], y] for i, y in enumerate(Y))])
    assert list(dict.fromkeys(read_texts(path, "y").columns[0])) == names
    assert data.csv(path, "y").shape == (2,)


def test_what_is_not_utf_8_is_told_and_can_be_said(tmp_path: Path) -> None:
    path = put(
        tmp_path, "t,y\n" + "\n".join(f"{('Köln', 'Bonn')[i % 2]},{y}" for i, y in enumerate(Y)), "cp1252"
    )
    with pytest.warns(UserWarning, match="not in UTF-8, read as cp1252"):
        data.csv(path, "y").splits  # noqa: B018
    assert "Köln" in read_texts(path, "y").columns[0]
    assert "KЄln" not in read_texts(path, "y", encoding="cp1251").columns[0]
    with pytest.raises(UserError, match="encoding='utf-99' is not known"):
        data.csv(path, "y", encoding="utf-99").splits  # noqa: B018


def test_a_file_without_a_header_is_told_and_takes_names(tmp_path: Path) -> None:
    path = put(tmp_path, "\n".join(LINES))
    with pytest.raises(UserError, match=r"numbers in its first line; .* names=\[\.\.\.\] .* 2 columns"):
        data.csv(path, "y").splits  # noqa: B018
    splits = data.csv(path, "y", names=["x", "y"]).splits
    assert len(splits.train) + len(splits.validation) + len(splits.test) == ROWS
    with pytest.raises(UserError, match="names= has 3 names for 2 columns"):
        data.csv(path, "y", names=["x", "y", "z"]).splits  # noqa: B018


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (PLAIN + "\n1", "line 42 has 1 fields and the header 2"),
        (PLAIN + "\n1,2,3", "line 42 has 3 fields and the header 2"),
        ("# a\n" + PLAIN + "\n1", "line 43 has 1 fields"),
        (PLAIN + '\n"1,2', "line 42: unexpected end of data"),
        (
            "x,x,y\n" + "\n".join(f"1,{line}" for line in LINES),
            r"two columns of one name, 'x' \(columns 1 and 2\)",
        ),
        ("y\n" + "\n".join(Y), "no column beside 'y'"),
        (b"x,y\n\x00\x01\n", "holds bytes of 0"),
        (b"x,y\n\x81,1\n", "say encoding="),
        ("x,z\n1,2\n", "has no column 'y': known: x, z"),
        ("\n \n", "is empty"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_its_line(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    with pytest.raises(UserError, match=said) as refused:
        data.csv(put(tmp_path, content), "y").splits  # noqa: B018
    assert "\n" not in str(refused.value)


CELLS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda v: f"{v:.6g}"),
    st.integers(-(10**9), 10**9).map(str),
)
MARKS = ["", "?", "NA", "n/a", "null", "NaN"]
WORDS = ["Ulm", "São Paulo", 'a "b"', "c, d", "e; f", "g\th", "line\nbreak", "it's", "Köln"]


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a table of numbers with gaps and of categories, and how its file is written."""
    rows = draw(st.integers(20, 40))
    numbers = draw(
        st.lists(st.lists(CELLS, min_size=rows, max_size=rows, unique=True), min_size=1, max_size=3)
    )
    mark = draw(st.sampled_from(MARKS))
    gaps = draw(st.sets(st.integers(0, rows - 1), max_size=rows // 3))
    words = draw(st.lists(st.sampled_from(WORDS), min_size=2, max_size=4, unique=True))
    columns = {
        f"n{i}": [mark if row in gaps else t for row, t in enumerate(c)] for i, c in enumerate(numbers)
    }
    columns["t"] = [words[row % len(words)] for row in range(rows)]
    columns["y"] = [f"{row}.5" for row in range(rows)]
    return {
        "columns": columns,
        "mark": mark,
        "gaps": gaps,
        "separator": draw(st.sampled_from([",", ";", "\t", "|"])),
        "comma": draw(st.booleans()),
        "encoding": draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        "end": draw(st.sampled_from(["\n", "\r\n"])),
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables())
def test_any_file_ends_in_the_numbers_that_pandas_reads_or_in_one_line(
    tmp_path: Path, table: dict[str, Any]
) -> None:
    path = tmp_path / "t.csv"
    frame = pandas.DataFrame(table["columns"])
    comma = table["comma"]
    if comma:
        frame = frame.map(lambda cell: cell.replace(".", ",") if cell[-1:].isdigit() else cell)
    frame.to_csv(
        path,
        index=False,
        sep=table["separator"],
        encoding=table["encoding"],
        quoting=table["quoting"],
        lineterminator=table["end"],
    )
    truth = pandas.read_csv(
        path,
        sep=table["separator"],
        encoding=table["encoding"],
        decimal="," if comma else ".",
        na_values=MARKS,
    )
    try:
        found = csv_table(path, Plan("t.csv", "y", seed=0))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            splits = found.splits(found.likely())
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    for column in found.columns:
        expected = truth[column.name]
        if column.kind == "number":
            assert np.array_equal(column.numbers[column.name], expected.astype(float), equal_nan=True)
            assert column.missing == len(table["gaps"])
        elif column.kind == "category":
            assert column.texts.tolist() == expected.fillna("").tolist()
        else:
            assert column.kind == "left out"
    assert np.allclose(np.sort(found.likely().values), np.sort(truth["y"]))
    for part in (splits.train, splits.validation, splits.test):
        assert part.x.isfinite().all()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.one_of(st.text(max_size=6), CELLS, st.sampled_from(MARKS)), min_size=2, max_size=3),
        max_size=30,
    ),
    st.sampled_from([",", ";", "\t"]),
)
def test_any_cells_end_in_finite_features_or_in_one_line(
    tmp_path: Path, rows: list[list[str]], separator: str
) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8", errors="ignore") as file:
        csv.writer(file, delimiter=separator).writerows([["x", "y"], *rows])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            splits = data.csv(path, "y").splits
    except UserError as error:
        assert "\n" not in str(error).strip()  # noqa: PT017
    else:
        assert splits.train.x.isfinite().all()
