"""``import optnas`` is light, and its public names are all there is."""

from __future__ import annotations

import pydoc
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import optnas
from tests.files import call, quick_study

HEAVY = (
    "torchvision",
    "sklearn",
    "pandas",
    "plotly",
    "optuna_dashboard",
    "matplotlib",
    "torchmetrics",
    "scipy.optimize",
)


def test_importing_optnas_imports_nothing_heavy() -> None:
    code = f"import sys, optnas; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_commands_that_only_read_do_without_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("run", quick_study(tmp_path), "--trials", 3, "--workers", 1).exit_code == 0
    commands = ["status", "pareto", "pareto --json", "pareto --csv", "show 1", "show 1 --json", "--help"]
    script = (
        "import sys\n"
        "sys.modules['torch'] = None  # whose import fails\n"
        "from typer.testing import CliRunner\n"
        "from optnas.cli import app\n"
        "for command in sys.argv[1:]:\n"
        "    result = CliRunner().invoke(app, command.split(), catch_exceptions=False)\n"
        "    assert result.exit_code == 0, result.output\n"
    )
    subprocess.run([sys.executable, "-c", script, *commands], check=True)


def test_every_public_name_exists_once() -> None:
    assert sorted(set(optnas.__all__)) == sorted(optnas.__all__)
    assert all(hasattr(optnas, name) for name in optnas.__all__)


def test_no_module_takes_the_place_of_a_public_name() -> None:
    script = (
        "import importlib, pkgutil, types, optnas\n"
        "for found in pkgutil.walk_packages(optnas.__path__, 'optnas.'):\n"
        "    importlib.import_module(found.name)\n"
        "names = ('report', 'should_prune', 'choose', 'load', 'parse', 'op', 'suggest')\n"
        "assert not [n for n in names if isinstance(getattr(optnas, n, None), types.ModuleType)]\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_help_shows_a_newcomer_the_way_in_and_an_op_s_signature() -> None:
    said = pydoc.render_doc(optnas, renderer=pydoc.plaintext)
    assert "study = Study(" in said[:1000]
    assert "Where to look next" in said[:1500]
    said = pydoc.render_doc(optnas.ops.conv, renderer=pydoc.plaintext)
    assert "conv(width: " in said
    assert "kernel: " in said
    assert "Output channels" in said


def test_the_version_is_that_of_the_package() -> None:
    assert optnas.__version__ == version("optnas")
    assert call("--version").output == f"optnas {version('optnas')}\n"
