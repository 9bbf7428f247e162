"""Texts of strangers on a terminal: they steer nothing, are no markup, and hold no password."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import unicodedata
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given
from rich.table import Table

import optnas
from optnas.shown import console, elided, hidden, masked, masked_url, note, one_line, plain, sentence

MOVES_THE_CURSOR = "\x1b[2J\x1b]0;title\x07\x9b1A\r\b\x7f"
TURNS_THE_DIRECTION = "\u202e\u2066\u061c\u200f"


def printed(*what: object, width: int = 80) -> str:
    file = io.StringIO()
    console(file=file, width=width, force_terminal=True, color_system=None).print(*what)
    return file.getvalue()


@given(st.text(st.characters()))
def test_what_is_plain_has_no_control_characters_and_as_many_characters(text: str) -> None:
    for lines in (False, True):
        seen = plain(text, lines=lines)
        assert len(seen) == len(text)
        kinds = {unicodedata.category(each) for each in seen if not (lines and each in "\n\t")}
        assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
        assert not any("\u202a" <= each <= "\u202e" or "\u2066" <= each <= "\u2069" for each in seen)
        seen.encode()


@pytest.mark.parametrize(
    "text", ["digits", "grün – 3 × 4", "été naïf", "数字", "👩\u200d🔬", "a[0] [x] :smile: 12:30"]
)
def test_plain_texts_stay_as_they_are(text: str) -> None:
    assert plain(text) == masked(text) == one_line(text) == text
    assert printed(text) == f"{text}\n"


def test_a_console_shows_markup_as_text_and_no_escape_sequences() -> None:
    table = Table(box=None)
    table.add_column("[bold]x[/]")
    table.add_row("[/data/train]" + MOVES_THE_CURSOR)
    for what in (table, "[/data/train]" + MOVES_THE_CURSOR + TURNS_THE_DIRECTION):
        seen = printed(what)
        assert "[/data/train]␛[2J␛]0;title" in seen
        assert seen.replace("\n", "").isprintable()


def test_rows_keep_their_width_whatever_stands_in_them() -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("x", no_wrap=True)
    table.add_row("\x1b" * 100)
    assert printed(table, width=20).splitlines()[-1] == "␛" * 19 + "…"


S3CRET = [
    "postgresql+psycopg://me:s3cret@host/d",
    "postgresql://:s3cret@host/d",
    "postgresql://me:s3cret",  # the host was forgotten
    "postgresql://me:s3cret/d",
    "postgresql://me:s3cret@",
    "postgresql:/me:s3cret@host/d",
    "postgresql//me:s3cret@host/d",
    "postgresql ://me:s3cret@host/d",
    "postgresql://me:a@s3cret@host/d?x=a@b",
    "postgresql://me:a/s3cret@host/d",
    "postgresql://me:a?s3cret@host/d",
    "postgresql://me%3As3cret%40host/d",
    "postgresql%3A%2F%2Fme%3As3cret%40host%2Fd",
    "postgresql%253A%252F%252Fme%253As3cret%2540host%252Fd",
    "postgresql://host/d?password=s3cret",
    "postgresql://host/d?sslmode=x&sslpassword=s3cret",
    "postgresql://host/d?passfile=/home/s3cret",
    "postgresql://host/d?p%61ssword=s3cret",
    "postgresql://me:a@host/d?p%61ssword=s3cret",
    "mysql+pymysql://host/d?passwd=s3cret",
    "redis://host/0?PASSWORD=s3cret",
    "host=h user=me password=s3cret",
    "host=h user=me password='a s3cret'",
    "s3://key:s3cret@bucket",
    "sqlite:/d?host=me:s3cret@127.0.0.1:1",
    "sqlite:///a.db?password=s3cret",
    repr("a\tpassword=s3cret"),
    "grpc://host/d?x=password=s3cret",
    "study.py:9password=s3cret",
]


@pytest.mark.parametrize("url", S3CRET)
def test_a_password_is_masked_in_a_url_and_in_a_text(url: str) -> None:
    for seen in (masked_url(url), masked(f"cannot reach {url}, really"), printed(f"at {url}", width=20)):
        assert "s3cret" not in seen
        assert "***" in seen.replace("\n", "")
    assert masked(masked_url(url)) == masked_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "me:s3cret@host/d",
        "postgresql:me:s3cret@host",
        "postgresql://me:a s3cret@host/d",
        " /:s3cret@host/d",
        "////:s3cret@host/d",
        "\x1b/me:a/s3cret@",
        "nosuch\x1b/me:s3cret@[::1]:1",
        "grpc::s3cret@127.0.0.1:1/d",
        "postgresql://me:/s3cret@host",
    ],
)
def test_a_password_is_masked_in_what_is_hardly_a_url(url: str) -> None:
    assert "s3cret" not in masked_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///optnas.db",
        "sqlite:////data/a:b@c.db",
        "sqlite:///C:\\data\\a.db",
        "a:b@c/journal.log",
        "http://[::1]:8080/",
        "http://127.0.0.1:8080/",
        "postgresql://me@host:5432/d?host=/tmp",
        "postgresql://a:5432,b:5433/d",
        "grpc://localhost:13000",
        "redis://localhost:6379/0",
    ],
)
def test_a_url_without_password_stays(url: str) -> None:
    assert masked_url(url) == masked(url) == url
    assert masked(f"{url}: reachable") == f"{url}: reachable"


def test_the_rest_of_a_url_stays() -> None:
    assert masked_url("mysql://me:s3cret@host:1/db?a=b") == "mysql://me:***@host:1/db?a=b"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://me:s3@cret@host/d", "could not resolve host 'cret@host'"),
        ("postgresql://me:a%3Acret@host/d", "invalid port 'cret@host'"),
        ("postgresql://me:cret", "invalid literal for int() with base 10: 'cret'"),
        ("postgresql://host/d?password=cret", "wrong password cret"),
        ("postgresql://me:c%72et@host/d", "wrong password 'cret' (c%72et)"),
    ],
)
def test_a_driver_s_message_has_no_part_of_the_password(url: str, message: str) -> None:
    seen = hidden(message, url)
    assert "cret" not in seen
    assert "c%72et" not in seen
    assert hidden("no host 'host' for me", url) == "no host 'host' for me"


def test_a_note_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    note(f"note: a\n\n  b  c {MOVES_THE_CURSOR} a://b:s3cret@d")
    told = capsys.readouterr().err
    assert told.startswith("note: a b  c ␛[2J")
    assert told.endswith(" a://b:***@d\n")
    assert told.count("\n") == 1


def test_a_sentence_is_broken_between_words_on_a_terminal_alone() -> None:
    path = "/a/folder/" + "long" * 12 + "/model.safetensors"
    told = f"Wrote {path} and {path}: safetensors (layout 1), and it says a good deal more than one line."
    for terminal in (True, False):
        file = io.StringIO()
        sentence(console(file=file, width=50, force_terminal=terminal, color_system=None), told)
        lines = file.getvalue().splitlines()
        assert " ".join(line.strip() for line in lines) == told
        assert (len(lines) > 1) == terminal
        assert not terminal or all(len(line) <= 50 or line.rstrip(":") == path for line in lines)


@pytest.mark.parametrize("way", ["warnings.warn(text)", "raise RuntimeError(text)"])
def test_a_warning_and_a_last_traceback_are_shown_plainly(way: str) -> None:
    script = (
        "import warnings\nfrom optnas.shown import show_python_s_own_plainly\nshow_python_s_own_plainly()\n"
        f"text = 'at \\x1b[2J postgresql://me:s3cret@host'\n{way}\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stderr
    assert "at ␛[2J postgresql://me:***@host" in told
    assert "s3cret" not in told


def test_nothing_else_makes_a_console_or_prints() -> None:
    """What is printed past ``optnas.shown`` would be a stranger's text as it is."""
    root = Path(optnas.__file__).parent
    found = [
        f"{path.relative_to(root)}:{call.lineno}"
        for path in sorted(root.rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text()))
        if path.name != "shown.py" and isinstance(call, ast.Call) and _prints(call.func)
    ]
    assert not found


