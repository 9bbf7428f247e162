"""Folders of each kind of inputs and answers, trained by ``optnas train``, with anything in any field."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optnas
from optnas import UserError
from optnas.run.files import load_study
from tests.files import call
from tests.winner.test_tampered import places, with_field

STUDIES = """
import numpy as np
import pandas as pd
from optnas import Study, Training, data, minimize, ops, tasks

rng = np.random.default_rng(0)
x = rng.normal(2, 3, (60, 4))
y = (x[:, 0] > 2).astype(int)
pixels = rng.integers(0, 256, (60, 1, 8, 8), dtype=np.uint8)
ids = rng.integers(0, 9, (60, 5))
table = pd.DataFrame({
    "n": x[:, 0].round(2), "u": [f"{v:.1f} kg" for v in x[:, 1]], "yes": np.where(x[:, 2] > 0, "yes", "no"),
    "day": pd.date_range("2020-01-01", periods=60, freq="37h").strftime("%Y-%m-%d"),
    "c": np.array(["red", "green", "blue"])[rng.integers(0, 3, 60)], "t": np.where(y, "good", "bad"),
})
table.loc[::7, "n"] = np.nan
words = ["".join(rng.choice(list("abcd"), rng.integers(1, 6))) for _ in range(60)]
deep = ops.seq(ops.linear(4), ops.relu(), ops.head())
embedded = [ops.seq(ops.input(name), ops.embedding(4)) for name in ("source", "target")]
level = ops.seq(ops.input("t"), ops.embedding(4))
both = ops.branch(ops.seq(ops.input("u"), ops.embedding(4, vocabulary=9)),
                  ops.seq(ops.input("p"), ops.flatten(), ops.linear(4)), merge="concat")


def study(space, task):
    return Study(name="all", space=space, task=task, objectives=[minimize("flops"), minimize("loss")],
                 training=Training(epochs=1, batch_size=16, hopeless_after=0))


arrays = study(deep, tasks.classification(data.tensors(x, y)))
values = study(deep, tasks.regression(data.tensors(x, x[:, 1] * 2 + 5)))
columns = study(deep, tasks.classification(data.frame(table, "t")))
several = study(ops.seq(both, ops.head()),
                tasks.regression(data.tensors({"u": ids[:, 0], "p": pixels}, x[:, 1], kinds={"u": "ids"})))
tagged = study(ops.seq(ops.embedding(4, vocabulary=9), ops.linear(2)),
               tasks.classification(data.tensors(ids, ids % 2, kinds="ids")))
series = study(ops.seq(ops.linear(4), ops.flatten(), ops.head()),
               tasks.forecasting(data.windows(np.cumsum(rng.normal(0, 1, (200, 2)), 0), 8, 3)))
text = study(ops.seq(ops.embedding(8), ops.gru(4), ops.lm_head()),
             tasks.language(data.text("text.txt", context=12)))
aligned = ops.concat(ops.seq(embedded[0], ops.gru(4)), embedded[1])
sequences = study(ops.seq(aligned, ops.gru(4), ops.lm_head()),
                  tasks.seq2seq(data.pairs(words, words)))
anomalies = study(ops.seq(ops.linear(2), ops.head()),
                  tasks.anomaly_detection(data.tensors(x, rng.integers(0, 2, 60))))
noise = study(ops.seq(ops.concat(ops.seq(ops.input("x"), ops.flatten()), level), ops.linear(8), ops.head()),
              tasks.diffusion(data.tensors(pixels, y), steps=5))
boxes = study(ops.seq(ops.conv(4, 3, stride=4), ops.relu(), ops.conv(5, 1, bias=True)),
              tasks.detection(data.tensors(pixels.astype(float), data.padded_boxes([[(0, 1, 1, 5, 6)]] * 60),
                                           layout="channels_first", targets="values"), most=5))
masks = study(ops.seq(ops.conv(4, 3), ops.relu(), ops.conv(2, 1, bias=True)),
              tasks.segmentation(data.tensors(pixels, pixels[:, 0] // 128 * 1, layout="channels_first")))
symbols = study(ops.linear(4), tasks.transcription(
    data.tensors(rng.normal(0, 1, (60, 12, 3)), rng.integers(0, 3, (60, 4)), layout="channels_last")))
"""
KINDS = (
    *(
        "arrays",
        "values",
        "columns",
        "several",
        "tagged",
        "series",
        "text",
        "sequences",
        "anomalies",
        "noise",
    ),
    *("boxes", "masks", "symbols"),
)
DEEP: list[Any] = [1.0]
for _ in range(300):
    DEEP = [DEEP]
WRONG: list[Any] = [
    None, True, 0, -1, 1, 3, 100, 2**31, 10**12, 10**400, 0.5, 1e308, float("nan"), float("inf"), "", "nan",
    "\x1b[31m\n", "k" * 100_000, [], [None], [-1, 2**62], [2**20, 2**20], ["a"] * 100_000, [0.5] * 100_000,
    DEEP, {}, {"a": 1}, {"kind": "several"}, {"kind": "array"}, "../../etc/passwd",
]  # fmt: skip
# Each field has every sixth of them in turn: together all kinds of fields have all.
_STEP = 6
_LONGEST_LINE, _SECONDS, _MEGABYTES = 420, 10, 700


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained network of each kind."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "study.py").write_text(STUDIES)
    (folder / "text.txt").write_text("the cat sat on the mat, and the dog on the log.\n" * 20)
    with contextlib.chdir(folder):
        for kind in KINDS:
            space = load_study(f"study.py:{kind}").space
            done = call("train", f"study.py:{kind}", "-a", space, "--out", kind, "--threads", 1)
            assert done.exit_code == 0, done.output
    return folder


def changes(content: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the place of a field, and a whole that has something else in it."""
    for number, place in enumerate(places(content)):
        for value in WRONG[number % _STEP :: _STEP]:
            yield place, with_field(content, place, value)
        if place and isinstance(place[-1], str):
            parent = content
            for key in place[:-1]:
                parent = parent[key]
            yield place, with_field(content, place[:-1], {k: v for k, v in parent.items() if k != place[-1]})


def peak() -> float:
    """Return the most megabytes that this process has had since the last call."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    found = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return int(found.split()[1]) / 1024


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_with_anything_in_a_field_predicts_or_is_one_line(
    kind: str, runs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "net"
    shutil.copytree(runs / kind, folder)
    path = folder / "schema.json"
    content = json.loads(path.read_text())
    given = eval(optnas.load(folder).schema.example(), {"np": np})
    expected = optnas.load(folder).predict(given)
    lines = 0
    for place, changed in changes(content):
        path.write_text(json.dumps(changed))
        peak()
        before, start = peak(), time.process_time()
        try:
            optnas.load(folder).predict(given)
        except UserError as error:
            lines += 1
            told = str(error).replace(str(folder), "")
        else:
            told = ""
        assert len(told) < _LONGEST_LINE, place
        assert "\n" not in told, place
        assert time.process_time() - start < _SECONDS, place
        assert peak() - before < _MEGABYTES, place
    assert lines > 20
    path.write_text(json.dumps(content))
    assert str(optnas.load(folder).predict(given)) == str(expected)
