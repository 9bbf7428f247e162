"""Boxes and points move with the images that they are in, or are refused before a search."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from optnas import Training, UserError, data, parse, tasks
from optnas.data import positions
from optnas.train import batches, fit
from optnas.train.checks import check_augmentation

HEIGHT, WIDTH, IMAGES = 14, 18, 12
LEAST = 0.2


@st.composite
def drawn(draw: st.DrawFn) -> list[list[tuple[int, int, int, int, int]]]:
    """Return the boxes of a few images: (class, left, top, right, bottom)."""
    boxes = []
    for _ in range(draw(st.integers(1, 3))):
        here = []
        for kind in range(draw(st.integers(0, 3))):
            left, top = draw(st.integers(0, WIDTH - 2)), draw(st.integers(0, HEIGHT - 2))
            right, bottom = draw(st.integers(left + 1, WIDTH)), draw(st.integers(top + 1, HEIGHT))
            here.append((kind, left, top, right, bottom))
        boxes.append(here)
    boxes.append([(0, 0, 0, 2, 1)])
    return boxes * 3


def pictures_of(boxes: list[list[tuple[int, int, int, int, int]]]) -> Tensor:
    """Return pictures that show each box in the channel of its class."""
    pictures = torch.zeros(len(boxes), 3, HEIGHT, WIDTH)
    for picture, of in zip(pictures, boxes, strict=True):
        for kind, left, top, right, bottom in of:
            picture[kind, top:bottom, left:right] = 1
    return pictures


def splits_of(x: Tensor, y: Any, kinds: Any) -> data.Splits:
    part = data.Split(x, y)
    return data.Splits(part, part, part, outputs=3, kinds=kinds)


def epoch(splits: data.Splits, seed: int, **training: Any) -> tuple[Tensor, Any]:
    """Return the pictures and the targets of an epoch of one batch."""
    generator = torch.Generator().manual_seed(seed)
    (found,) = batches.Shuffled(splits, [len(splits.train)], Training(**training), generator)
    return found


def extent(shape: Tensor) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom of the pixels that are not 0."""
    rows, columns = shape.any(1).nonzero()[:, 0], shape.any(0).nonzero()[:, 0]
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@given(drawn(), st.booleans(), st.integers(0, 9), st.integers(0, 2**16))
@settings(max_examples=60, deadline=None)
def test_boxes_are_the_extents_of_shapes_after_they_moved(
    boxes: list[list[tuple[int, int, int, int, int]]], flip: bool, crop: int, seed: int
) -> None:
    truth = torch.from_numpy(data.padded_boxes(boxes))
    # The number of the picture comes along, to know what its shapes were.
    y = {"boxes": truth, "number": torch.arange(len(boxes))}
    splits = splits_of(pictures_of(boxes), y, {"boxes": "boxes"})
    x, moved = epoch(splits, seed, flip=flip, crop=crop, padding="zero")
    assert moved["boxes"].shape == truth.shape
    for picture, number, rows in zip(x, moved["number"], moved["boxes"], strict=True):
        for row, before in zip(rows, truth[number], strict=True):
            if before[0] < 0:
                assert row.tolist() == [-1, 0, 0, 0, 0]
                continue
            seen = extent(picture[int(before[0])])
            area = (before[3] - before[1]) * (before[4] - before[2])
            share = picture[int(before[0])].sum() / area
            if share < LEAST:
                assert row.tolist() == [-1, 0, 0, 0, 0]
            else:
                assert row.tolist() == [before[0], *(seen or ())]


