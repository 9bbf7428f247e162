"""What `--help` prints: sentences that are wrapped at the terminal's width, and examples on one line each."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import optnas
from optnas import ops
from optnas.cli import app

COMMANDS = list(get_command(app).commands)  # type: ignore[attr-defined]


def told(command: str | None, width: int) -> list[str]:
    """Return the lines between the usage and the first table."""
    arguments = [*([] if command is None else [command]), "--help"]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": str(width)})
    assert result.exit_code == 0, result.output
    lines = [line.strip() for line in result.output.splitlines()]
    first = next(i for i, line in enumerate(lines) if line.startswith("Usage"))
    last = next(i for i, line in enumerate(lines) if line.startswith("╭"))
    return lines[first + 1 : last]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_sentences_fill_their_lines(command: str | None, width: int) -> None:
    lines = told(command, width)
    for line, below in pairwise(lines):
        if line and below:
            assert len(line) + 1 + len(below.split()[0]) > width - 3, line
    assert any(lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_example_is_one_line_of_eighty_columns(command: str) -> None:
    lines = told(command, 80)
    examples = lines[lines.index("Examples:") + 1 :]
    assert any(examples)
    for example in filter(None, examples):
        # What reads standard input stands behind a pipe.
        assert re.match(r"(\w+ [^|]+ \| )?optnas [a-z]", example), example


def test_the_help_of_ops_lists_each_by_kind_once() -> None:
    listed = re.findall(r"``(\w+)``", ops.__doc__ or "")
    assert sorted(listed) == sorted(ops.__all__)


def test_docstrings_begin_with_what_is_done_and_not_with_a_question() -> None:
    asking = []
    for file in sorted(Path(optnas.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                first = (ast.get_docstring(node) or "").partition(" ")[0]
                if first in ("What", "How"):
                    asking.append(f"{file}: {getattr(node, 'name', 'module')}")
    assert not asking
