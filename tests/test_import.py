"""``import optnas`` is light, and its public names are all there is."""

from __future__ import annotations

import subprocess
import sys

import optnas

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
