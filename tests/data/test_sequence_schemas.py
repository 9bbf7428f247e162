"""Texts, series, sequences of words and numbers of samples become what networks are trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from optnas import UserError, data, tasks
from optnas.data.schemas import Noise, Schema, Sequences, Series, Texts, schema_of, schema_record
from optnas.data.trees import leaves, shape_of
from optnas.space.shapes import as_shape

SOURCES = [["the", "dog"], ["a", "cat", "runs"], ["dog"], ["the", "cat"], ["a", "dog", "runs"]]
TARGETS = [["dog", "the"], ["cat", "runs"], ["dog"], ["cat", "the"], ["runs"]]


def kept(schema: Schema) -> Any:
    """Return a schema as it comes back from its file."""
    return schema_of(json.loads(json.dumps(schema_record(schema))))


@pytest.fixture
def texts(tmp_path: Path) -> Texts:
    (tmp_path / "abc.txt").write_text("abcé\n" * 100, encoding="utf-8")
    return kept(data.text(tmp_path / "abc.txt", context=6).schema)  # type: ignore[no-any-return]


def test_the_last_window_of_a_text_counts_and_a_short_one_stands_at_its_beginning(texts: Texts) -> None:
    assert texts.alphabet == "\nabcé"
    given = ["a", "abcabc", "ccccccabcabc"]
    windows = texts.tensors(given)
    assert windows.tolist() == [[1, -1, -1, -1, -1, -1], [1, 2, 3, 1, 2, 3], [1, 2, 3, 1, 2, 3]]
    assert texts.preparation()(windows).tolist()[0] == [1, 0, 0, 0, 0, 0]
    assert texts.tensors("abcabc").tolist() == [[1, 2, 3, 1, 2, 3]]
    assert [texts.is_one(each) for each in ("abc", ["abc"], Path("a"))] == [True, False, True]


def test_windows_of_a_text_are_those_that_networks_are_trained_on(tmp_path: Path) -> None:
    (tmp_path / "abc.txt").write_text("abcabd" * 60, encoding="utf-8")
    found = data.text(tmp_path / "abc.txt", context=5)
    text = "abcabd" * 60
    windows = [text[at : at + 5] for at in range(0, 5 * len(found.splits.train), 5)]
    schema = kept(found.schema)
    ours = schema.preparation()(schema.tensors(windows))
    assert torch.equal(ours, found.splits.prepare(found.splits.train.x))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", "text 0 is empty"),
        (["abc", "axyz"], r"text 1 has characters that .* never seen \('x', 'y', 'z'\)"),
        (["abc", "\N{EURO SIGN}"], r"\('.u20ac'\)"),
        (["a", 3], "sample 1 is of the type int"),
        (3, "give a text or a list of texts, not int"),
        (Path("nowhere.txt"), r"nowhere.txt cannot be read"),
    ],
)
def test_texts_that_networks_do_not_know_are_one_line(texts: Texts, given: Any, told: str) -> None:
    with pytest.raises(UserError, match=told) as refused:
        texts.tensors(given)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("change", [{"alphabet": "aa"}, {"alphabet": 3}, {"context": 0}, {"context": 10**15}])
def test_a_record_of_no_text_is_refused(texts: Texts, change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        schema_of({**schema_record(texts), **change})


def walk(features: int, steps: int = 120) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=(steps, features)).cumsum(0) * 50 + 1e4


@pytest.mark.parametrize("features", [1, 2])
def test_a_series_and_its_windows_become_the_inputs_that_networks_are_trained_on(features: int) -> None:
    steps = walk(features)
    found = data.windows(steps, 8, 2)
    schema = kept(found.schema)
    assert isinstance(schema, Series)
    given = np.stack([steps[at : at + 8] for at in range(len(found.splits.train))])
    theirs = found.splits.prepare(found.splits.train.x)
    ways: list[Any] = [given, torch.from_numpy(given)]
    if features == 1:
        ways.append(given[..., 0])
    for way in ways:
        assert torch.allclose(schema.preparation()(schema.tensors(way)), theirs, atol=1e-5)
    until = [
        steps[:8],
        steps[:8].tolist(),
        pd.DataFrame(steps[:8]),
        np.concatenate([walk(features, 9), steps[:8]]),
    ]
    if features == 1:
        until += [steps[:8, 0], pd.Series(steps[:8, 0])]
    for way in until:
        assert torch.allclose(schema.preparation()(schema.tensors(way)), theirs[:1], atol=1e-5)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (np.zeros((7, 2)), "a series of at least 8 steps, not of 7"),
        (np.zeros((3, 9, 2)), "windows of 8 steps, not of 9"),
        (np.zeros((20, 3)), r"a series \(steps, 2\) or windows \(samples, 8, 2\), not \(20, 3\)"),
        (np.zeros(20), r"not \(20,\)"),
        (np.zeros((0, 2)), r"not \(0, 2\)"),
        (np.float64(3), "not"),
        (np.full((9, 2), np.nan), "not a finite number"),
        ("text", "must be numbers"),
    ],
)
def test_series_that_networks_do_not_take_are_one_line(given: Any, told: str) -> None:
    schema = kept(data.windows(walk(2), 8, 2).schema)
    with pytest.raises(UserError, match=told):
        schema.tensors(given)


def test_forecasts_are_named_as_the_columns_of_their_series() -> None:
    frame = pd.DataFrame(walk(2), columns=["heat", "rain"])
    assert data.windows(frame, 8, 2).forecast_names == ("heat", "rain")
    assert data.windows(frame, 8, 2, target=-1).forecast_names == ("rain",)
    assert data.windows(frame["heat"], 8, 2).forecast_names == ("heat",)
    assert data.windows(walk(1), 8, 2).forecast_names == ("",)
    assert data.windows(walk(2), 8, 2).forecast_names == ("0", "1")


@pytest.mark.parametrize("change", [{"shape": [3]}, {"shape": [3, 4, 5], "normalized_by": None}])
def test_a_record_of_no_series_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is no window|not of inputs"):
        schema_of({**schema_record(data.windows(walk(2), 8, 2).schema), **change})


def test_sequences_become_the_tokens_that_networks_are_trained_on() -> None:
    found = data.pairs(SOURCES * 4, TARGETS * 4)
    schema = kept(found.schema)
    assert isinstance(schema, Sequences)
    every = schema.tensors(SOURCES)["source"]
    known = {tuple(row) for part in ("train", "validation", "test")
             for row in getattr(found.splits, part).x["source"].tolist()}  # fmt: skip
    assert {tuple(row) for row in every.tolist()} == known
    one = schema.tensors([["the", "dog"]])
    assert one["target"].tolist() == [[1, 0, 0]]
    ways: list[Any] = [["the", "dog"], ("the", "dog"), "the dog", ["the dog"], np.array([["the", "dog"]])]
    for way in ways:
        assert torch.equal(schema.tensors(way)["source"], one["source"])
    assert [schema.is_one(way) for way in ways] == [True, True, True, False, False]
    assert len(schema.tensors(["the dog", "a cat"])["source"]) == 2


def test_texts_of_letters_are_sequences_of_these() -> None:
    schema = kept(data.pairs(["abc", "ba", "c", "ca", "b"], ["cba", "ab", "c", "ac", "b"]).schema)
    assert schema.tensors(["ab", ("a", "b"), ["a", "b"]])["source"].unique(dim=0).tolist() == [[3, 4, 2, 0]]
    assert (schema.is_one("ab"), schema.is_one(["a", "b"])) == (True, False)
    assert schema.is_one(("a", "b"))


def test_whole_numbers_are_words_too_and_others_have_no_schema_of_their_own() -> None:
    numbers = data.pairs([np.array([4, 5]), np.array([5])] * 5, [[5], [4]] * 5)
    assert kept(numbers.schema).tensors([[4, 5], [5]])["source"].tolist() == [[3, 4, 2], [4, 2, 0]]
    tuples = data.pairs([[(1, 2)], [(3, 4)]] * 5, [[(1, 2)], [(3, 4)]] * 5)
    assert set(schema_record(tuples.schema)["inputs"]) == {"source", "target"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([["the", "horse"]], r"sequence 0 has words that .* \('horse'\)"),
        ("the white horse", r"\('white', 'horse'\)"),
        (["the"] * 4, "sequence 0 is of 4 words, and the network takes 3 at most"),
        (3, "give sequences of words, or texts, not int"),
        ([[["the"]]], "sequence 0 has words that are no texts or whole numbers"),
    ],
)
def test_sequences_that_networks_do_not_know_are_one_line(given: Any, told: str) -> None:
    schema = kept(data.pairs(SOURCES * 4, TARGETS * 4).schema)
    with pytest.raises(UserError, match=told):
        schema.tensors(given)


@pytest.mark.parametrize(
    "change", [{"words": ["a", "b"]}, {"words": [None] * 4}, {"length": -1}, {"letters": 2}]
)
def test_a_record_of_no_sequences_is_refused(change: dict[str, Any]) -> None:
    schema = data.pairs(SOURCES * 4, TARGETS * 4).schema
    with pytest.raises((ValueError, TypeError)):
        schema_of({**schema_record(schema), **change})


def test_a_number_of_samples_is_noise_that_is_the_same_in_any_batch() -> None:
    for task, keys in (
        (tasks.adversarial(data.digits()), None),
        (tasks.diffusion(data.digits()), {"x", "t"}),
    ):
        schema = kept(task.data.schema)
        assert isinstance(schema, Noise)
        assert schema.shape == task.data.shape
        whole, parts = ([*schema.batches(5, size, seed=3)] for size in (5, 2))
        x = whole[0] if keys is None else whole[0]["x"]
        cut = torch.cat([each if keys is None else each["x"] for each in parts])
        assert torch.equal(x, cut)
        assert keys is None or set(whole[0]) == keys
        assert not torch.equal(x[0], x[1])
        other = next(schema.batches(5, 5))
        assert not torch.equal(x, other if keys is None else other["x"])
    for given in (0, 2.5, True, "a"):
        with pytest.raises(UserError, match="give how many samples to make"):
            schema.tensors(given)
    with pytest.raises(UserError, match=r"predict\(seed=-1\)"):
        next(schema.batches(1, 1, seed=-1))


def pieces_of(schema: Schema, path: Path, size: int) -> list[Any]:
    return [(piece.given, None if piece.named is None else piece.named.to_dict("list"), piece.share)
            for piece in schema.read_file(path, size)]  # fmt: skip


def test_lines_of_a_file_are_texts_or_sequences_of_words(texts: Texts, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes("\ufeffa\r\n\nb c\na".encode())
    found = pieces_of(texts, tmp_path / "x.txt", 2)
    assert [given for given, *_ in found] == [["a", "b c"], ["a"]]
    assert [named for _, named, _ in found] == [{"line": [1, 3]}, {"line": [4]}]
    assert found[-1][2] == 1
    words = data.pairs(SOURCES * 4, TARGETS * 4).schema
    assert pieces_of(words, tmp_path / "x.txt", 9)[0][0] == [["a"], ["b", "c"], ["a"]]
    (tmp_path / "y.txt").write_bytes(b"a\n\xff\n")
    with pytest.raises(UserError, match="line 2: it is no text in UTF-8"):
        pieces_of(texts, tmp_path / "y.txt", 9)
    (tmp_path / "z.txt").write_text("\n\n")
    with pytest.raises(UserError, match=r"z\.txt has no line with a text"):
        pieces_of(texts, tmp_path / "z.txt", 9)
    with pytest.raises(UserError, match="cannot be read"):
        pieces_of(texts, tmp_path / "none.txt", 9)


def test_the_end_of_a_series_in_a_file_is_its_window(tmp_path: Path) -> None:
    schema = kept(data.windows(walk(2), 8, 2).schema)
    steps = walk(2, 30)
    pd.DataFrame(steps, columns=["a", "b"]).to_csv(tmp_path / "x.csv", index=False)
    np.save(tmp_path / "x.npy", steps)
    for name in ("x.csv", "x.npy"):
        ((given, _, share),) = pieces_of(schema, tmp_path / name, 4)
        assert share == 1
        assert schema.tensors(given).numpy() == pytest.approx(steps[None, -8:])
    np.save(tmp_path / "windows.npy", np.stack([steps[:8]] * 5))
    assert [len(given) for given, *_ in pieces_of(schema, tmp_path / "windows.npy", 2)] == [2, 2, 1]
    (tmp_path / "bad.csv").write_text("")
    with pytest.raises(UserError, match=r"bad\.csv is empty"):
        pieces_of(schema, tmp_path / "bad.csv", 2)
    (tmp_path / "bad.csv").write_text("a,b\n" + "1,2\n" * 9 + "1,x\n")
    with pytest.raises(UserError, match="column 'b' in line 11 holds 'x', no number"):
        pieces_of(schema, tmp_path / "bad.csv", 2)


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8"), ("\t", "utf-16"), (",", "utf-8-sig")])
def test_a_series_is_read_however_its_csv_file_is_written(
    separator: str, encoding: str, tmp_path: Path
) -> None:
    schema, steps = data.windows(walk(2), 8, 2).schema, walk(2, 30)
    pd.DataFrame(steps).to_csv(tmp_path / "x.csv", index=False, sep=separator, encoding=encoding)
    ((given, *_),) = pieces_of(schema, tmp_path / "x.csv", 4)
    assert given == pytest.approx(steps[-8:])


def test_a_series_of_one_endless_field_is_refused_within_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optnas.data.csv_pieces._LONGEST", 1000)
    (tmp_path / "x.csv").write_text("a,b\n" + "1,2\n" * 9 + "1," + "1" * 5000)
    with pytest.raises(UserError, match="line 11 has more than 1,000 characters"):
        pieces_of(data.windows(walk(2), 8, 2).schema, tmp_path / "x.csv", 2)


def test_windows_of_one_feature_in_a_file_are_all_read(tmp_path: Path) -> None:
    schema = kept(data.windows(walk(1), 8, 2).schema)
    np.save(tmp_path / "windows.npy", np.arange(10 * 8.0).reshape(10, 8))
    assert [len(given) for given, *_ in pieces_of(schema, tmp_path / "windows.npy", 4)] == [4, 4, 2]


def test_stored_samples_come_back_raw_and_made_up_ones_are_in_range(tmp_path: Path) -> None:
    (tmp_path / "abc.txt").write_text("abcé\n" * 100, encoding="utf-8")
    every = [
        data.text(tmp_path / "abc.txt", context=6),
        data.windows(walk(2), 8, 2),
        data.pairs(SOURCES * 4, TARGETS * 4),
        tasks.diffusion(data.digits()).data,
        tasks.adversarial(data.digits()).data,
    ]
    for each in every:
        schema, splits = kept(each.schema), each.splits
        prepared = schema.preparation()
        raw = schema.restored(splits.train.x, splits.prepare)
        for ours, theirs in zip(leaves(prepared(raw)), leaves(splits.prepare(splits.train.x)), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-5)
        drawn = schema.drawn(7, torch.Generator().manual_seed(0))
        assert [x.dtype for x in leaves(drawn)] == [x.dtype for x in leaves(raw)]
        assert shape_of(prepared(drawn)) == as_shape(each.shape)
