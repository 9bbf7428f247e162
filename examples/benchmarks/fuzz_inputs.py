"""Malformed values, and the studies that fuzz.py damages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

__all__ = ["NUMBERS", "STUDIES", "cell", "command", "damaged", "hostile", "value"]

STUDIES = {
    "quick.py": """
from optnas import Study, integer, maximize, minimize, ops

def evaluate(candidate, report):
    width = candidate.architecture.children[0].arguments["width"]
    values = {"score": -abs(width - 40), "size": width}
    report(1, values)
    return values

study = Study(
    name="quick",
    space=ops.seq(ops.conv(integer(1, 64, name="width")), ops.relu()),
    evaluate=evaluate,
    objectives=[maximize("score"), minimize("size")],
    constraints=["size <= 60"],
    sampler="random",
    pruner="none",
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

SAMPLERS = ["random", "tpe", "nsga2", "gp", "ehvi", "cmaes", "evolution", "local", "reinforce"]
PRUNERS = [
    "none", "pareto-halving", "pareto-improvement", "pareto-promotion", "median",
    "successive-halving", "hyperband",
]  # fmt: skip
HOSTILE = [
    "", " ", "\x1b[2J", "\x1b]0;x\x07", "\x9b31m", "\u202eabc", "\u2028", "\ud800", "\t", "a\nb", "\\", "'",
    '"', "[/data/train]", "[bold]", ":smile:", "%", "%s", "{}", "${x}", "../..", "/", "//", ".", "..", "-",
    "--", "~", "x" * 300, "x" * 5000, "NaN", "inf", "-1", "0", "1e999", "9" * 40, "null", "[]", "é", "数",
    "postgresql://me:s3cret@h/d", "password=s3cret", "[link=file:///]x", "[/]", "[[", "\x00", "\x1b[31mred",
    "\x1b]8;;http://x\x1b\\", "\r", "\x7f", "\x85", "\U000e0041", "\ufeff", "1" + "_" * 50, "0" * 5000,
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


def cell(rng: Random) -> str:
    """Return a text for where JSON is expected: most often JSON."""
    if rng.random() < 0.8:
        return json.dumps(value(rng))
    depth = rng.choice([99, 999, 99_999])
    return rng.choice(
        [
            "", "nul", "{", "\0", '"\\ud800"', "NaN", "9" * 5000, "1e999999", '{"a": 1, "a": 2}',
            "[" * depth + "]" * depth, '{"a": ' * depth + "1" + "}" * depth, json.dumps("x" * 5_000_000),
            json.dumps([0] * 100_000), hostile(rng),
        ]
    )  # fmt: skip


def any_search(rng: Random) -> None:
    """Let the quick study have another sampler and pruner, which read other parts of the records."""
    path = Path("quick.py")
    text = path.read_text().replace('"random"', repr(rng.choice(SAMPLERS)))
    path.write_text(text.replace('"none"', repr(rng.choice(PRUNERS))))


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
    any_search(rng)
    number = str(rng.choice([0, 1, 2, 3, 15]))
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
                ["launch", "quick.py", "--engine", "slurm", "--print"],
                ["run", "quick.py", "--trials", rng.choice(["1", "13", "14"]), "--workers", "1"],
                ["run", "small.py", "--trials", "3", "--workers", "1", "--threads", "1"],
                ["train", "small.py", "--trial", "0", "--epochs", "1", "--out", "out"],
                ["train", "small.py", "--front", "--epochs", "1", "--out", "out"],
            ]
        ),
        *storage,
    ]
