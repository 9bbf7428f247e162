"""``optnas train``: from a study's file to a folder that can be loaded."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits
from torch import nn

import optnas
from optnas import UserError, data
from optnas.data.normalize import Normalized
from optnas.data.split import three_parts
from tests.files import assert_refused, call, finish, quick_study, start

STUDY = """
from optnas import *

study = Study(
    name="small",
    space=ops.seq(ops.conv(choose(4, 8, name="width")), ops.norm(), ops.relu(), ops.head()),
    task=tasks.classification(data.digits()),
    objectives=[minimize("flops"), maximize("accuracy")],
    training=Training(epochs=2, lr=real(1e-3, 1e-1, log=True)),
    sampler="random",
)
"""
VALUES = """
from optnas import *

study = Study(
    name="values",
    space=ops.seq(ops.linear(8), ops.relu(), ops.head()),
    task=tasks.regression(data.sklearn("diabetes")),
    objectives=[minimize("rmse")],
)
"""
TEXT = "seq(conv(4), relu, head)"
QUICK = "seq(flatten, linear(10))"


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    Path("small.py").write_text(STUDY)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database with three trials of the small study."""
    folder = tmp_path_factory.mktemp("searched")
    with contextlib.chdir(folder):
        Path("small.py").write_text(STUDY)
        assert call("run", "small.py", "--trials", 3, "--workers", 1).exit_code == 0
        with contextlib.closing(sqlite3.connect("optnas.db")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "optnas.db"


@pytest.fixture
def _searched(database: Path) -> None:
    shutil.copy(database, "optnas.db")


def record(folder: str) -> dict[str, object]:
    return json.loads((Path("runs") / folder / "metrics.json").read_text())


@pytest.mark.usefixtures("_searched")
def test_a_trial_becomes_a_folder_whose_card_tells_how_to_load_it() -> None:
    result = call("train", "small.py", "--trial", 1, "--seeds", 2, "--epochs", 3)
    assert result.exit_code == 0, result.output
    folder = Path("runs/small-1")
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "architecture.svg",
        "architecture.txt",
        "curves.svg",
        "metrics.json",
        "model.safetensors",
        "schema.json",
    ]
    found = record("small-1")
    trial = json.loads(call("show", 1, "--json").stdout)
    assert folder.joinpath("architecture.txt").read_text() == trial["architecture"] + "\n"
    assert found["settings"]["lr"] == trial["params"]["lr"]
    assert found["settings"]["epochs"] == 3
    assert found["seeds"] == [0, 1]
    accuracy = found["test"]["accuracy"]
    assert accuracy["mean"] == pytest.approx(sum(accuracy["values"]) / 2)
    assert accuracy["deviation"] == pytest.approx(abs(accuracy["values"][0] - accuracy["values"][1]) / 2**0.5)

    card = folder.joinpath("README.md").read_text()
    assert "](architecture.svg)" in card
    assert folder.joinpath("architecture.svg").read_text().startswith("<svg")
    (code,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    assert len(code.strip().splitlines()) == 6
    names: dict[str, object] = {}
    with contextlib.chdir(folder):
        exec(code, names)
    assert list(names["predictions"]) == ["class", "probability", *(f"p({digit})" for digit in range(10))]

    # By hand on raw images, in the very split: what the card says is so.
    model = names["model"]
    assert isinstance(model, nn.Module)
    splits = data.digits().splits
    assert isinstance(splits.prepare, Normalized)
    images = (splits.test.x * splits.prepare.by.deviation + splits.prepare.by.mean).round()
    assert images.max() == 16, "not normalised"
    with torch.inference_mode():
        predicted = model(images).argmax(dim=1)
    right = (predicted == splits.test.y).float().mean().item()
    assert right == pytest.approx(accuracy["values"][found["seeds"].index(found["weights_of_seed"])])


@pytest.mark.usefixtures("_searched")
def test_the_progress_says_everything_in_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    output = call("train", "small.py", "--trial", 1, "--seeds", 1, "--epochs", 100, "--patience", 1).output
    (title, bar, ended, *_) = output.splitlines()
    assert title == "small-1 · accuracy on validation"
    assert re.search(r"seed 0 .* \d+/100 epochs now 0\.\d+, best 0\.\d+ in epoch \d+ +\S+$", bar)
    assert ended == "seed 0 ended early: no better epoch in 1"
    # Sentences are broken on a terminal alone; all else must fit.
    laid_out = [line for line in output.splitlines() if not line.startswith(("Wrote ", "Simple models "))]
    assert [line for line in laid_out if len(line) > 80] == []
    assert any(line.split() == ["metric", "validation", "test"] for line in laid_out)


@pytest.mark.usefixtures("_searched")
def test_a_front_becomes_a_folder_a_trial() -> None:
    front = json.loads(call("pareto", "--json").stdout)
    assert call("train", "small.py", "--front", "--epochs", 1, "--out", "winners").exit_code == 0
    assert sorted(path.name for path in Path("winners").iterdir()) == sorted(
        ["front.json", *(f"small-{trial['number']}" for trial in front)]
    )


def test_a_text_is_trained_without_any_storage() -> None:
    arguments = ("train", "small.py", "-a", TEXT, "--set", "lr=0.01", "--set", "optimizer=sgd")
    result = call(*arguments, "--out", "mine")
    assert result.exit_code == 0, result.output
    found = json.loads(Path("mine/metrics.json").read_text())
    assert (found["architecture"], found["trial"]) == (TEXT, None)
    assert found["settings"]["optimizer"] == "sgd"
    assert not Path("optnas.db").exists()
    before = {path: path.stat().st_mtime_ns for path in Path("mine").iterdir()}
    again = call(*arguments, "--out", "mine")
    assert again.exit_code == 0
    assert "trained already" in again.output
    assert {path: path.stat().st_mtime_ns for path in Path("mine").iterdir()} == before
    assert_refused(call(*arguments, "--out", "mine", "--epochs", 9), "epochs was 2 and is now 9")
    assert_refused(call(*arguments, "--out", "mine", "--seeds", 2), "seeds was [0] and is now [0, 1]")


@pytest.mark.slow
def test_a_training_that_was_stopped_goes_on_and_ends_with_the_very_same(tmp_path: Path) -> None:
    arguments = ("train", "small.py", "-a", QUICK, "--set", "lr=0.001", "--epochs", 40, "--seeds", 2)
    assert call(*arguments, "--out", "undisturbed").exit_code == 0
    stopped = stop_at("seed-0.safetensors", signal.SIGKILL, *arguments)
    assert stopped.returncode == -signal.SIGKILL
    stopped = stop_at("seed-1.safetensors", signal.SIGTERM, *arguments)
    assert stopped.returncode == 130
    assert not Path("stopped/metrics.json").exists()
    finish(start(*arguments, "--out", "stopped", folder=tmp_path))
    for name in ("model.safetensors", "architecture.txt"):
        assert Path("stopped", name).read_bytes() == Path("undisturbed", name).read_bytes()
    records = [json.loads(Path(out, "metrics.json").read_text()) for out in ("stopped", "undisturbed")]
    for found in records:
        for training in found["trainings"]:
            del training["seconds"]
        del found["latency"]  # measured anew
    assert records[0] == records[1]


def stop_at(checkpoint: str, how: signal.Signals, *arguments: object) -> subprocess.Popen[str]:
    """Start a training in the folder ``stopped`` and stop it once it has written ``checkpoint``."""
    process = start(*arguments, "--out", "stopped", folder=Path.cwd())
    while not Path("stopped/checkpoints", checkpoint).exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    process.send_signal(how)
    process.communicate()
    return process


def test_a_regression_s_network_answers_in_the_unit_of_the_targets() -> None:
    Path("values.py").write_text(VALUES)
    result = call("train", "values.py", "-a", "seq(linear(8), relu, head)", "--out", "values")
    assert result.exit_code == 0, result.output
    x, y = load_diabetes(return_X_y=True)
    with torch.inference_mode():
        outputs = optnas.load("values")(torch.from_numpy(x))[:, 0]
    rmse = (outputs - torch.from_numpy(y)).square().mean().sqrt().item()
    found = json.loads(Path("values/metrics.json").read_text())
    assert rmse == pytest.approx(found["test"]["rmse"]["mean"], rel=0.2)
    assert rmse < y.std()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.py", "--trial", 0], "no such file: none.py"),
        (["small", "--trial", 0], "a study file ends in .py"),
        (["small.py"], "say what to train"),
        (["small.py", "--trial", 7], "no trial 7: it has 0 to 2"),
        (["small.py", "--trial", -1], "no trial -1"),
        (["small.py", "--front", "--trial", 1], "leave --trial and --architecture away"),
        (["small.py", "-a", "seq(conv(4)"], "'(' was never closed"),
        (["small.py", "-a", "seq(convv(4), head)"], "did you mean 'conv'?"),
        (["small.py", "-a", "seq(conv(choose(4, 8)), head)"], "leaves choices open"),
        (["small.py", "-a", "seq(conv(4), relu)", "--set", "lr=0.1"], "end the space with head"),
        (["small.py", "-a", TEXT], "leaves lr open: give --set lr=…"),
        (["small.py", "--trial", 0, "--set", "lrr=1"], "did you mean 'lr'?"),
        (["small.py", "--trial", 0, "--set", "lr"], "write name=value"),
        (["small.py", "--trial", 0, "--set", "lr=-1"], "it must be above 0"),
        (
            ["small.py", "--trial", 0, "--set", "crop=99"],
            "Training(crop=99): it must be less than the images",
        ),
        (["small.py", "--trial", 0, "--set", "lr=__import__('os')"], "give a number"),
        (["small.py", "--trial", 0, "--seeds", 0], "--seeds 0: it must be at least 1"),
        (["small.py", "--trial", 0, "--seeds", 10**40], "it must be at most 10,000"),
        (["small.py", "--trial", 0, "--patience", 0], "--patience 0"),
        (["small.py", "--trial", 0, "--out", "full"], "full holds thesis.txt"),
        (["small.py", "--trial", 0, "--out", "small.py"], "the folder small.py cannot be made"),
        (["small.py", "--trial", 0, "-s", "sqlite:///no.db"], "no study is stored in no.db"),
    ],
)
@pytest.mark.usefixtures("_searched")
def test_what_cannot_be_trained_is_one_line(arguments: list[object], said: str) -> None:
    Path("full").mkdir()
    Path("full/thesis.txt").write_text("years of work")
    assert_refused(call("train", *arguments), said)
    assert not Path("runs").exists()


