"""The studies that come with optnas, and the data that they need."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.data.images import fashion_mnist
from tests.files import REPOSITORY
from tests.tables import data_folder

__all__ = ["STUDIES", "prepare_data"]

STUDIES = [
    f"{path.name}:{assigned.targets[0].id}"
    for path in sorted((REPOSITORY / "studies").glob("*.py"))
    for assigned in ast.parse(path.read_text(encoding="utf-8")).body
    if isinstance(assigned, ast.Assign) and ast.unparse(assigned.value).startswith("Study(")
]


def prepare_data(study: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a study find data that is not in this repository; skips where that or a package is absent."""
    file = study.partition(":")[0]
    if file == "detection.py":
        pytest.importorskip("pycocotools", reason="it measures mean average precision")
    if file == "fashion_mnist.py" or "clothes" in study:
        monkeypatch.setenv("OPTNAS_DATA", str(fashion_mnist(folder)))
    if file == "cartpole.py":
        pytest.importorskip("gymnasium", reason="gymnasium is not installed")
    if file == "nasbench201.py":
        table = data_folder("nasbench201_cifar10") / "nasbench201_cifar10.csv.gz"
        monkeypatch.setenv("OPTNAS_NASBENCH201", str(table))
