"""The damages of fuzz.py: each kind makes a malformed input in the current folder, and says what to run."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

__all__ = ["KINDS", "STUDIES"]

STUDIES = {
    "quick.py": """
from optnas import Study, integer, maximize, minimize, ops

def evaluate(candidate, report):
    width = candidate.architecture.children[0].arguments["width"]
    return {"score": -abs(width - 40), "size": width}

study = Study(
    name="quick",
    space=ops.seq(ops.conv(integer(1, 64, name="width")), ops.relu()),
    evaluate=evaluate,
    objectives=[maximize("score"), minimize("size")],
    constraints=["size <= 60"],
    sampler="random",
)
""",
    "small.py": """
import os
import signal
import numpy
from optnas import Study, Training, choose, data, maximize, minimize, ops, real, tasks

class Stopped(tasks.Classification):
    def measure(self, *args, **kwargs):
        global measured
        measured += 1
        if os.path.exists("stop") and measured == 2:
            signal.raise_signal(signal.SIGTERM)
        return super().measure(*args, **kwargs)

measured = 0
rng = numpy.random.default_rng(0)
study = Study(
    name="small",
    space=ops.seq(ops.linear(choose(4, 8, name="width")), ops.relu(), ops.head()),
    task=Stopped(data.tensors(rng.normal(size=(60, 4)), numpy.arange(60) % 2)),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=3, rungs=(1, 2), lr=real(1e-3, 1e-1, log=True), hopeless_after=0),
    sampler="random",
)
""",
}

HOSTILE = [
    "", " ", "\x1b[2J", "\x1b]0;x\x07", "\x9b31m", "\u202eabc", "\u2028", "\ud800", "\t", "a\nb", "\\", "'",
    '"', "[/data/train]", "[bold]", ":smile:", "%", "%s", "{}", "${x}", "../..", "/", "//", ".", "..", "-",
    "--", "~", "x" * 300, "x" * 5000, "NaN", "inf", "-1", "0", "1e999", "9" * 40, "null", "[]", "é", "数",
    "postgresql://me:s3cret@h/d", "password=s3cret",
]  # fmt: skip
NUMBERS: list[Any] = [
    0,
    -1,
    1,
    2**31,
    2**63,
    10**40,
    0.5,
    float("nan"),
    float("inf"),
    -float("inf"),
    True,
    None,
]


def hostile(rng: Random) -> str:
    """Return a text that someone may have put into a name, an argument or a file."""
    text = "".join(rng.choice(HOSTILE) for _ in range(rng.choice([1, 1, 2, 3])))
    if rng.random() < 0.3:
        text += "".join(
            chr(rng.choice([rng.randrange(1, 128), rng.randrange(1, 0x3000)]))
            for _ in range(rng.randrange(20))
        )
    return text


def value(rng: Random, depth: int = 0) -> Any:
    """Return a value that JSON can hold, of any type."""
    kind = rng.randrange(3 if depth > 2 else 6)
    if kind == 0:
        return rng.choice(NUMBERS)
    if kind in (1, 2):
        return hostile(rng)
    if kind == 3:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 4:
        return {hostile(rng): value(rng, depth + 1) for _ in range(rng.randrange(4))}
    return rng.choice([{"flops": value(rng, depth + 1)}, {"score": value(rng, depth + 1)}, {}, [], ""])


def damaged(rng: Random, content: bytes) -> bytes:
    """Return bytes of which some are cut off, flipped, repeated, zero, or others."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 3])):
        here = rng.randrange(len(data) + 1)
        match rng.randrange(9):
            case 0:
                del data[here:]
            case 1:
                del data[:here]
            case 2:
                for _ in range(rng.choice([1, 8, 64])):
                    if data:
                        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 3 if data:
                for i in range(min(len(data), 100)):
                    if rng.random() < 0.1:
                        data[i] = rng.randrange(256)
            case 4:
                data[here : here + rng.choice([1, 100, 5000])] = b""
            case 5:
                data[here:here] = rng.randbytes(rng.choice([1, 100, 5000]))
            case 6:
                size = rng.choice([16, 512, 4096])
                data[here : here + size] = b"\0" * size
            case 7:
                data = bytearray(
                    rng.choice([b"", b"\0", b"\0" * 5000, rng.randbytes(3000), b"\xff\xfe{}", b"{}\n"])
                )
            case _:
                data += data[here:]
    return bytes(data)


def command(rng: Random, storage: Sequence[str] = ()) -> list[str]:
    """Return a command that reads the storage."""
    number = str(rng.choice([0, 1, 2, 3, 5]))
    return [
        *rng.choice(
            [
                ["status"],
                ["pareto", "quick"],
                ["pareto", "small", "--json"],
                ["pareto", "quick", "--csv"],
                ["pareto", "quick.py"],
                ["pareto", "quick", "--plot", "front.html"],
                ["show", number, "--study", "quick"],
                ["show", number, "--study", "small", "--json"],
                ["doctor"],
                ["run", "quick.py", "--trials", rng.choice(["1", "5", "6"]), "--workers", "1"],
                ["run", "small.py", "--trials", "3", "--workers", "1", "--threads", "1"],
                ["train", "small.py", "--trial", "0", "--epochs", "1", "--out", "out"],
                ["train", "small.py", "--front", "--epochs", "1", "--out", "out"],
            ]
        ),
        *storage,
    ]


