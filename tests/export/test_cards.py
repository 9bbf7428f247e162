"""Model cards say how an exported file is used, and all of their code runs as it is written."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import optnas
from optnas.data.trees import leaves
from optnas.export.registry import FORMATS, format_named
from optnas.winner.sections import with_section
from tests.cards import code_in, run_card
from tests.export.helpers import one_library
from tests.files import assert_refused, call

STUDY = """
import numpy as np, pandas as pd
from optnas import *

rng = np.random.default_rng(0)
{data}
study = Study(
    name="used",
    space=ops.seq({space}),
    task=tasks.{task},
    objectives=[minimize("loss"), minimize("flops")],
    training=Training(epochs=1, batch_size=32, hopeless_after=0),
)
"""
TABLE = """
n = 120
table = pd.DataFrame({
    "city": rng.choice(["Bern", "K\\u00f6ln", "`Wien`", ""], n),
    "size": rng.normal(90, 30, n),
    "garden": rng.choice(["yes", "no"], n),
    "sold": pd.date_range("2020-01-01", periods=n).strftime("%d.%m.%Y"),
})
table.loc[rng.choice(n, 9, replace=False), "size"] = np.nan
table["price"] = 3 * table["size"].fillna(90) + (table["city"] == "Bern") * 50
"""
TIMES = (
    'table["seen"] = pd.date_range("2020-01-01 01:30", periods=n, freq="7h").strftime("%Y-%m-%dT%H:%M:%SZ")\n'
)
STUDIES = {
    "table": (
        TABLE,
        "ops.linear(4), ops.relu(), ops.head()",
        'regression(data.frame(table, "price"))',
        "seq(linear(4), relu, head)",
    ),
    "times": (
        TABLE + TIMES,
        "ops.linear(4), ops.relu(), ops.head()",
        'regression(data.frame(table, "price"))',
        "seq(linear(4), relu, head)",
    ),
    "images": (
        "x = rng.integers(0, 256, (120, 8, 8, 1), dtype=np.uint8)\ny = x.mean((1, 2, 3)) > 127",
        "ops.conv(4), ops.norm(), ops.relu(), ops.head()",
        "classification(data.tensors(x, y.astype(int)))",
        "seq(conv(4), norm, relu, head)",
    ),
    "text": (
        "open('text.txt', 'w').write('the cat sat on the mat.\\n' * 60)",
        "ops.embedding(8), ops.gru(4), ops.lm_head()",
        'language(data.text("text.txt", context=12))',
        "seq(embedding(8), gru(4), lm_head)",
    ),
    "series": (
        "steps = np.sin(np.arange(300) / 5)[:, None] * [1, 30] + [0, 1000]",
        "ops.linear(4), ops.relu(), ops.flatten(), ops.head()",
        "forecasting(data.windows(steps, 8, 3))",
        "seq(linear(4), relu, flatten, head)",
    ),
}


@pytest.fixture(scope="module", params=STUDIES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    data, space, task, architecture = STUDIES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "used.py").write_text(STUDY.format(data=data, space=space, task=task))
    before = Path.cwd()
    os.chdir(folder)
    done = call("train", "used.py", "-a", architecture, "--out", "run", "--threads", 1)
    os.chdir(before)
    assert done.exit_code == 0, done.output
    return request.param, folder


@pytest.fixture(autouse=True)
def _there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    torch.set_num_threads(1)


def exported(run: Path, *more: object) -> None:
    with one_library():
        done = call("export", run, *more)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("trained", ["table"], indirect=True)
def test_code_with_a_mistake_is_noticed(trained, tmp_path):
    _, folder = trained
    exported(folder / "run")
    path = folder / "run" / "README.md"
    card = path.read_text(encoding="utf-8")
    path.write_text(card.replace("session.run(", "session.runs("), encoding="utf-8")
    with pytest.raises(AssertionError, match="no attribute 'runs'"):
        run_card(folder / "run", tmp_path)
    path.write_text(card, encoding="utf-8")


@pytest.mark.slow
def test_code_for_every_format_runs_as_written_and_returns_what_the_network_does(trained, tmp_path):
    kind, folder = trained
    # OpenVINO computes times of the day in float32, and is refused.
    names = [name for name in FORMATS if (kind, name) != ("times", "openvino")]
    for name in names:
        exported(folder / "run", "--format", name)
    card = (folder / "run" / "README.md").read_text(encoding="utf-8")
    # All latencies of a card are of one thread, and each says what it is of.
    assert ", 1 thread, batch 1. That is the network alone," in card
    measured = [name for name in names if name != "safetensors"]
    assert card.count(", 1 thread, from inputs as they stand above") == len(measured)
    # The command of the card exports again, which must not add another section.
    first, *others = run_card(folder / "run", tmp_path, commands=True)
    assert len(others) == len(names) == card.count("<!-- end of export exported/")
    assert first["predictions"] is not None
    model = optnas.load(folder / "run")
    schema = model.schema
    if kind in ("table", "times"):
        given = schema.tensors({each.name: each.example() for each in schema.used})
    elif kind == "text":
        given = schema.tensors(schema.example().strip("'"))
    else:
        given = torch.zeros((1, 8, 8, 1) if kind == "images" else (1, 8, 2), dtype=torch.float64)
    with torch.inference_mode():
        (expected,) = leaves(model(given))
    for each in others:
        assert np.allclose(each["output"], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("trained", ["table"], indirect=True)
@pytest.mark.parametrize(
    "row",
    [
        {"city": " Bern", "size": "NA", "garden": "Yes ", "sold": "01.02.2020"},
        pytest.param({"city": "n/a", "size": "88.5", "garden": "NO", "sold": "-"}, marks=pytest.mark.slow),
    ],
)
def test_code_of_every_format_reads_a_raw_row_as_predict_does(trained, tmp_path, row):
    _, folder = trained
    for name in FORMATS:
        exported(folder / "run", "--format", name)
    path = folder / "run" / "README.md"
    card = path.read_text(encoding="utf-8")
    model = optnas.load(folder / "run")
    raw = card.replace(f"row = {model.schema.example()}", f"row = {row}")
    assert raw != card
    path.write_text(raw, encoding="utf-8")
    try:
        _, *ran = run_card(folder / "run", tmp_path)
    finally:
        path.write_text(card, encoding="utf-8")
    with torch.inference_mode():
        (expected,) = leaves(model(model.schema.tensors(row)))
    assert len(ran) == len(FORMATS)
    for each in ran:
        assert np.allclose(each["output"], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("trained", ["table"], indirect=True)
def test_exporting_again_replaces_the_section_and_leaves_what_people_wrote(trained, tmp_path):
    _, folder = trained
    exported(folder / "run")
    path = folder / "run" / "README.md"
    card = path.read_text(encoding="utf-8")
    path.write_text(card.replace("# run\n", "# run\n\nFor the shop.\n") + "\nAsk Ada.\n", encoding="utf-8")
    exported(folder / "run")
    again = path.read_text(encoding="utf-8")
    assert again.count("## `exported/model.onnx`") == 1
    assert "\n\nFor the shop.\n" in again
    assert again.endswith("\nAsk Ada.\n")
    other = tmp_path / "other.onnx"
    exported(folder / "run", "--out", other)
    assert f"## `{other.as_posix()}`" in path.read_text(encoding="utf-8")
    path.write_text(card, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("trained", ["table"], indirect=True)
def test_code_of_files_elsewhere_runs_after_the_folder_was_moved(trained, tmp_path, monkeypatch):
    _, folder = trained
    path = folder / "run" / "README.md"
    card = path.read_text(encoding="utf-8")
    bare = re.sub(r"<!-- optnas export .*<!-- end of export .*? -->", "", card, flags=re.DOTALL)
    path.write_text(bare, encoding="utf-8")
    # Beside the folder, by a path from where the command is run.
    monkeypatch.chdir(folder)
    forms = {name: format_named(name) for name in FORMATS}
    for name, form in forms.items():
        exported(Path("run"), "--format", name, "--out", f"out {name}/model{form.suffix}")
    told = path.read_text(encoding="utf-8")
    path.write_text(card, encoding="utf-8")
    assert told.count("lies outside of this folder") == len(forms)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "README.md").write_text(told, encoding="utf-8")
    for name in ("schema.json", "metrics.json", "model.safetensors"):
        shutil.copy(folder / "run" / name, tmp_path / "copy")
    _, *ran = run_card(tmp_path / "copy", tmp_path)
    assert len(ran) == len(forms)
    for each in ran:
        assert np.allclose(each["output"], ran[0]["output"], rtol=1e-4, atol=1e-4)


def test_an_int8_file_says_what_it_costs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, space, task, architecture = STUDIES["images"]
    Path("used.py").write_text(STUDY.format(data=data, space=space, task=task))
    assert call("train", "used.py", "-a", architecture, "--out", "run", "--threads", 1).exit_code == 0
    exported(Path("run"), "--quantize", "int8", "--data", "used.py")
    card = Path("run/README.md").read_text(encoding="utf-8")
    assert "It computes in int8, by scales of 72 samples of the train part:" in card
    assert "\n| test | accuracy | " in card
    assert len(run_card(Path("run"), tmp_path)) == 2


@pytest.mark.parametrize("trained", ["table"], indirect=True)
def test_a_card_that_is_none_is_refused_and_one_that_is_gone_is_not_made(trained):
    _, folder = trained
    path = folder / "run" / "README.md"
    card = path.read_bytes()
    path.write_bytes(b"\xff\xfe")
    assert_refused(call("export", folder / "run", "-f", "safetensors"), "is no text in UTF-8")
    path.unlink()
    exported(folder / "run", "-f", "safetensors")
    assert not path.exists()
    path.write_bytes(card)


def test_a_section_stands_where_it_stood_and_a_lost_mark_loses_no_text():
    card = with_section(with_section("# A\n", "one", "first"), "two", "second")
    again = with_section(card, "one", "other")
    assert again.index("other") < again.index("second")
    assert "first" not in again
    assert with_section(again, "one", "other") == again
    lost = again.replace("<!-- end of one -->", "")
    assert "other" in with_section(lost, "one", "third")
    hostile = with_section("# A\n", "x --> <b>", "body")
    assert "--> <b>" not in hostile
    assert with_section(hostile, "x --> <b>", "more").count("<!-- end") == 1
    assert code_in("```python\na\n```\n````python\nb```\n````\n", "python") == ["a", "b```"]
