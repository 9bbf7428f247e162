from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.data import IterableDataset

from optnas import Training, UserError, data, parse, tasks
from optnas.data.streamed import Streamed
from optnas.train import fit
from tests.data.images import Pairs, look_at

LABELS = np.arange(100) % 4
PIXELS = np.random.default_rng(0).integers(0, 256, (100, 3, 6, 6), dtype=np.uint8)


def test_any_dataset_becomes_three_parts() -> None:
    held = data.dataset(Pairs(PIXELS, LABELS), name="noise")
    splits = held.splits
    assert (held.name, held.shape, held.outputs) == ("noise", (3, 6, 6), 4)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [60, 20, 20]
    every = torch.cat([part.x for part in (splits.train, splits.validation, splits.test)])
    assert sorted(x.sum().item() for x in every) == sorted(PIXELS.sum(axis=(1, 2, 3)).tolist())


def test_its_official_test_part_is_the_test_part_as_it_stands() -> None:
    splits = data.dataset(Pairs(PIXELS, LABELS), Pairs(PIXELS[:10], LABELS[:10])).splits
    assert torch.equal(splits.test.x, torch.from_numpy(PIXELS[:10]))
    assert torch.equal(splits.test.y, torch.from_numpy(LABELS[:10]))
    assert len(splits.train) == 80


def test_it_is_opened_when_it_is_first_looked_at() -> None:
    opened = []
    held = data.dataset(lambda: opened.append(1) or Pairs(PIXELS, LABELS))
    assert not opened
    assert held.outputs == 4


