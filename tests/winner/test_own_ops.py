"""Networks with ops of one's own: the commands import what the user names, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.files import assert_refused, call

OPS = """
import torch
from optnas import op

print("defining")

@op
def bent(x, sharpness=1.0):
    return torch.nn.functional.softplus(x, beta=sharpness)
"""
CHANGED = OPS.replace("softplus(x", "softplus(2 * x").replace('print("defining")', "")
STUDY = """
import numpy, pandas
from optnas import *
from my_ops import bent

x = numpy.random.default_rng(0).normal(size=60)
study = Study(
    name="bent",
    space=ops.seq(ops.linear(choose(2, 4, name="width")), bent(), ops.head()),
    task=tasks.regression(data.frame(pandas.DataFrame({"x": x, "y": 3 * x}), "y")),
    objectives=[minimize("rmse"), minimize("flops")],
    training=Training(epochs=1, lr=1e-2),
)
"""


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a network with the op of ``my_ops.py`` beside it, and rows to predict in ``rows.csv``."""
    path = tmp_path_factory.mktemp("bent")
    (path / "my_ops.py").write_text(OPS)
    (path / "study.py").write_text(STUDY)
    (path / "rows.csv").write_text("x\n0.5\n")
    (path / "package").mkdir()
    (path / "package" / "other.py").write_text("import missing_one\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.setattr(sys, "path", [*sys.path])
        torch.set_num_threads(1)
        done = call(*["train", "study.py", "--out", "net", "-a"], "seq(linear(2), bent, head)")
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture(autouse=True)
def _in_folder(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(net)
    monkeypatch.setattr(sys, "path", [*sys.path])


def test_without_it_nothing_is_imported_and_the_error_says_what_to_give() -> None:
    def run(*more: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "optnas.cli", "predict", "net", "rows.csv", *more]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    assert run() == (
        2,
        "",
        "error: net: the network has the op 'bent' of one's own, which is not defined here: the module my_ops"
        " defined it: give the file my_ops.py by --ops my_ops.py, in Python import my_ops before"
        " optnas.load\n",
    )
    status, out, said = run("--ops", "my_ops")
    assert (status, said) == (0, "defining\n")
    assert out.startswith("y\n")


def test_the_file_of_the_ops_and_that_of_the_study_define_them(net: Path) -> None:
    printed = set()
    for named in ("my_ops.py", net / "my_ops.py", "study.py"):
        done = call("predict", "net", "rows.csv", "--ops", named)
        assert done.exit_code == 0, done.output
        printed.add(done.stdout)
    assert len(printed) == 1
    assert next(iter(printed)).startswith("y\n")


def test_another_source_than_was_trained_is_refused_unless_it_may_be_another(tmp_path: Path) -> None:
    before = call("predict", "net", "rows.csv", "--ops", "my_ops.py").stdout
    changed = tmp_path / "my_ops.py"
    changed.write_text(CHANGED)
    command = ("predict", "net", "rows.csv", "--ops", changed)
    said = "the op 'bent' (of my_ops) is not the one that was trained (of my_ops): its source differs"
    assert_refused(call(*command), said)
    done = call(*command, "--changed-ops")
    assert done.exit_code == 0
    assert done.stdout != before


def test_what_is_no_file_or_module_of_ops_is_one_line() -> None:
    for given, told in (
        ("none.py", "--ops none.py: no such file"),
        ("none", "--ops none: no such module, nor a file of that name"),
        ("package.none", "--ops package.none: no such module"),
        ("package.other", "--ops package.other: No module named 'missing_one'"),
    ):
        assert_refused(call("predict", "net", "rows.csv", "--ops", given), told)


def test_export_and_explain_take_it_too(tmp_path: Path) -> None:
    done = call("export", "net", "-f", "safetensors", "--ops", "my_ops.py")
    assert done.exit_code == 0, done.output
    Path("data.py").write_text(STUDY.replace("from my_ops import bent", "").replace("bent(), ", ""))
    done = call("explain", "data.py", "--run", "net", "--ops", "my_ops.py", "--json")
    assert done.exit_code == 0, done.output
    assert '"bent"' in done.stdout
    changed = tmp_path / "my_ops.py"
    changed.write_text(CHANGED)
    for command in (("export", "net", "-f", "safetensors"), ("explain", "data.py", "--run", "net")):
        assert_refused(call(*command, "--ops", changed), "its source differs")
    assert_refused(
        call("explain", "--ops", "my_ops.py"), "--ops and --changed-ops are for the network of --run"
    )
