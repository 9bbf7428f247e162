from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from optnas import Training, data
from optnas.train.balance import balanced_order
from optnas.train.batches import Shuffled, batch_sizes


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=60),
    st.integers(1, 80),
    st.integers(1, 20),
    st.integers(),
)
def test_every_class_comes_equally_often_in_each_epoch_and_batch(
    classes: list[int], count: int, size: int, seed: int
) -> None:
    labels, generator = torch.tensor(classes), torch.Generator().manual_seed(seed % 2**60)
    order = balanced_order(labels, count, size, generator)
    assert len(order) == count
    there = labels.unique()

    def spread(indices: Tensor) -> int:
        counts = [(labels[indices] == each).sum().item() for each in there]
        return max(counts) - min(counts)

    assert spread(order) <= 1
    assert all(spread(batch) <= 2 for batch in order.split(size))
    times = order.bincount(minlength=len(labels))
    for each in there:  # none comes again before all have come
        own = times[labels == each]
        assert own.max() - own.min() <= 1


LABELS = torch.arange(300) % 10 // 8  # four of five in class 0
HELD = data.Data(
    "held",
    lambda: data.Splits(*[data.Split(torch.arange(300.0)[:, None], LABELS)] * 3, outputs=2),
)


def epoch(seed: int, skip: int = 0, most_bytes: int = 2**26) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    training = Training(balanced=True)
    shuffled = Shuffled(HELD.splits, batch_sizes(300, 32), training, generator, most_bytes)
    if not skip:
        return list(shuffled)
    done = iter(shuffled)
    for _ in range(skip):
        next(done)
    resumed = torch.Generator()
    resumed.set_state(generator.get_state())
    again = Shuffled(HELD.splits, batch_sizes(300, 32), training, resumed, most_bytes)
    again.resume(shuffled.generators, skip)
    return list(again)


def test_batches_of_an_epoch_have_as_many_of_each_class() -> None:
    for x, y in epoch(0):
        assert abs(int((y == 0).sum()) - int((y == 1).sum())) <= 1 + len(y) % 2
        assert torch.equal(LABELS[x[:, 0].long()], y)
    assert not torch.equal(epoch(0)[0][0], epoch(1)[0][0])


@pytest.mark.parametrize("most_bytes", [2**26, 4 * 32 * 2])
@pytest.mark.parametrize("skip", [1, 2, 5])
def test_an_epoch_that_is_resumed_has_the_same_samples(skip: int, most_bytes: int) -> None:
    expected, found = epoch(0, most_bytes=most_bytes), epoch(0, skip, most_bytes)
    assert len(found) == len(expected) - skip
    for (x, y), (other, target) in zip(expected[skip:], found, strict=True):
        assert torch.equal(x, other)
        assert torch.equal(y, target)