def test_only_the_training_part_tells_the_normalisation() -> None:
    splits = data.dataset(Pairs(PIXELS, LABELS)).splits
    inputs = splits.prepare(splits.train.x)
    assert torch.allclose(inputs.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(inputs.std(dim=(0, 2, 3), correction=0), torch.ones(3), atol=1e-5)
    assert splits.prepare(splits.validation.x).mean().abs() > 1e-4


@pytest.mark.parametrize("readers", [0, 2])
def test_what_is_streamed_trains_to_the_very_same_values_as_what_is_held(readers: int) -> None:
    def trained(memory: float) -> dict[str, float]:
        task = tasks.classification(data.dataset(Pairs(PIXELS, LABELS), memory=memory, readers=readers))
        assert isinstance(task.data.splits.train, Streamed) == (memory == 0)
        torch.manual_seed(0)
        module = parse("seq(conv(4), norm, relu, dropout(0.5), head)").build((3, 6, 6), outputs=4)
        training = Training(epochs=2, batch_size=16, flip=True)
        return fit(module, task, training, device=torch.device("cpu"), seed=0)

    assert trained(memory=0) == trained(memory=1e9)


def test_the_limit_of_memory_is_in_bytes_of_inputs() -> None:
    for memory, kind in ((PIXELS.nbytes, data.Split), (PIXELS.nbytes - 1, Streamed)):
        assert isinstance(data.dataset(Pairs(PIXELS, LABELS), memory=memory).splits.train, kind)


def test_a_sample_that_cannot_be_read_in_the_background_is_told_in_one_line() -> None:
    class Broken(Pairs):
        def __getitem__(self, index: int) -> tuple[object, object]:
            if index == 97:
                raise OSError("the disk is gone")
            return super().__getitem__(index)

    held = data.dataset(Broken(PIXELS, LABELS), labels=LABELS, memory=0)
    with pytest.raises(UserError) as error:
        look_at(held)
    assert str(error.value) == "data 'dataset': sample 97 cannot be read: the disk is gone"


def with_one(array: np.ndarray, index: object, value: object) -> np.ndarray:
    changed = array.copy()
    changed[index] = value
    return changed


FLOATS = PIXELS.astype(np.float32)


@pytest.mark.parametrize(
    ("inputs", "labels", "options", "said"),
    [
        (with_one(FLOATS, (17, 0, 0, 0), np.nan), LABELS, {}, "sample 17 holds a value that is not a finite"),
        (with_one(FLOATS, (17, 0, 0, 0), np.inf), LABELS, {}, "sample 17 holds a value that is not a finite"),
        (PIXELS, with_one(LABELS, 5, 9), {}, "no sample is of class 4"),
        (PIXELS, with_one(LABELS, 5, 9), {"classes": 4}, "sample 5 has the label 9, but the 4 classes are 0"),
        (PIXELS, with_one(LABELS, 5, -1), {}, "the label -1 is negative"),
        (PIXELS, LABELS, {"classes": 5}, "no sample is of class 4"),
        (PIXELS, LABELS * 2, {}, "no sample is of class 1"),
        (PIXELS, LABELS + 0.5, {}, "labels must be whole numbers"),
        (PIXELS, np.where(LABELS == 1, np.nan, LABELS), {}, "labels must be whole numbers"),
        (PIXELS, LABELS + 1e300, {}, "labels must be whole numbers from 0 on, and sample 0 has 1e+300"),
        (PIXELS, [*LABELS[:99], "3"], {}, "some are texts and some are not"),
        (
            PIXELS,
            [*LABELS[:99], None],
            {},
            "the label of sample 99 is a NoneType; give each sample one",
        ),
        (PIXELS, [*LABELS[:99], [1, 2]], {}, "the label of sample 99 is of shape (2,); give each sample one"),
        (PIXELS, LABELS.astype(str), {"test": Pairs(PIXELS, LABELS)}, "sample 0 has the label 0, which no"),
        (PIXELS, LABELS, {"labels": [0, "1"] * 50}, "some are texts and some are not"),
        (PIXELS, with_one(LABELS, 0, 4), {}, "each is to have every class, and 1 of"),
        (PIXELS, LABELS * 0, {}, "there is nothing to learn"),
        (PIXELS[:1], LABELS[:1], {}, "there is nothing to learn"),
        (PIXELS[:0], LABELS[:0], {}, "there are no samples"),
        ([*PIXELS[:99], PIXELS[0, :, :4]], LABELS, {}, "sample 99 is 3×4×6 of uint8, but sample 0 is 3×6×6"),
        ([*PIXELS[:99], FLOATS[0]], LABELS, {}, "sample 99 is 3×6×6 of float32, but sample 0"),
        (["a"] * 100, LABELS, {}, "sample 0 is a str, no image or tensor"),
        (PIXELS, LABELS, {"labels": LABELS[:50]}, "50 labels do not fit 100 samples"),
        (PIXELS, LABELS, {"samples": 101}, "samples=101 must be from 4 to 100"),
        (PIXELS, LABELS, {"test": Pairs(PIXELS, LABELS + 1)}, "sample 3 has the label 4"),
        (
            PIXELS,
            LABELS,
            {"test": Pairs(PIXELS / 255, LABELS)},
            "the test part's samples are 3×6×6 of float64",
        ),
        (PIXELS, LABELS, {"validation": 1.0}, "must leave some to train on"),
    ],
)
@pytest.mark.parametrize("memory", [1e9, 0])
def test_what_is_wrong_with_a_data_set_is_told_before_any_training(
    inputs: object, labels: object, options: dict[str, object], said: str, memory: float
) -> None:
    with pytest.raises(UserError) as error:
        look_at(data.dataset(Pairs(inputs, labels), memory=memory, readers=0, **options))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"channels": 2}, "must be 1 (grey) or 3"),
        ({"size": (8, 0)}, "must be a height and a width"),
        ({"readers": -1}, "must be at least 0"),
    ],
)
def test_an_option_out_of_its_range_is_refused_where_it_is_written(
    options: dict[str, object], said: str
) -> None:
    with pytest.raises(UserError) as error:
        data.dataset(Pairs(PIXELS, LABELS), **options)
    assert said in str(error.value)


class Stream(IterableDataset):
    def __iter__(self) -> object:
        return iter([(PIXELS[0], 0)])


