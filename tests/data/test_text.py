from __future__ import annotations

from pathlib import Path

import pytest
import torch

from optnas import UserError, data


def written(folder: Path, content: str) -> Path:
    path = folder / "book.txt"
    path.write_bytes(content.encode())
    return path


def test_targets_are_what_follows_and_the_parts_lie_one_after_the_other(tmp_path: Path) -> None:
    content = "".join(chr(97 + i * i % 23) for i in range(1001))
    splits = data.text(written(tmp_path, content), context=10).splits
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [80, 10, 10]
    symbols = sorted(set(content))
    x, y = (torch.cat([getattr(part, which) for part in parts]).flatten() for which in "xy")
    assert "".join(symbols[i] for i in x) == content[:1000]
    assert "".join(symbols[i] for i in y) == content[1:]
    assert splits.outputs == len(symbols)


@pytest.mark.parametrize(
    ("symbols", "type_"), [(2, torch.uint8), (256, torch.uint8), (257, torch.int16), (40_000, torch.int32)]
)
def test_characters_are_stored_in_the_smallest_type_and_taken_as_indices(
    tmp_path: Path, symbols: int, type_: torch.dtype
) -> None:
    content = "".join(chr(0x20000 + i % symbols) for i in range(max(1000, symbols)))
    splits = data.text(written(tmp_path, content), context=4).splits
    assert splits.train.x.dtype == type_
    assert splits.prepare(splits.train.x).dtype == torch.int32
    assert torch.equal(splits.train.x[0].long(), torch.arange(4) % symbols)
    assert splits.outputs == symbols


def test_without_a_file_it_is_the_standard_library_the_same_each_time() -> None:
    one, again = data.text(characters=50_000).splits, data.text(characters=50_000).splits
    assert torch.equal(one.train.x, again.train.x)
    assert sum(len(part) for part in (one.train, one.validation, one.test)) == (50_000 - 1) // 64
    assert 50 < one.outputs <= 128


def test_a_million_characters_of_the_standard_library_are_the_default() -> None:
    splits = data.text().splits
    assert sum(part.x.numel() for part in (splits.train, splits.validation, splits.test)) == 15_624 * 64


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"", "0 characters are too few"),
        (b"short", "5 characters are too few"),
        (b"a" * 10_000, "one character over and over"),
        (b"\xff\xfe" * 500, "not a text in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "book.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=said) as refused:
        data.text(path).splits  # noqa: B018
    assert "book.txt" in str(refused.value)


def test_impossible_sizes_are_refused_at_once() -> None:
    with pytest.raises(UserError, match="context=0"):
        data.text(context=0)
    with pytest.raises(UserError, match="characters=0"):
        data.text(characters=0)
    with pytest.raises(UserError, match="leave some to train on"):
        data.text(validation=0.6, test=0.5)


def test_the_test_part_may_be_empty(tmp_path: Path) -> None:
    splits = data.text(written(tmp_path, "ab" * 500), context=10, test=0).splits
    assert len(splits.test) == 0
    assert len(splits.train) == 89