def test_what_a_study_cannot_train_is_one_line(tmp_path: Path) -> None:
    quick_study(tmp_path)
    assert_refused(call("train", "quick.py", "--front"), "there is no task to train")
    bad = STUDY.replace("choose(4, 8", "choose(-4, -8").replace('"small"', '"bad"')
    Path("bad.py").write_text(bad)
    call("run", "bad.py", "--trials", 2, "--workers", 1)
    assert_refused(call("train", "bad.py", "--front"), "no study is stored")


@pytest.mark.usefixtures("_searched")
def test_a_failed_or_changed_trial_is_one_line() -> None:
    from optuna.trial import TrialState

    from optnas.run.lookup import find_study

    study = find_study("sqlite:///optnas.db", "small")
    study.tell(study.ask(), state=TrialState.FAIL)
    assert_refused(call("train", "small.py", "--trial", 3), "trial 3 of 'small' failed: no reason")
    Path("small.py").write_text(STUDY.replace("ops.relu()", "ops.mish()"))
    assert_refused(call("train", "small.py", "--trial", 0), "the study's file changed: trial 0 was seq(conv(")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: folder.joinpath("metrics.json").unlink(), "holds no network of optnas train"),
        (lambda folder: folder.joinpath("metrics.json").write_text("{}"), "is damaged"),
        (lambda folder: folder.joinpath("model.safetensors").write_bytes(b"\x80"), "is damaged"),
        (lambda folder: _replace(folder, TEXT, "seq(conv(5), relu, head)"), "is damaged"),
        (lambda folder: _replace(folder, TEXT, "seq(mine, head)"), "define ops of your own before loading"),
    ],
)
def test_a_damaged_folder_is_told_when_it_is_loaded(change: object, said: str) -> None:
    call("train", "small.py", "-a", TEXT, "--set", "lr=0.01", "--epochs", 1, "--out", "out")
    assert isinstance(optnas.load("out"), nn.Module)
    change(Path("out"))
    with pytest.raises(UserError, match=said):
        optnas.load("out")


