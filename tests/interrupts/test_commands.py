"""Ctrl-C while a command or a worker starts: it ends quietly, and a program that imports optnas does not."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from optnas.interrupts import commands
from tests.files import REPOSITORY, call

# Ctrl-C in the middle of importing PyTorch.
TORCH = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"
SCRIPT = "import sys\nfrom optnas.cli import main\nsys.exit(main())\n"


def interrupted(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with a torch that sends Ctrl-C while it is imported."""
    (folder / "torch.py").write_text(TORCH)
    (folder / "optnas").write_text(SCRIPT)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}"},
        input=json.dumps({"parent": os.getpid()}),  # of a worker
        capture_output=True,
        text=True,
        timeout=50,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "optnas", "run", "study.py"],
        ["-m", "optnas.cli", "run", "study.py"],
        ["-W", "ignore", "-m", "optnas.cli", "data", "table.csv", "--target", "y"],
        ["optnas", "run", "study.py"],
        ["-m", "optnas.run.process"],
    ],
)
def test_ctrl_c_while_pytorch_is_imported_ends_a_command_quietly(
    arguments: list[str], tmp_path: Path
) -> None:
    ended = interrupted(tmp_path, *arguments)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_a_program_that_imports_optnas_has_its_own_ctrl_c(tmp_path: Path) -> None:
    ended = interrupted(
        tmp_path, "-c", "try:\n    from optnas import Study\nexcept KeyboardInterrupt:\n    print('mine')"
    )
    assert (ended.returncode, ended.stdout) == (0, "mine\n")


def test_ctrl_c_in_any_command_is_quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("optnas.run.lookup.all_studies", interrupt)
    monkeypatch.setattr("optnas.run.lookup.find_study", interrupt)
    for command in ("status", "pareto"):
        result = call(command)
        assert (result.exit_code, result.output) == (130, "")


@pytest.mark.parametrize(
    ("arguments", "spared"), [(["-m", "optnas.cli", "--version"], True), (["-c", "import optnas"], False)]
)
def test_a_command_ends_without_looking_through_all_that_was_imported(
    arguments: list[str], spared: bool, tmp_path: Path
) -> None:
    # What is registered first is called last.
    hook = "import atexit, gc, sys\natexit.register(lambda: print(len(gc.get_objects()), file=sys.stderr))\n"
    (tmp_path / "sitecustomize.py").write_text(hook)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"}
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=True)
    assert (int(ended.stderr) < 100) == spared


@pytest.mark.parametrize(
    ("arguments", "rarer"), [(["-m", "optnas.cli", "--version"], True), (["-c", "import optnas.cli"], False)]
)
def test_a_command_looks_for_garbage_less_often_while_it_starts(
    arguments: list[str], rarer: bool, tmp_path: Path
) -> None:
    hook = "import atexit, gc, sys\natexit.register(lambda: print(gc.get_threshold()[0], file=sys.stderr))\n"
    (tmp_path / "sitecustomize.py").write_text(hook)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"}
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=True)
    assert (int(ended.stderr) > gc.get_threshold()[0]) == rarer


def test_once_it_has_started_it_looks_for_garbage_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, called = gc.get_threshold(), list(gc.callbacks)
    monkeypatch.setattr(commands, "_IS_COMMAND", True)
    try:
        commands.start_soon()
        gc.collect()
        assert gc.get_threshold() != usual
        gc.set_threshold(*usual)
        monkeypatch.setattr(commands, "_STARTING_SECONDS", 0.0)
        commands.start_soon()
        gc.collect()
        assert gc.get_threshold() == usual
    finally:
        gc.callbacks[:] = called
        gc.set_threshold(*usual)
