"""Predictions in a pipe: samples from standard input, CSV to standard output."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import numpy as np
import pandas
import pytest
import torch
from typer.testing import CliRunner

import optnas
from optnas import UserError
from optnas.cli import app
from optnas.data.schemas import Arrays, Series, Texts
from optnas.winner.predicting import STREAM, predictions_of
from tests.files import call
from tests.winner.test_predictions_of_files import model

STUDY = """
import numpy, pandas
from optnas import *

x = numpy.random.default_rng(0).normal(size=200)
study = Study(
    name="line",
    space=ops.seq(ops.linear(choose(2, 4, name="width")), ops.head()),
    task=tasks.regression(data.frame(pandas.DataFrame({"x": x, "y": 3 * x}), "y")),
    objectives=[minimize("rmse"), minimize("flops")],
    training=Training(epochs=1, lr=1e-2),
)
"""
ROWS = 10_000


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a network of one column, x."""
    path = tmp_path_factory.mktemp("line")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        torch.set_num_threads(1)
        Path("study.py").write_text(STUDY)
        done = call(*["train", "study.py", "-a"], "seq(linear(2), head)", "--out", "net")
        assert done.exit_code == 0, done.output
    return path / "net"


def started(net: Path, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "optnas.cli", "predict", net, *map(str, arguments)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=net.parent
    )


def write(file: IO[bytes], content: bytes, *, end: bool = False) -> None:
    """Write what a process may not read to its end."""
    with contextlib.suppress(BrokenPipeError):
        file.write(content)
        file.flush()
        if end:
            file.close()


def rows() -> bytes:
    return pandas.DataFrame({"x": np.linspace(-1, 1, ROWS)}).to_csv(index=False).encode()


def test_a_pipe_goes_through_before_its_end_and_is_read_to_it(net: Path) -> None:
    process = started(net, "-", "-o", "-", "--with-input")
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    writing = threading.Thread(target=write, args=(process.stdin, rows()))
    writing.start()
    first = [process.stdout.readline() for _ in range(3)]  # while more may come
    assert process.poll() is None
    ending = threading.Thread(target=lambda: (writing.join(), write(process.stdin, b"0.5\n", end=True)))
    ending.start()
    rest, said = process.stdout.read(), process.stderr.read()
    assert (process.wait(timeout=100), said) == (0, b"")
    found = pandas.read_csv(io.BytesIO(b"".join(first) + rest))
    given = np.append(np.linspace(-1, 1, ROWS), 0.5)
    assert found["x"].to_numpy() == pytest.approx(given)
    expected = optnas.load(net).predict({"x": given})["y"].to_numpy()
    assert found["y"].to_numpy() == pytest.approx(expected, rel=1e-5)


def test_a_pipe_that_nobody_reads_any_more_ends_it_quietly(net: Path) -> None:
    process = started(net, "-")
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    writing = threading.Thread(target=write, args=(process.stdin, rows()))
    writing.start()
    assert process.stdout.readline() == b"y\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=100) == 0


def test_what_standard_input_has_wrong_is_named_by_its_line(net: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    for given, said in (
        (b"x\n1\nmuch\n", "error: standard input: column 'x' in line 3 holds 'much'"),
        (b"z\n1\n", "error: standard input: the rows have no column 'x'"),
        (b"x\n1,2\n", "error: standard input is not a CSV file: line 2 has 2 fields"),
        (b"", "error: standard input is empty"),
        (b"x\n\xff\n", "error: standard input is not CSV in utf-8, at byte 2: decompress or convert it"),
    ):
        done = CliRunner().invoke(app, ["predict", str(net), "-", "-o", str(out)], input=given)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith(said), done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not out.exists()
    done = CliRunner().invoke(app, ["predict", str(net), "-"], input=b"x\n")
    assert (done.exit_code, done.stdout.splitlines()[1:]) == (0, [])
    assert done.stdout.startswith("y")
    process = started(net, "-", "-o", out)
    assert process.communicate("\ufeffx\n1\n".encode("utf-16-le"), timeout=100)[0] == b""
    assert out.read_text().startswith("y\n")


def read(monkeypatch: pytest.MonkeyPatch, schema: object, given: bytes) -> pandas.DataFrame:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(given)))
    found = list(predictions_of(model(lambda x: x.flatten(1).float(), schema), STREAM))  # type: ignore[arg-type]
    assert all(share is None for _, share in found)
    return pandas.concat([table for table, _ in found])


def test_lines_of_text_and_series_are_read_from_it_and_arrays_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = Texts("abc", 2)
    assert read(monkeypatch, texts, b"ab\n\nc\n").to_dict("list") == {
        "line": [1, 3], "output 0": [0, 2], "output 1": [1, 0],
    }  # fmt: skip
    with pytest.raises(UserError, match=r"^standard input, line 3 has characters"):
        read(monkeypatch, texts, b"ab\n\nd\n")
    series = Series(Arrays((2, 1), "float64"))
    assert read(monkeypatch, series, b"v\n1\n2\n3\n").to_numpy().tolist() == [[2, 3]]
    with pytest.raises(UserError, match=r"^standard input: samples of the kind 'array' are not read from it"):
        read(monkeypatch, Arrays((2,)), b"")