def _replace(folder: Path, text: str, by: str) -> None:
    path = folder / "metrics.json"
    path.write_text(path.read_text().replace(text, by))


def test_digits_are_read_as_scikit_learn_gives_them() -> None:
    call("train", "small.py", "-a", QUICK, "--set", "lr=0.01", "--epochs", 3, "--out", "out")
    images, labels = load_digits(return_X_y=True)
    with torch.inference_mode():
        predicted = optnas.load("out")(torch.from_numpy(images).view(-1, 1, 8, 8)).argmax(dim=1)
    assert (predicted.numpy() == labels).mean() > 0.8


SERIES = """
import numpy as np
from optnas import *

x = np.load("x.npy")
study = Study(
    name="series",
    space=ops.seq(ops.gru(4), ops.head()),
    task=tasks.classification(data.tensors(x, x[:, 0].mean(axis=1) > 1e5, layout="channels_first")),
    objectives=[maximize("accuracy")],
)
"""


def test_a_network_for_series_takes_them_in_the_layout_and_the_units_of_the_study() -> None:
    rng = np.random.default_rng(0)
    series = rng.normal(size=(100, 3, 7)) * [[0.1], [1], [2000]] + [[1e5], [20], [101_325]]
    series[:, 0] += rng.normal(size=(100, 1))
    np.save("x.npy", series)
    Path("series.py").write_text(SERIES)
    trained = call("train", "series.py", "-a", "seq(gru(4), head)", "--epochs", 20, "--set", "lr=0.03")
    assert trained.exit_code == 0, trained.output
    [folder] = Path("runs").iterdir()
    found = json.loads((folder / "metrics.json").read_text())
    assert json.loads((folder / "schema.json").read_text())["input"]["shape"] == [7, 3]
    assert "np.zeros((1, 3, 7)" in (folder / "README.md").read_text()
    test = three_parts("tensors", 100, 0.2, 0.2, 0, (series[:, 0].mean(axis=1) > 1e5).astype(int))[2]
    # As they are, in float64: 1e5 ± 0.1 has lost most of its digits in float32.
    with torch.inference_mode():
        predicted = optnas.load(folder)(torch.from_numpy(series[test])).argmax(dim=1).numpy()
    right = (predicted == (series[test, 0].mean(axis=1) > 1e5)).mean()
    assert right == pytest.approx(found["test"]["accuracy"]["mean"])
    assert right > 0.8
