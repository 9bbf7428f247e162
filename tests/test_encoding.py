"""Output in encodings that cannot express all that is printed."""

from __future__ import annotations

import codecs
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from optnas.cli import main
from tests.files import QUICK

ENCODINGS = ["ascii", "cp1252", "cp1251", "utf-8"]
NAME = "größe ✓ снег 雪"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study that was run, whose name no encoding but UTF-8 has."""
    folder = tmp_path_factory.mktemp("searched")
    (folder / "study.py").write_text(QUICK.format(name=NAME, seconds=0.0), encoding="utf-8")
    (folder / "table.csv").write_text("größe,снег\n" + "1,a\n2,b\n3.5,a\n4,b\n" * 10, encoding="utf-8")
    printed("utf-8", "run", "study.py", "--trials", "6", "--workers", "1", folder=folder)
    return folder


def printed(encoding: str, *arguments: str, folder: Path, status: int = 0) -> str:
    """Return what a command prints to streams of that encoding, which raise at what they lack."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in range(2)]
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setattr(sys, "argv", ["optnas", *arguments])
        for name, stream in zip(("stdout", "stderr"), streams, strict=True):
            patched.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as ended:
            main()
    assert (ended.value.code or 0) == status
    for stream in streams:
        stream.flush()
    return "".join(stream.buffer.getvalue().decode(encoding) for stream in streams)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["run", "study.py", "--trials", "6", "--workers", "1"],
        ["status"],
        ["pareto"],
        ["pareto", "--csv"],
        ["pareto", "--json"],
        ["show", "0"],
        ["show", "0", "--json"],
        ["data", "table.csv", "--target", "снег"],
        ["train", "--help"],
        ["doctor"],
    ],
    ids=" ".join,
)
def test_every_command_prints_in_every_encoding(arguments: list[str], encoding: str, searched: Path) -> None:
    assert printed(encoding, *arguments, folder=searched).strip()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_error_is_one_line_in_every_encoding(encoding: str, searched: Path) -> None:
    told = printed(encoding, "pareto", "größe – снег", folder=searched, status=2)
    assert told.startswith("error: no study")
    assert len(told.strip().splitlines()) == 1


def test_what_an_encoding_lacks_is_written_plainly(searched: Path) -> None:
    status = printed("ascii", "status", folder=searched)
    assert status.startswith("gro?e + ???? ?")
    assert "score ^" in status
    assert "score ↑" in printed("utf-8", "status", folder=searched)
    assert "снег" in printed("cp1251", "status", folder=searched)


def test_json_keeps_every_character(searched: Path) -> None:
    import json

    text = printed("ascii", "pareto", "--json", folder=searched)
    assert json.loads(text) == json.loads(printed("utf-8", "pareto", "--json", folder=searched))


@pytest.mark.slow
def test_redirected_output_of_a_search_is_in_the_terminal_s_encoding(searched: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "optnas.cli", "run", "study.py", "--trials", "8", "--workers", "2"],
        cwd=searched,
        env={**os.environ, "PYTHONIOENCODING": "cp1252", "COLUMNS": "80"},
        capture_output=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert b"8/8 trials" in ran.stdout
    assert codecs.decode(ran.stdout, "cp1252").startswith("größe + ")
