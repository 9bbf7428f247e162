"""Damages of files for fuzz.py: databases, journals, records and checkpoints.

Each changes files in the current folder, and returns the command to run.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from random import Random

import torch
from fuzz_inputs import NUMBERS, cell, command, damaged, hostile, value

from optnas.checkpoints.state import pack, unpack

__all__ = [
    "artifact_stores",
    "attributes",
    "checkpoints",
    "journal",
    "sqlite_bytes",
    "sqlite_tables",
    "study_names",
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
                new = rng.choice([cell(rng), hostile(rng), rng.choice(NUMBERS), rng.randbytes(9)])
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
            lines[i] = cell(rng).encode(errors="replace") + b"\n"
        case _:
            lines = [damaged(rng, b"".join(lines))]
    path.write_bytes(b"".join(lines))
    return command(rng, ["--storage", "journal.log"])


def attributes(rng: Random) -> list[str]:
    """Damage values of the records, as another program may write them."""
    with sqlite3.connect("optnas.db") as database:
        for _ in range(rng.choice([1, 2])):
            table = rng.choice(["trial_user_attributes", "trial_user_attributes", "study_user_attributes",
                                "trial_system_attributes", "study_system_attributes"])  # fmt: skip
            rows = database.execute(f"SELECT rowid FROM {table}").fetchall()
            new = cell(rng).replace("\ud800", "")
            if rows:
                database.execute(
                    f"UPDATE {table} SET value_json = ? WHERE rowid = ?", (new, rng.choice(rows)[0])
                )
    database.close()
    return command(rng)


def study_names(rng: Random) -> list[str]:
    """A study in the database has a name that someone made up, and so do a parameter and an attribute."""
    name = "".join(hostile(rng).split("\ud800")) or "x"
    with sqlite3.connect("optnas.db") as database:
        database.execute("UPDATE studies SET study_name = ? WHERE study_name = 'quick'", (name[:500],))
        if rng.random() < 0.5:
            database.execute("UPDATE trial_params SET param_name = ? WHERE trial_id = 1", (name[:500],))
        if rng.random() < 0.5:
            new = (name[:500], rng.choice([1, 2]))
            database.execute(
                "UPDATE trial_user_attributes SET key = ? WHERE trial_id = ? AND key = 'costs'", new
            )
    database.close()
    return rng.choice(
        [
            ["status"], ["pareto"], ["pareto", "small"], ["pareto", f"./{name}"], ["show", "0"],
            ["show", "0", f"--study={name}"], ["pareto", "--csv", "--", name],
            ["pareto", "--json", "--", name], ["pareto", "--plot", "front.html", "--", name], ["doctor"],
            ["run", "quick.py", "--trials", "1", "--workers", "1"],
        ]
    )  # fmt: skip


def artifact_stores(rng: Random) -> list[str]:
    """What should be the folder of checkpoints is something else, or holds something else."""
    folder = Path("optnas-artifacts")
    held = [path.name for path in folder.iterdir()]
    what = rng.randrange(6)
    if what < 4:
        shutil.rmtree(folder)
    match what:
        case 0:
            folder.write_bytes(rng.randbytes(9))
        case 1:
            folder.symlink_to(folder.name)
        case 2:
            folder.symlink_to("/proc/self")
        case 3:
            os.mkfifo(folder)
        case 4:
            for name in held:
                (folder / name).unlink()
                (folder / name).symlink_to(rng.choice([name, "/dev/null", "..", "/nowhere"]))
        case _:
            for name in held:
                shutil.copyfile("optnas.db", folder / name)
    return ["run", "small.py", "--trials", "3", "--workers", "1", "--threads", "1"]


def altered(rng: Random, packed: bytes) -> bytes:
    """Return a checkpoint with a valid checksum in which a part is something else."""
    content = unpack(packed, "a checkpoint")
    part = content
    while True:
        name = rng.choice(list(part))
        if not (isinstance(part[name], dict) and part[name] and rng.random() < 0.8):
            break
        part = part[name]
    was = part[name]
    others = [value(rng), torch.zeros(0), torch.zeros(3, 3), torch.tensor(float("nan"))]
    if isinstance(was, torch.Tensor):
        others += [was.double(), was[None], was.to(torch.uint8), was * float("nan"), was.bool()]
    part[name] = rng.choice(others)
    if rng.random() < 0.3:
        del part[name]
    return pack(content)


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
    if path.suffix == ".safetensors" and rng.random() < 0.5:
        path.write_bytes(altered(rng, path.read_bytes()))
    elif path.suffix == ".json" and rng.random() < 0.5:
        record = json.loads(path.read_text())
        part = record["settings"] if rng.random() < 0.3 else record
        part[rng.choice(list(part))] = value(rng)
        path.write_text(json.dumps(record))
    elif rng.random() < 0.1:
        path.unlink()
        path.mkdir()
    elif rng.random() < 0.2:
        torch.save(rng.choice([{}, [1], {"state": {"epoch": 1}}]), path)
    else:
        path.write_bytes(damaged(rng, path.read_bytes()))
    return run
