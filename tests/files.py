"""Study files that tests write and run."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from optnas.cli import app

REPOSITORY = Path(__file__).parent.parent

QUICK = """
import time
from optnas import Study, choose, integer, maximize, minimize, ops

def evaluate(candidate, report):
    time.sleep({seconds})
    width = candidate.architecture.children[0].arguments["width"]
    return {{"score": -abs(width - 40), "size": width}}

study = Study(
    name="{name}",
    space=ops.seq(ops.conv(integer(1, 64, name="width")), ops.relu()),
    evaluate=evaluate,
    objectives=[maximize("score"), minimize("size")],
    sampler="random",
)
"""


def quick_study(folder: Path, *, name: str = "quick", seconds: float = 0.0) -> Path:
    """Write a study that trains nothing and takes ``seconds`` a trial."""
    path = folder / f"{name}.py"
    path.write_text(QUICK.format(name=name, seconds=seconds))
    return path


def call(*arguments: object) -> Result:
    """Run ``optnas`` in this process, in the current folder."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def start(*arguments: object, folder: Path) -> subprocess.Popen[str]:
    """Start ``optnas`` as a person would, in ``folder``."""
    return subprocess.Popen(
        [sys.executable, "-m", "optnas.cli", *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Tests that run in the background ignore Ctrl-C, and would hand that down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(process: subprocess.Popen[str], seconds: float = 120) -> str:
    """Wait for a process that must succeed, and return what it printed."""
    output, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, output
    return output


def assert_refused(result: Result, said: str) -> None:
    """Assert that a command ended with one line that says this, and status 2."""
    assert result.exit_code == 2, result.output
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, result.output
    assert lines[0].startswith("error: ")
    assert said in lines[0]
    assert "Traceback" not in result.output
