from __future__ import annotations

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
        (PIXELS, LABELS.astype(str), {}, "labels must be whole numbers"),
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


def test_what_has_no_samples_by_number_is_refused() -> None:
    class Stream(IterableDataset):
        def __iter__(self) -> object:
            return iter([])

    with pytest.raises(UserError, match="a length and samples by number"):
        look_at(data.dataset(Stream()))
