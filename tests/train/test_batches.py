from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from optnas import Training, UserError, choose, data, parse, tasks
from optnas.data import sending
from optnas.train import batches, fit
from optnas.train.checks import check_augmentation

PIXELS = np.random.default_rng(0).integers(0, 256, (300, 3, 8, 8), dtype=np.uint8)


@pytest.fixture(scope="module")
def noise() -> data.Data:
    return data.tensors(PIXELS, np.arange(300) % 3)


def epoch(
    held: data.Data, seed: int = 0, most_bytes: int = 2**26, **training: object
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    sizes = batches.batch_sizes(len(held.splits.train), 32)
    generator = torch.Generator().manual_seed(seed)
    wanted = Training(**training)
    check_augmentation(held.splits, wanted)
    return list(batches.Shuffled(held.splits, sizes, wanted, generator, most_bytes))


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


EVERYTHING = {
    "crop": 2, "flip": True, "cutout": 2, "mixup": 0.5, "rotate": 9, "brightness": 0.2, "contrast": 0.2,
    "saturation": 0.2,
}  # fmt: skip
META = torch.device("meta")


class Copies(TorchFunctionMode):
    """Collects the files that copy tensors from the CPU to another device."""

    def __init__(self) -> None:
        self.files: list[str] = []

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        on_cpu = any(isinstance(each, torch.Tensor) and each.device.type == "cpu" for each in args)
        if on_cpu and getattr(out, "device", None) == META:
            self.files.append(sys._getframe(1).f_code.co_filename)
        return out


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64])
@pytest.mark.parametrize("kind", ["classes", "points", "boxes"])
def test_whatever_an_epoch_copies_to_the_device_is_sent_without_waiting(dtype: Any, kind: Any) -> None:
    places = np.random.default_rng(0).random((300, 4)).astype(np.float32)
    boxes = data.padded_boxes([[(0, 1, 1, 5, 5)]] * 300)
    y: Any = {"classes": np.arange(300) % 3, "points": 8 * places, "boxes": boxes}[kind]
    training: dict[str, Any] = dict(EVERYTHING)
    if kind != "classes":
        training |= {"padding": "zero", "mixup": 0.0, "rotate": 9 * (kind == "points")}
    held = data.tensors(PIXELS.astype(dtype), y, targets=kind).splits
    there = dataclasses.replace(held, train=held.train.to(META))
    sizes = batches.batch_sizes(len(there.train), 32)
    with Copies() as copies:
        for x, targets in batches.Shuffled(there, sizes, Training(**training), torch.Generator()):
            assert x.device == targets.device == META
    assert set(copies.files) == {sending.__file__}


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_an_epoch_on_a_gpu_is_made_without_waiting_for_it(noise: data.Data) -> None:
    device = torch.device("cuda", 0)
    parts = noise.on(device)
    sizes = batches.batch_sizes(len(parts.train), 32)
    here = epoch(noise, **EVERYTHING)
    shuffled = batches.Shuffled(
        parts, sizes, Training(**EVERYTHING), torch.Generator().manual_seed(0), most_bytes=2**26
    )
    torch.cuda.set_sync_debug_mode("error")
    try:
        there = list(shuffled)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for (x, y), (other_x, other_y) in zip(here, there, strict=True):
        torch.testing.assert_close(other_x.cpu(), x, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(other_y.cpu(), y)


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