class LongStream(Stream):
    def __len__(self) -> int:
        return 100


@pytest.mark.parametrize("given", [Stream(), LongStream(), iter([]), None])
def test_what_has_no_samples_by_number_is_refused_with_what_to_do(given: object) -> None:
    with pytest.raises(UserError, match=r"a length and samples by number .* data.dataset\(list\(…\)\)"):
        look_at(data.dataset(given))


@pytest.mark.parametrize("length", [100.0, -1, None, "many"])
def test_a_length_that_is_none_is_told(length: object) -> None:
    class Long(Pairs):
        def __len__(self) -> int:
            return length

    with pytest.raises(UserError, match="the number of samples, a whole number"):
        look_at(data.dataset(Long(PIXELS, LABELS)))


@pytest.mark.parametrize("memory", [1e9, 0])
@pytest.mark.parametrize(
    "made",
    [
        lambda y: np.array(["a", "b", "c", "d"])[y],
        lambda y: ["dcba"[label] for label in y],
        lambda y: y > 1,
        lambda y: [torch.tensor(label > 1) for label in y],
        lambda y: [torch.tensor(float(label), requires_grad=True) for label in y],
        lambda y: y.astype(np.uint64),
    ],
    ids=["texts", "texts in other order", "booleans", "tensors of booleans", "of a graph", "uint64"],
)
def test_labels_are_taken_as_those_of_tensors_are(made: Callable[[object], object], memory: float) -> None:
    y = made(LABELS)
    plain = y if isinstance(y, np.ndarray) or isinstance(y[0], str) else torch.stack(y)
    expected = data.tensors(PIXELS, plain, targets="classes").splits
    for held in (
        data.dataset(Pairs(PIXELS, y), memory=memory, readers=0),
        data.dataset(Pairs(PIXELS, LABELS), labels=plain, memory=memory, readers=0),
        data.dataset(Pairs(PIXELS, y), Pairs(PIXELS[:30], y[:30]), memory=memory, readers=0),
    ):
        for part in (held.splits.train, held.splits.validation, held.splits.test):
            given, those = labelled(part), dict[bytes, int]()
            for other in (expected.train, expected.validation, expected.test):
                those |= labelled(other)
            assert given.items() <= those.items()


def labelled(part: data.Part) -> dict[bytes, int]:
    """Return the label of each input."""
    blocks = [(x, y) for block in part.blocks(99) for x, y in zip(*block, strict=True)]
    return {x.numpy().tobytes(): int(y) for x, y in blocks}


class Ends(Pairs):
    """Its process ends at sample 57, by ``how``."""

    def __init__(self, how: Callable[[], object]) -> None:
        super().__init__(PIXELS, LABELS)
        self.how = how

    def __getitem__(self, index: int) -> tuple[object, object]:
        if index == 57:
            self.how()
        return super().__getitem__(index)


@pytest.mark.parametrize("readers", [0, 1, 2])
def test_a_data_set_that_ends_the_program_is_told_with_its_sample(readers: int) -> None:
    for options in ({}, {"labels": LABELS, "memory": 0}):
        with pytest.raises(
            UserError, match=r"^data 'dataset': sample 57 .* program there \(SystemExit: bye\)"
        ):
            look_at(data.dataset(Ends(partial(sys.exit, "bye")), readers=readers, **options))


@pytest.mark.parametrize("readers", [1, 2])
@pytest.mark.parametrize("how", [partial(os._exit, 3), lambda: os.kill(os.getpid(), signal.SIGKILL)])
def test_a_reader_that_dies_is_told_with_the_sample_that_it_was_reading(
    how: Callable[[], object], readers: int
) -> None:
    with pytest.raises(UserError, match="a process that reads ahead has ended at sample 57") as refused:
        look_at(data.dataset(Ends(how), labels=LABELS, memory=0, readers=readers))
    assert "\n" not in str(refused.value)
