"""Data that is not there: which folder was searched, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from optnas import Study, UserError, choose, data, maximize, ops, tables, tasks
from optnas.data import Data

READERS: dict[str, Callable[[str], object]] = {
    "csv": lambda path: data.csv(path, target="y"),
    "text": data.text,
    "image_folder": data.image_folder,
    "torchvision": lambda path: data.torchvision("CIFAR10", root=path),
}


def load(made: object) -> None:
    if isinstance(made, Data):
        made.splits  # noqa: B018


@pytest.mark.parametrize("reader", READERS)
def test_a_relative_path_says_which_folder_was_searched(
    reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as told:
        load(READERS[reader]("nowhere/mine"))
    assert f"nowhere/mine (in the folder {tmp_path})" in str(told.value) or str(told.value).endswith(
        f"(in the folder {tmp_path})"
    )
    with pytest.raises(UserError) as told:
        load(READERS[reader](str(tmp_path / "nowhere")))
    assert "in the folder" not in str(told.value)


def test_a_table_of_results_says_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"no such table: mine.csv \\(in the folder {tmp_path}\\)"):
        tables.read("mine.csv", choices={"a": "a"}, metrics={"b": "b"})  # type: ignore[call-arg]


@pytest.mark.parametrize("download", [False, True])
def test_download_is_asked_for_only_where_it_was_not_given(
    download: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision

    def unreachable(*_: object, **__: object) -> None:
        raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")

    monkeypatch.setattr(torchvision.datasets.CIFAR10, "__init__", unreachable)
    monkeypatch.setattr("optnas.data.images._takes", lambda kind: {"root", "train", "download"})
    with pytest.raises(UserError) as told:
        load(data.torchvision("CIFAR10", root=tmp_path, download=download))
    assert ("download=True" in str(told.value)) is not download
    assert "cifar-10-python.tar.gz" in str(told.value)


def test_what_is_missing_is_told_by_the_study_in_one_line() -> None:
    space = ops.seq(ops.conv(choose(4, 8)), ops.head())
    task = tasks.classification(data.image_folder("nowhere"))
    study = Study("missing", space, task=task, objectives=[maximize("accuracy")])
    with pytest.raises(UserError, match=f"no such folder: nowhere \\(in the folder {Path.cwd()}\\)"):
        study.shape  # noqa: B018
