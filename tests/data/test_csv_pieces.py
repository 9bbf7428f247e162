"""Rows of a CSV file a piece at a time: the same as of the whole file, within bounded memory."""

from __future__ import annotations

import gzip
import itertools
import lzma
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optnas import UserError
from optnas.data.csv_pieces import FileFormat, csv_pieces
from optnas.data.csv_texts import read_texts

CELLS = ["1.5", "", "Ulm", 'a "b"', "c, d", "e; f", "g\th", "line\nbreak", "Köln", "#5"]


def whole(path: Path, how: FileFormat = FileFormat(), size: int = 2, needed: Any = ("a", "b")) -> Any:  # noqa: B008
    """Return all rows, and the number of pieces."""
    pieces = list(csv_pieces(path, how, needed, size))
    assert [start for _, start, _, _ in pieces] == list(
        itertools.accumulate((len(table) for table, *_ in pieces[:-1]), initial=0)
    )
    assert all(len(table) == size for table, *_ in pieces[:-1])
    assert pieces[-1][3] == 1
    return pandas.concat([table for table, *_ in pieces], ignore_index=True)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(*[st.sampled_from(CELLS)] * 3), min_size=1, max_size=9),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", ".gz", ".zip", ".xz"]),
    st.booleans(),
    st.integers(1, 4),
)
def test_pieces_are_the_rows_that_are_read_of_a_whole_file(
    tmp_path: Path,
    rows: list[tuple[str, ...]],
    separator: str,
    encoding: str,
    end: str,
    packed: str,
    known: bool,
    size: int,
) -> None:
    path = tmp_path / f"t.csv{packed}"
    table = pandas.DataFrame(rows, columns=["a", "b", "Größe"])
    content = table.to_csv(sep=separator, lineterminator=end, index=False).encode(encoding)
    if packed == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("t.csv", content)
    else:
        path.write_bytes({".gz": gzip.compress, ".xz": lzma.compress}.get(packed, bytes)(content))
    texts = read_texts(path, "a", separator=separator if known else None)
    expected = pandas.DataFrame(dict(zip(texts.names, texts.columns, strict=True)), dtype=object)
    found = whole(path, FileFormat(separator if known else None), size)
    assert found.equals(expected)


def test_a_file_as_training_had_it_or_as_it_shows_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("# made by hand\n\na;b;c\n1,5;2;x\n\n2,5;3;y;\n")
    for separator in (";", ",", None):
        assert whole(path, FileFormat(separator)).to_dict("list") == {
            "a": ["1,5", "2,5"],
            "b": ["2", "3"],
            "c": ["x", "y"],
        }
    path.write_text("sep=|\na|b\n1|2\n")
    assert whole(path).to_dict("list") == {"a": ["1"], "b": ["2"]}
    path.write_text(",a,b,\n0,1,2,\n")  # an index, and a separator at the end of each line
    assert whole(path).to_dict("list") == {"": ["0"], "a": ["1"], "b": ["2"]}
    path.write_bytes("a,b\nДа,1\n".encode("cp1251"))
    assert whole(path, FileFormat(",", "cp1251"))["a"].tolist() == ["Да"]


def test_a_file_without_a_header_has_the_names_of_training(tmp_path: Path) -> None:
    path, how = tmp_path / "t.csv", FileFormat(",", None, ("a", "y", "b"), "y")
    path.write_text("1,5,2\n3,6,4\n")
    assert whole(path, how).to_dict("list") == {"a": ["1", "3"], "y": ["5", "6"], "b": ["2", "4"]}
    path.write_text("1,2\n3,4\n")  # of rows to predict the target is not known
    assert whole(path, how).to_dict("list") == {"a": ["1", "3"], "b": ["2", "4"]}
    path.write_text("b,a\n2,1\n")
    assert whole(path, how).to_dict("list") == {"b": ["2"], "a": ["1"]}
    path.write_text("1\n")
    with pytest.raises(UserError, match="has 1 columns and no header; it should have a, y, b"):
        whole(path, how)


def test_lines_are_named_as_an_editor_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('# two\n# lines\na,b\n1,"x\ny"\n\n2,z\n')
    pieces = list(csv_pieces(path, FileFormat(), ["a"], 1))
    assert [line for _, _, lines, _ in pieces for line in lines] == [5, 7]


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n")
    ((table, start, lines, share),) = csv_pieces(path, FileFormat(), ["a"], 4)
    assert (list(table.columns), len(table), start, lines, share) == (["a", "b"], 0, 0, [], 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "t.csv is empty"),
        (b"\n \n", "t.csv is empty"),
        (b"a,b\n1,2\n1,2,3\n", "line 3 has 3 fields and the header 2"),
        (b"a,a\n1,2\n", "two columns of one name, 'a'"),
        (b'a,b\n1,"2\n', "is not a CSV file"),
        (b"a,b\n\0,2\n", "line 2 holds bytes of 0"),
        (b"a,b\n" + b"1,2\n" * 500 + b"1,\0\n", "line 502 holds bytes of 0"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        whole(path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_long_field_among_the_first_lines_is_one(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1," + "x" * 200_000 + "\n2,y\n")
    assert whole(path)["b"].str.len().tolist() == [200_000, 1]
    assert [len(each) for each in read_texts(path, "a").columns[1]] == [200_000, 1]


def test_a_damaged_archive_is_refused_in_one_line(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n" + b"1,2\n" * 100_000)
    (tmp_path / "t.csv.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "t.csv.zip").write_bytes(b"PK")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a", "a,b\n1,2\n")
        archive.writestr("b", "a,b\n1,2\n")
    for name in ("t.csv.gz", "t.csv.zip", "two.zip", "none.csv"):
        with pytest.raises(UserError, match=r"cannot be read|holds 2 files"):
            whole(tmp_path / name, size=1000)


def test_a_large_file_is_never_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write("a,b\n")
        for i in range(200_000):
            file.write(f"{i},{'x' * 90}\n")
    tracemalloc.start()
    count = sum(len(table) for table, *_ in csv_pieces(path, FileFormat(), ["a"], 500))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 200_000
    assert most < 6_000_000  # of 20 million