def sqlite_bytes(rng: Random) -> list[str]:
    path = Path("optnas.db")
    match rng.randrange(12):
        case 0:
            path.unlink()
            path.mkdir()
        case 1:
            path.unlink()
            path.symlink_to(path.name)
        case 2:
            os.truncate(path, path.stat().st_size + rng.choice([1, 4096, 2**31]))
        case 3:
            for suffix in ("-wal", "-shm", "-journal"):
                path.with_name(path.name + suffix).write_bytes(damaged(rng, rng.randbytes(4096)))
        case _:
            path.write_bytes(damaged(rng, path.read_bytes()))
    return command(rng)


def sqlite_tables(rng: Random) -> list[str]:
    """Damage what the tables hold, in a database that SQLite finds in order."""
    with sqlite3.connect("optnas.db") as database:
        database.execute("PRAGMA foreign_keys=OFF")
        rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        table = rng.choice([name for (name,) in rows if not name.startswith("sqlite_")])
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        column = rng.choice(columns)
        what = rng.randrange(8)
        try:
            if what == 0:
                database.execute(f"DROP TABLE {table}")
            elif what == 1:
                database.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO x")
            elif what == 2:
                database.execute(f"DELETE FROM {table} WHERE rowid % ? = 0", (rng.choice([1, 2]),))
            elif what == 3:
                database.execute(
                    "UPDATE version_info SET schema_version = ?", (rng.choice([0, 1, 99, "x", None]),)
                )
            elif what == 4:
                database.execute("UPDATE alembic_version SET version_num = ?", (hostile(rng),))
            else:
                new = rng.choice([value(rng), hostile(rng), rng.choice(NUMBERS), rng.randbytes(9)])
                new = json.dumps(new) if isinstance(new, list | dict) else new
                if isinstance(new, str):
                    new = new.replace("\ud800", "")
                database.execute(
                    f"UPDATE {table} SET {column} = ? WHERE rowid % ? = 0", (new, rng.choice([1, 2]))
                )
        except (sqlite3.Error, OverflowError, UnicodeEncodeError):
            database.execute("DELETE FROM studies")
    database.close()
    return command(rng)


def journal(rng: Random) -> list[str]:
    path = Path("journal.log")
    lines = path.read_bytes().splitlines(keepends=True)
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            lines[i], lines[j] = lines[j], lines[i]
        case 1:
            del lines[i]
        case 2:
            lines.insert(i, lines[j])
        case 3:
            record = json.loads(lines[i])
            record[rng.choice(list(record))] = value(rng)
            lines[i] = json.dumps(record).encode() + b"\n"
        case 4:
            lines[i] = json.dumps(value(rng)).encode() + b"\n"
        case _:
            lines = [damaged(rng, b"".join(lines))]
    path.write_bytes(b"".join(lines))
    return command(rng, ["--storage", "journal.log"])


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
    return command(rng, [f"--storage={text}"])


def attributes(rng: Random) -> list[str]:
    """Damage values of the records, as another program may write them."""
    with sqlite3.connect("optnas.db") as database:
        for _ in range(rng.choice([1, 2])):
            table = rng.choice(["trial_user_attributes", "trial_user_attributes", "study_user_attributes",
                                "trial_system_attributes", "study_system_attributes"])  # fmt: skip
            rows = database.execute(f"SELECT rowid FROM {table}").fetchall()
            new = json.dumps(value(rng)) if rng.random() < 0.9 else json.dumps("x" * 5_000_000)
            if rows:
                database.execute(
                    f"UPDATE {table} SET value_json = ? WHERE rowid = ?", (new, rng.choice(rows)[0])
                )
    database.close()
    return command(rng)


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


def checkpoints(rng: Random) -> list[str]:
    """Checkpoints of an interrupted search and training, and the folder of a trained network."""
    if rng.random() < 0.4:
        files = [path for path in Path("optnas-artifacts").rglob("*") if path.is_file()]
        run = ["run", "small.py", "--trials", "3", "--workers", "1", "--threads", "1"]
    elif rng.random() < 0.6:
        files = list(Path("interrupted/checkpoints").iterdir())
        run = ["train", "small.py", "--trial", "0", "--out", "interrupted"]
    else:
        files = [Path("trained/metrics.json")]
        run = ["train", "small.py", "--trial", "0", "--out", "trained"]
    path = rng.choice(files)
    if path.suffix == ".json" and rng.random() < 0.5:
        record = json.loads(path.read_text())
        part = record["settings"] if rng.random() < 0.3 else record
        part[rng.choice(list(part))] = value(rng)
        path.write_text(json.dumps(record))
    elif rng.random() < 0.1:
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(damaged(rng, path.read_bytes()))
    return run


KINDS: dict[str, Callable[[Random], list[str]]] = {
    "SQLite bytes": sqlite_bytes,
    "SQLite tables": sqlite_tables,
    "journal": journal,
    "URL": url,
    "attributes": attributes,
    "names": names,
    "options": options,
    "checkpoints": checkpoints,
}