@given(drawn(), st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_two_equal_flips_leave_boxes_and_points_as_they_were(
    boxes: list[list[tuple[int, int, int, int, int]]], seed: int
) -> None:
    y = torch.from_numpy(data.padded_boxes(boxes))

    def flip(kind: str, y: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return positions.moved(kind, y, HEIGHT, WIDTH, partial(positions.flip, generator=generator))

    assert torch.equal(flip("boxes", flip("boxes", y)), y)
    points = y[..., 1:]
    assert torch.equal(flip("points", flip("points", points)), points)


def dots(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return pictures with two dots, one a channel, and the middles of both: x, y, x, y."""
    rng = np.random.default_rng(seed)
    x, y = torch.zeros(IMAGES, 2, 21, 21), torch.zeros(IMAGES, 4)
    for picture, points in zip(x, y, strict=True):
        for channel in range(2):
            column, row = rng.integers(8, 13, 2).tolist()
            picture[channel, row, column] = 1
            points[2 * channel : 2 * channel + 2] = torch.tensor([column, row]) + 0.5
    return x, y


@pytest.mark.parametrize("change", [{"flip": True}, {"crop": 5}, {"rotate": 90}, {"flip": True, "crop": 3}])
@pytest.mark.parametrize("shape", [(4,), (2, 2)])
def test_points_stay_on_what_they_mark(change: dict[str, Any], shape: tuple[int, ...]) -> None:
    x, y = dots()
    pictures, points = epoch(splits_of(x, y.view(-1, *shape), "points"), 3, padding="zero", **change)
    assert points.shape[1:] == shape
    places = torch.arange(21) + 0.5
    for channel, point in enumerate(points.view(-1, 2, 2).unbind(1)):
        weights = pictures[:, channel] / pictures[:, channel].sum((1, 2), keepdim=True)
        middles = torch.stack([(weights.sum(1) * places).sum(1), (weights.sum(2) * places).sum(1)], 1)
        assert (middles - point).abs().max() < (0.51 if "rotate" in change else 1e-4)
    assert not torch.equal(points.flatten(1).sort(0).values, y.sort(0).values)


def test_targets_that_are_not_said_to_be_positions_stay() -> None:
    x, y = dots()
    _, kept = epoch(splits_of(x, y, None), 3, flip=True, crop=3)
    _, order = epoch(splits_of(x, y, None), 3)
    assert torch.equal(kept, order)


def test_a_position_is_learned_from_flipped_pictures_only_if_it_is_said_to_be_one() -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    places = rng.integers(1, 7, (240, 2))
    pictures = np.zeros((240, 1, 8, 8), np.float32)
    pictures[np.arange(240), 0, places[:, 1], places[:, 0]] = 1
    found = {}
    for kind in ("points", "values"):
        given = data.tensors(pictures, places + 0.5, targets=kind, layout="channels_first", name="dots")
        task = tasks.regression(given)
        torch.manual_seed(0)
        module = parse("seq(flatten, linear(2))").build(task.data.shape, outputs=2)
        training = Training(epochs=60, batch_size=20, lr=0.05, flip=True, hopeless_after=0)
        found[kind] = fit(module, task, training, device=torch.device("cpu"), seed=0)["rmse"]
    assert found["points"] < 0.3 < 1 < found["values"]


@pytest.mark.parametrize(
    ("kind", "shape", "training", "said"),
    [
        ("boxes", (4, 5), {"rotate": 5, "padding": "zero"}, "the box of a turned object"),
        ("boxes", (4, 5), {"mixup": 0.2}, "boxes have no mean"),
        ("boxes", (4, 5), {"crop": 2}, "use padding='zero'"),
        ("points", (2,), {"rotate": 2}, "use padding='zero'"),
        ("boxes", (4, 4), {"flip": True}, "data.padded_boxes makes them"),
        ("points", (3,), {"flip": True}, "give x and y of each"),
        ("lines", (4,), {"flip": True}, "must be one of 'points', 'boxes'"),
        ({"a": "points"}, (2,), {"flip": True}, "no target is called so"),
    ],
)
def test_what_positions_cannot_do_is_refused(
    kind: Any, shape: tuple[int, ...], training: dict[str, Any], said: str
) -> None:
    y = torch.full((IMAGES, *shape), 3.0)
    with pytest.raises(UserError, match=said) as refused:
        check_augmentation(splits_of(torch.rand(IMAGES, 1, 8, 8), y, kind), Training(**training))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["points", "boxes"])
def test_positions_from_0_to_1_are_refused_where_they_would_move_as_pixels(kind: str) -> None:
    y = torch.rand(IMAGES, 3, 5) if kind == "boxes" else torch.rand(IMAGES, 2)
    with pytest.raises(UserError, match="multiply x by the width"):
        check_augmentation(splits_of(torch.rand(IMAGES, 1, 8, 8), y, kind), Training(flip=True))


def test_data_says_of_which_targets_are_positions() -> None:
    y = {"eyes": np.full((9, 4), 3.0), "age": np.arange(9.0)}
    given = data.tensors(np.ones((9, 1, 8, 8)), y, targets={"eyes": "points"}, layout="channels_first")
    assert given.splits.kinds == {"eyes": "points", "age": None}
    assert given.splits.outputs == {"eyes": 4, "age": 1}
    with pytest.raises(UserError, match="'points', 'boxes' or 'auto'"):
        data.tensors(np.ones((9, 4)), np.arange(9.0), targets="lines").splits  # noqa: B018
