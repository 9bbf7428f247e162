"""Files are replaced as a whole, and what was there is kept if they cannot be."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from optnas import UserError
from optnas.files import replace_file


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "a.svg"
    for content in ("one", b"two"):
        replace_file(file, content)
    assert file.read_text() == "two"
    assert os.listdir(tmp_path) == ["a.svg"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "link").symlink_to("a")
    replace_file(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_text() == "new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    replace_file(pipe, "through")
    reader.join(10)
    assert got == ["through"]
    assert pipe.is_fifo()


def test_what_was_there_is_kept_if_it_cannot_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.svg"
    file.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"a\.svg cannot be written: No space left on device; .* is kept"):
        replace_file(file, "new")
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.svg"]


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file or directory"):
        replace_file(tmp_path / "gone" / "x", b"")
