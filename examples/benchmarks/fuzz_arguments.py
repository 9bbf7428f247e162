"""Malformed arguments for fuzz.py: URLs, names of files and studies, and numbers.

Each returns the command to run.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from fuzz_inputs import NUMBERS, STUDIES, command, damaged, hostile

__all__ = ["names", "options", "url"]


def url(rng: Random) -> list[str]:
    """A URL of a server that is not there, mistyped or not; or of no server."""
    scheme = rng.choice(
        ["postgresql", "postgresql+psycopg", "postgresql+nosuch", "postgres", "mysql+pymysql", "mysql",
         "oracle", "mssql+pyodbc", "sqlite", "sqlite+pysqlite", "redis", "grpc", "http", "file", "nosuch", ""]
    )  # fmt: skip
    user = rng.choice(
        ["me:s3cret@", "me:s3cret@", ":s3cret@", "me:a@s3cret@", "me:a/s3cret@", "me%3As3cret%40", ""]
    )
    host = rng.choice(
        ["127.0.0.1:1", "127.0.0.1:0", "[::1]:1", "127.0.0.1:99999", "127.0.0.1:port", "", "127.0.0.1:-1"]
    )
    more = rng.choice(
        [
            "",
            "/",
            "/d",
            "/d?password=s3cret",
            "?sslpassword=s3cret",
            "/d?p%61ssword=s3cret",
            "/d?x=" + hostile(rng),
            "/d?user=me&password=s3cret",
            "/d?host=/tmp&passfile=s3cret",
            "/d?ssl_key_password=s3cret#x",
            "/d?options=-cpassword%3Ds3cret",
            "/d?host=me:s3cret@127.0.0.1:1",
            "/d?p%2561ssword=s3cret",
            "/{x}",
            "/d?{}={0}",
            "/%00",
        ]
    )
    if scheme.startswith("sqlite"):
        user = ""  # a part of the file's name
    place = f"{scheme}{rng.choice(['://', '://', '://', ':/', ':', '//', '', ':///'])}{user}{host}"
    if rng.random() < 0.2:
        place = rng.choice([hostile(rng), "me:s3cret@h/d"])
    elif rng.random() < 0.2 and place:
        i = rng.randrange(len(scheme) + 1)
        place = place[:i] + rng.choice(["", " ", "\x1b", ":", "/", "%"]) + place[i + 1 :]
    text = place + more
    if rng.random() < 0.1:
        small = ["run", "small.py", "--trials", "3", "--workers", "1"]
        return [*small, f"--artifacts={rng.choice(['s3', 'gs', 'https', ''])}://{user}{more}"]
    return command(rng, [f"--storage={text}"])


def names(rng: Random) -> list[str]:
    """A study's file, folder or name that is not there, or holds something else."""
    name = hostile(rng).replace("\0", "").replace("\n", "") or "x"
    content = rng.choice(
        [
            b"", b"\0", rng.randbytes(100), "study = é".encode("latin1"), b"# coding: nosuch\n", b"1/0",
            b"study = " + b"(" * 300, b"study = " + b"-" * 9000 + b"1", b"raise SystemExit('\x1b[2J')",
            f"raise RuntimeError({hostile(rng)!a})".encode(),
            f"from optnas import *\nparse({hostile(rng)!a})".encode(),
            STUDIES["quick.py"].replace("\"quick\"", ascii(hostile(rng))).encode(),
            STUDIES["quick.py"].replace("\"width\"", ascii(hostile(rng))).encode(),
            STUDIES["quick.py"].replace("size <= 60", ascii(hostile(rng))[1:-1]).encode(),
            damaged(rng, STUDIES["small.py"].encode()),
        ]
    )  # fmt: skip
    Path("mine.py").write_bytes(content)
    return rng.choice(
        [
            ["run", "mine.py", "--trials", "1", "--workers", "1"],
            ["run", "mine.py", "--trials", "1", "--workers", "1"],
            ["run", f"./{name}", "--trials", "1"],
            ["run", f"quick.py:{name}", "--trials", "1"],
            ["pareto", f"./{name}"],
            ["pareto", "mine.py"],
            ["show", "0", f"--study={name}"],
            ["init", f"./{name}.py"],
            ["data", f"./{name}"],
            ["data", "mine.py", f"--target={name}"],
            ["train", "small.py", f"--architecture={name}", "--out", "out"],
            ["train", "small.py", "--trial", "0", "--out", f"./{name}", "--epochs", "1"],
            ["run", "quick.py", "--trials", "6", "--workers", "1", f"--enqueue={name}"],
        ]
    )


def options(rng: Random) -> list[str]:
    """Numbers of trials and other options that make no sense."""
    text = rng.choice([hostile(rng), str(rng.choice(NUMBERS)), "1:2", "0x10", "1_0", "٣"])
    small = ["train", "small.py", "--out", "out", "--epochs", "1", "--trial", "0"]
    quick = ["run", "quick.py", "--workers", "1", "--trials", "5"]
    return rng.choice(
        [
            ["show", "--study", "quick", "--", text],
            [*small[:-1], text],
            [*small, f"--set={text}"],
            [*small, f"--set=lr={text}"],
            [*small, f"--set=batch_size={text}"],
            [*small, f"--seeds={text if len(text) > 3 else '0'}"],
            [*small, f"--patience={text}"],
            [*quick[:-1], text if not text.isdecimal() else "0"],
            [*quick, f"--timeout={text}"],
            [*quick, f"--patience={text}"],
            [*quick, f"--threads={text if len(text) > 3 else '0'}"],
            [*quick, f"--workers-per-gpu={text}"],
            [
                *quick,
                f"--artifacts={rng.choice([text, 'quick.py', 'quick.py/x', '/proc/x', 's3://', 'gs://', 'x://y'])}",
            ],
            ["pareto", "quick", "--plot", f"./{text}.html"],
            ["pareto", "quick", f"--plot={text}"],
            [text],
            ["status", text],
            [f"--{text}"],
        ]
    )
