from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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


SIZES = st.tuples(st.integers(2, 12), st.integers(2, 12))
SEEDS = st.integers(0, 2**32)


def places(height: int, width: int, samples: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pictures whose two channels are each pixel's row and column, and masks with its number."""
    rows = torch.arange(height)[:, None].expand(height, width)
    columns = torch.arange(width)[None, :].expand(height, width)
    pictures = torch.stack((rows, columns)).float().expand(samples, -1, -1, -1)
    masks = (rows * width + columns).expand(samples, 1, -1, -1)
    return pictures, masks


@settings(max_examples=60, deadline=None)
@given(SIZES, st.floats(0.01, 180), SEEDS)
def test_a_mask_turns_with_its_picture_and_its_classes_stay_whole(
    size: tuple[int, int], degrees: float, seed: int
) -> None:
    pictures, masks = places(*size)
    turned = augment.rotate(pictures, degrees, seeded(seed))
    classes = augment.rotate(masks, degrees, seeded(seed), nearest=True)
    assert classes.dtype == masks.dtype
    assert set(classes.flatten().tolist()) <= set(range(size[0] * size[1]))
    # Each pixel's class is that of the pixel nearest to where its picture was taken from.
    assert (turned[:, :1] - classes // size[1]).abs().max() <= 0.5 + 1e-3
    assert (turned[:, 1:] - classes % size[1]).abs().max() <= 0.5 + 1e-3


@settings(max_examples=60, deadline=None)
@given(SIZES, SEEDS)
def test_a_mask_flips_and_crops_with_its_picture(size: tuple[int, int], seed: int) -> None:
    pictures, masks = places(*size)
    for move in (augment.flip, partial(augment.crop, margin=min(size) - 1)):
        moved, classes = move(pictures, generator=seeded(seed)), move(masks, generator=seeded(seed))
        assert torch.equal(moved[:, :1], (classes // size[1]).float())
        assert torch.equal(moved[:, 1:], (classes % size[1]).float())


@pytest.mark.parametrize("dtype", TYPES)
def test_a_turn_is_by_a_random_angle_in_both_directions(dtype: torch.dtype) -> None:
    # A bright pixel to the right of the centre, far enough from the edge.
    images = torch.zeros(300, 1, 21, 21)
    images[:, :, 9:12, 15:18] = 200
    found = augment.rotate(images.to(dtype), 40, seeded(), padding="zero")
    assert (found.dtype, found.shape) == (dtype, images.shape)
    lit = found.float().clamp(0)[:, 0]
    total = lit.sum((1, 2))
    y = (lit * torch.arange(-10.0, 11)[:, None]).sum((1, 2)) / total
    x = (lit * torch.arange(-10.0, 11)).sum((1, 2)) / total
    angles = torch.atan2(y, x) * 180 / torch.pi
    assert torch.allclose(torch.hypot(x, y), torch.tensor(6.0), atol=0.15)
    assert angles.abs().max() < 40.5
    assert angles.min() < -35
    assert angles.max() > 35
    assert (angles < 0).sum() == pytest.approx(150, abs=40)


def test_what_turns_in_from_beyond_the_edge_is_the_image_or_zero() -> None:
    images = torch.full((50, 1, 8, 8), 7.0)
    for nearest in (False, True):
        turned = augment.rotate(images, 180, seeded(), nearest=nearest)
        assert torch.allclose(turned, images)
        corner = augment.rotate(images, 180, seeded(), padding="zero", nearest=nearest)[:, 0, 0, 0]
        assert 20 < (corner == 0).sum() < 50


NOTHING = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0}


@pytest.mark.parametrize("dtype", TYPES)
def test_brightness_multiplies_each_image_by_a_factor(dtype: torch.dtype) -> None:
    images = torch.randint(20, 120, (200, 3, 4, 5), generator=seeded()).to(dtype)
    found = augment.colors(images, seeded(), **NOTHING | {"brightness": 0.5})
    assert found.dtype == dtype
    factors = found.float().mean((1, 2, 3)) / images.float().mean((1, 2, 3))
    assert factors.min() > 0.49
    assert factors.max() < 1.51
    assert factors.std() > 0.2
    expected = images.float() * factors[:, None, None, None]
    assert torch.allclose(found.float(), expected, rtol=0.02, atol=1.5)


def test_contrast_keeps_the_mean_grey_and_saturation_the_grey_of_each_pixel() -> None:
    images = torch.rand(100, 3, 4, 5, generator=seeded())
    luma = torch.tensor([0.299, 0.587, 0.114])[:, None, None]

    def grey(x: torch.Tensor) -> torch.Tensor:
        return (x * luma).sum(1)

    by_contrast = augment.colors(images, seeded(), **NOTHING | {"contrast": 0.5})
    assert torch.allclose(grey(by_contrast).mean((1, 2)), grey(images).mean((1, 2)), atol=1e-5)
    ratios = grey(by_contrast).std((1, 2)) / grey(images).std((1, 2))
    assert ratios.min() > 0.49
    assert ratios.max() < 1.51
    assert ratios.std() > 0.2
    by_saturation = augment.colors(images, seeded(), **NOTHING | {"saturation": 1.0})
    assert torch.allclose(grey(by_saturation), grey(images), atol=1e-5)
    assert not torch.allclose(by_saturation, images, atol=0.1)


def test_bytes_stay_in_their_range_and_no_strength_changes_nothing() -> None:
    images = torch.randint(0, 256, (50, 3, 4, 4), dtype=torch.uint8, generator=seeded())
    found = augment.colors(images, seeded(), brightness=1.0, contrast=1.0, saturation=1.0)
    bright = images.float().mean((1, 2, 3)) * 1.2 < found.float().mean((1, 2, 3))
    assert bright.any()
    assert found[bright].amax() == 255  # not wrapped around
    assert torch.equal(augment.colors(images, seeded(), **NOTHING), images)
