from __future__ import annotations

import numpy as np
import pytest
import torch

from optnas import Training, UserError, choose, data, parse, tasks
from optnas.train import batches, fit

PIXELS = np.random.default_rng(0).integers(0, 256, (300, 3, 8, 8), dtype=np.uint8)


@pytest.fixture(scope="module")
def noise() -> data.Data:
    return data.tensors(PIXELS, np.arange(300) % 3)


def epoch(
    held: data.Data, seed: int = 0, most_bytes: int = 2**26, **training: object
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    sizes = batches.batch_sizes(len(held.splits.train), 32)
    generator = torch.Generator().manual_seed(seed)
    return list(batches.Shuffled(held.splits, sizes, Training(**training), generator, most_bytes))


def test_an_epoch_in_many_blocks_is_the_epoch_in_one(noise: data.Data) -> None:
    assert batches._block(noise.splits.train, 32, 40_000) == 32
    for (x, y), (block_x, block_y) in zip(epoch(noise), epoch(noise, most_bytes=40_000), strict=True):
        assert torch.equal(x, block_x)
        assert torch.equal(y, block_y)


def test_an_epoch_has_every_sample_once_with_its_own_target(noise: data.Data) -> None:
    def pairs(xs: torch.Tensor, ys: torch.Tensor) -> list[tuple[bytes, int]]:
        return [(x.contiguous().numpy().tobytes(), int(y)) for x, y in zip(xs, ys, strict=True)]

    train = noise.splits.train
    seen = [pair for batch in epoch(noise) for pair in pairs(*batch)]
    assert sorted(seen) == sorted(pairs(noise.splits.prepare(train.x), train.y))
    assert seen != pairs(noise.splits.prepare(train.x), train.y)


@pytest.mark.parametrize(
    "change",
    [
        {"crop": 2}, {"flip": True}, {"cutout": 4}, {"mixup": 0.5}, {"rotate": 20},
        {"brightness": 0.3}, {"contrast": 0.3}, {"saturation": 0.3},
    ],
)  # fmt: skip
def test_each_augmentation_changes_what_is_trained_on(noise: data.Data, change: dict[str, object]) -> None:
    plain, changed = epoch(noise), epoch(noise, **change)
    assert not torch.equal(plain[0][0], changed[0][0])
    assert [x.shape for x, _ in plain] == [x.shape for x, _ in changed]
    again = epoch(noise, **change)
    assert all(torch.equal(x, other) for (x, _), (other, _) in zip(changed, again, strict=True))


def test_padding_says_what_is_beyond_the_edge(noise: data.Data) -> None:
    for change in ({"crop": 3}, {"rotate": 30}):
        assert not torch.equal(epoch(noise, **change)[0][0], epoch(noise, padding="zero", **change)[0][0])


def test_mixed_samples_have_shares_of_classes_for_targets(noise: data.Data) -> None:
    _, y = epoch(noise, mixup=1.0)[0]
    assert y.shape == (32, 3)
    assert torch.allclose(y.sum(dim=1), torch.ones(32))


def test_a_network_learns_from_mixed_and_augmented_images() -> None:
    digits = tasks.classification(data.digits())
    torch.manual_seed(0)
    module = parse("seq(conv(16), norm, relu, maxpool(2), conv(32), norm, relu, head)").build(
        (1, 8, 8), outputs=10
    )
    training = Training(epochs=9, lr=1e-2, crop=1, cutout=2, mixup=0.2, label_smoothing=0.1)
    assert fit(module, digits, training, device=torch.device("cpu"), seed=0)["accuracy"] > 0.8


def test_augmentation_can_be_searched() -> None:
    training = Training(crop=choose(0, 2), flip=choose(False, True), padding=choose("reflect", "zero"))
    assert list(training.tree.distributions()) == ["crop", "padding", "flip"]
    closed = training.closed(training.tree.close({"crop": 2, "flip": True, "padding": "zero"}))
    assert (closed.crop, closed.flip, closed.padding) == (2, True, "zero")


@pytest.mark.parametrize(
    "change", [{"crop": 1}, {"flip": True}, {"cutout": 4}, {"rotate": 5}, {"brightness": 0.1}]
)
def test_what_is_no_image_is_not_cropped(change: dict[str, object]) -> None:
    flat = data.tensors(PIXELS.reshape(300, -1), np.arange(300) % 3)
    with pytest.raises(UserError, match=r"are for images .* not for inputs of \(192,\)"):
        epoch(flat, **change)


def test_a_margin_as_large_as_the_image_is_refused(noise: data.Data) -> None:
    with pytest.raises(UserError, match=r"Training\(crop=8\): it must be less than the images"):
        epoch(noise, crop=8)


def test_symbols_are_not_mixed() -> None:
    part = data.Split(torch.zeros(64, 5, dtype=torch.long), torch.arange(64) % 2)
    text = data.Data("text", lambda: data.Splits(part, part, part, outputs=2))
    with pytest.raises(UserError, match="not for symbols"):
        epoch(text, mixup=0.2)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"crop": 1.5}, "give a whole number"),
        ({"rotate": 181}, "it must be from 0 to 180"),
        ({"contrast": 1.5}, "it must be from 0 to 1"),
        ({"mixup": -0.1}, "it must be from 0"),
        ({"padding": "reflected"}, "did you mean 'reflect'?"),
        ({"flip": "yes"}, "known: False, True"),
    ],
)
def test_an_augmentation_out_of_range_is_refused(training: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as error:
        Training(**training)
    assert said in str(error.value)
