"""A command that is killed at any moment loses nothing: the same one again ends as if it had not been."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import optnas
from optnas.export.python import run_written
from tests.files import call

pytestmark = pytest.mark.slow

STUDY = """
from optnas import *

study = Study(
    name="small",
    space=ops.seq(ops.flatten(), ops.linear(choose(8, 16, name="width")), ops.head()),
    task=tasks.classification(data.digits()),
    objectives=[maximize("accuracy")],
    training=Training(epochs=2, lr=0.01, optimizer="adam"),
)
"""
# A process that dies, as of kill -9, once the part of a file is written and before it takes its place;
# or in the midst of removing a folder.
DYING = """
import os, pathlib, shutil, sys

place, replace, remove = sys.argv.pop(1), pathlib.Path.replace, shutil.rmtree

def replaced(self, target):
    if str(target).endswith(place):
        os._exit(137)
    return replace(self, target)

def removed(folder, *args, **kwargs):
    if str(folder).endswith(place):
        next(pathlib.Path(folder).iterdir()).unlink()
        os._exit(137)
    remove(folder, *args, **kwargs)

pathlib.Path.replace, shutil.rmtree = replaced, removed
from optnas.cli import app
app()
"""
TRAIN = ("train", "small.py", "-a", "seq(flatten, linear(10))", "--seeds", "2", "--all-data", "--ensemble")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.py").write_text(STUDY)


def killed_at(place: str, *arguments: str) -> None:
    """Run a command that dies where it would write or remove ``place``."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))}
    done = subprocess.run(
        [sys.executable, "-c", DYING, place, *arguments], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 137, done.stdout + done.stderr


def files_of(folder: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*")}


def test_a_training_on_all_data_of_several_seeds() -> None:
    assert call(*TRAIN, "--out", "whole").exit_code == 0
    places = ("checkpoints/all-seed-1.safetensors", "members/seed-1.safetensors", "checkpoints")
    for number, place in enumerate(places):
        folder = f"cut{number}"
        killed_at(place, *TRAIN, "--out", folder)
        assert files_of(folder) != files_of("whole")
        again = call(*TRAIN, "--out", folder)
        assert again.exit_code == 0, again.output
        assert files_of(folder) == files_of("whole")
        for name in ("model.safetensors", "members/seed-0.safetensors", "members/seed-1.safetensors"):
            assert Path(folder, name).read_bytes() == Path("whole", name).read_bytes()


def test_an_export_leaves_the_network_and_the_next_one_is_whole() -> None:
    assert call(*TRAIN, "--out", "net").exit_code == 0
    x = np.zeros((2, 1, 8, 8), np.float32)
    before = optnas.load("net").predict(x)
    for place in ("python/model.safetensors", "README.md"):
        killed_at(place, "export", "net", "--format", "python")
        assert optnas.load("net").predict(x).equals(before)
    assert call("export", "net", "--format", "python").exit_code == 0
    assert not [name for name in files_of("net") if name.endswith(".part")]
    assert run_written(Path("net/exported/python/model.py")) is not None
    assert "exported/python/model.py" in Path("net/README.md").read_text()


def test_a_choice_is_made_trained_and_exported_again() -> None:
    assert call("run", "small.py", "--trials", "1", "--workers", "1").exit_code == 0
    arguments = ("choose", "small.py", "--knee", "--repeats", "0", "--epochs", "1", "--format", "python")
    for place in ("metrics.json", "python/model.safetensors"):
        killed_at(place, *arguments)
    again = call(*arguments)
    assert again.exit_code == 0, again.output
    assert not [name for name in files_of("runs/small-0") if name.endswith(".part") or "checkpoints" in name]
    assert run_written(Path("runs/small-0/exported/python/model.py")) is not None
    assert "exported/python/model.py" in Path("runs/small-0/README.md").read_text()