def _prints(function: ast.expr) -> bool:
    name = ast.unparse(function)
    streams = ("sys.stdout.write", "sys.stderr.write", "sys.__stdout__.write", "sys.__stderr__.write")
    ends = name.rsplit(".", 1)[-1]
    return name in ("print", *streams) or ends in ("Console", "echo", "secho", "rprint", "from_markup")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("conv(8, kernel=3)", "conv(8, kernel=3)"),
        (f"own({', '.join(['conv(8)'] * 20)})", f"own({', '.join(['conv(8)'] * 20)})"),
        (f"own({tuple(range(100))}, 1)", "own((0, 1, 2, 3, 4, 5, 6, 7, … 92 more), 1)"),
        (f"own({(tuple(range(100)),) * 4})", "own((… 4 items))"),
        (f"own({(tuple(range(100)), (1, 2))})", "own(((0, 1, 2, 3, 4, 5, 6, 7, … 92 more), (1, 2)))"),
        (f"own('{'),(' * 100}')", "own('),(),(),(),(),(),(),(),…')"),
    ],
)
def test_of_long_tuples_and_quoted_texts_the_beginning_is_shown(text: str, shown: str) -> None:
    assert elided(text) == shown


@pytest.mark.parametrize("part", ["(", ")", "'", "'\\", "((,", "a", "a(", "(,,,,"])
def test_a_text_that_is_no_architecture_is_elided_without_trouble(part: str) -> None:
    assert len(elided(part * 20_000)) <= 20_000 * len(part)
