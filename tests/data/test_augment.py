from __future__ import annotations

import pytest
import torch

from optnas.data import augment

IMAGES = torch.randint(1, 256, (200, 3, 7, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
TYPES = [torch.uint8, torch.float32, torch.bfloat16]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("padding", "mode"), [("reflect", "reflect"), ("zero", "constant")])
def test_a_crop_is_a_window_of_the_padded_image(dtype: torch.dtype, padding: str, mode: str) -> None:
    images = IMAGES.to(dtype)
    found = augment.crop(images, 2, seeded(), padding=padding)
    assert (found.shape, found.dtype) == (images.shape, dtype)
    padded = torch.nn.functional.pad(images.float(), (2, 2, 2, 2), mode=mode).to(dtype)
    places = set()
    for image, border in zip(found, padded, strict=True):
        windows = {(y, x): border[:, y : y + 7, x : x + 9] for y in range(5) for x in range(5)}
        [place] = [place for place, window in windows.items() if torch.equal(window, image)]
        places.add(place)
    assert len(places) == 25


@pytest.mark.parametrize("dtype", TYPES)
def test_a_flip_mirrors_about_half_of_the_images(dtype: torch.dtype) -> None:
    images = IMAGES.to(dtype)
    found = augment.flip(images, seeded())
    as_it_was = (found == images).flatten(1).all(dim=1)
    mirrored = (found == images.flip(3)).flatten(1).all(dim=1)
    assert (as_it_was ^ mirrored).all()
    assert 70 < mirrored.sum() < 130


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("side", [1, 3, 4])
def test_a_cutout_is_one_square_of_zeros_in_all_channels(dtype: torch.dtype, side: int) -> None:
    images = IMAGES.to(dtype)
    found = augment.cutout(images, side, seeded())
    gone = found == 0
    assert torch.equal(found, images.masked_fill(gone, 0))
    assert torch.equal(gone[:, 0], gone[:, 2])
    heights, widths = gone[:, 0].any(dim=2).sum(dim=1), gone[:, 0].any(dim=1).sum(dim=1)
    assert torch.equal(gone[:, 0].sum(dim=(1, 2)), heights * widths)
    assert heights.max() == widths.max() == side
    assert heights.min() >= 1


def test_mixup_mixes_each_input_and_its_target_by_the_same_share() -> None:
    x = torch.rand(500, 2, 3, 3, generator=seeded(1))
    y = torch.nn.functional.one_hot(torch.arange(500) % 5, 5).float()
    mixed_x, mixed_y = augment.mixup(x, y, 0.4, seeded())
    assert torch.allclose(mixed_y.sum(dim=1), torch.ones(500))
    shares = mixed_y[torch.arange(500), (torch.arange(500) - 1) % 5]
    expected = x + shares[:, None, None, None] * (x.roll(1, 0) - x)
    assert torch.allclose(mixed_x, expected, atol=1e-6)
    assert 0.45 < shares.mean() < 0.55
    assert (shares < 0.05).float().mean() > 0.1  # Beta(0.4, 0.4) is mostly near 0 or 1


def test_mixup_mixes_values_as_it_does_classes() -> None:
    x, y = torch.arange(50.0)[:, None], torch.arange(50.0)
    mixed_x, mixed_y = augment.mixup(x, y, 1.0, seeded())
    assert torch.allclose(mixed_x[:, 0], mixed_y)
    assert not torch.allclose(mixed_y, y)


def test_a_seed_gives_the_very_same_augmentation_and_another_one_another() -> None:
    def augmented(seed: int) -> torch.Tensor:
        generator = seeded(seed)
        images = augment.flip(augment.crop(IMAGES, 2, generator), generator).float()
        images = augment.cutout(images, 3, generator)
        return augment.mixup(images, images[:, 0, 0], 1.0, generator)[0]

    assert torch.equal(augmented(3), augmented(3))
    assert not torch.equal(augmented(3), augmented(4))


def test_nothing_given_is_changed_in_place() -> None:
    images = IMAGES.float()
    augment.mixup(augment.cutout(images, 4, seeded()), images, 1.0, seeded())
    assert torch.equal(images, IMAGES.float())
