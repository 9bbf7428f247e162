"""What augmentation does to targets: each kind moves with its image, stays, or is refused before a search."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from optnas import Study, Training, UserError, choose, data, maximize, ops, real, tasks
from optnas.train import batches, fit
from optnas.train.checks import check_training

N, HEIGHT, WIDTH = 60, 8, 6
GENERATOR = torch.Generator().manual_seed(0)
INPUTS = {
    "images": torch.rand(N, 3, HEIGHT, WIDTH, generator=GENERATOR),
    "bytes": torch.randint(0, 256, (N, 3, HEIGHT, WIDTH), dtype=torch.uint8, generator=GENERATOR),
    "series": torch.rand(N, HEIGHT, 3, generator=GENERATOR),
    "table": torch.rand(N, 5, generator=GENERATOR),
    "volumes": torch.rand(N, 2, 4, HEIGHT, WIDTH, generator=GENERATOR),
}


def bright(x: Tensor) -> Tensor:
    """Return whether each pixel's first channel is bright."""
    return x[:, 0] > x[:, 0].float().mean()


def large(x: Tensor) -> Tensor:
    """Return images with four pixels for each."""
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


TARGETS: dict[str, Callable[[Tensor], Tensor]] = {
    "class": lambda x: torch.arange(N) % 2,
    "small class": lambda x: (torch.arange(N) % 2).to(torch.uint8),
    "value": lambda x: torch.arange(N) / N,
    "values": lambda x: torch.rand(N, WIDTH, generator=GENERATOR),
    "counts": lambda x: torch.arange(N),
    "several classes": lambda x: torch.arange(N * 3).view(N, 3) % 2,
    "mask": lambda x: bright(x).long(),
    "mask of bytes": lambda x: bright(x).to(torch.uint8),
    "heat map": lambda x: x[:, 0].float(),
    "heat maps": lambda x: x[:, :2].float(),
    "masks by channel": lambda x: x[:, :2].gt(0.5).long(),
    "coarse mask": lambda x: bright(x)[:, ::2, ::2].long(),
    "coarse heat map": lambda x: x[:, :1, ::2, ::2].float(),
    "large image": lambda x: large(x[:, :1].float()),
    "large masks": lambda x: large(x[:, :2].gt(0.5).float()).long(),
    "stretched": lambda x: x.repeat_interleave(2, 3).float(),
    "matrices": lambda x: torch.rand(N, 4, 4, generator=GENERATOR),
    "channels last": lambda x: x.permute(0, 2, 3, 1).float(),
    "boxes": lambda x: torch.rand(N, 3, 4, generator=GENERATOR),
    "classes of steps": lambda x: torch.arange(N * HEIGHT).view(N, HEIGHT) % 2,
}
CHANGES = {"crop": {"crop": 2}, "flip": {"flip": True}, "cutout": {"cutout": 3}, "mixup": {"mixup": 0.5}}
CHANGES["rotate"] = {"rotate": 30}
CHANGES["zero"] = {"crop": 2, "padding": "zero"}

MOVED = ("mask", "mask of bytes", "heat map", "heat maps", "masks by channel")
ALONE = ("class", "small class", "value", "values", "counts", "several classes")
SCALED = ("coarse heat map", "large image", "large masks")
LOST = ("coarse mask", "channels last", "boxes", "stretched", "matrices")


class Own(tasks.Task):
    """A task of one's own, of any targets."""

    metrics = ("accuracy",)

    def __init__(self, x: Tensor, y: Tensor, outputs: int = 2) -> None:
        part = data.Split(x, y)
        self.data = data.Data("own", lambda: data.Splits(part, part, part, outputs))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(outputs, targets)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        return {"accuracy": (outputs.argmax(dim=1) == targets).float().mean().item()}


def own(inputs: str, targets: str) -> Own:
    x = INPUTS[inputs]
    return Own(x, TARGETS[targets](x))


def epoch(task: Own, change: dict[str, object]) -> tuple[Tensor, Tensor]:
    """Return the inputs and targets of an epoch."""
    splits, generator = task.data.splits, torch.Generator().manual_seed(1)
    pairs = list(batches.Shuffled(splits, [20, 20, 20], Training(**change), generator, most_bytes=20_000))
    return torch.cat([x for x, _ in pairs]), torch.cat([y for _, y in pairs])


def refusal(task: Own, change: dict[str, object]) -> str:
    try:
        check_training(task, Training(**change))
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("inputs", ["images", "bytes"])
@pytest.mark.parametrize("targets", MOVED)
@pytest.mark.parametrize("change", [{"crop": 2}, {"flip": True}, {"crop": 3, "flip": True}])
def test_dense_targets_move_with_their_images(inputs: str, targets: str, change: dict[str, object]) -> None:
    task = own(inputs, targets)
    assert refusal(task, change) == ""
    x, y = epoch(task, change)
    plain, _ = epoch(task, {})
    assert not torch.equal(x, plain)
    if targets == "masks by channel":
        expected = x[:, :2].gt(0.5).long()
    elif targets.startswith("mask"):
        expected = x[:, 0] > INPUTS[inputs][:, 0].float().mean()
    else:
        expected = x[:, :2] if targets == "heat maps" else x[:, 0]
    assert torch.equal(y.float(), expected.float())
    assert y.dtype == task.data.splits.train.y.dtype


@pytest.mark.parametrize("targets", SCALED)
def test_targets_of_another_size_are_flipped_with_their_images(targets: str) -> None:
    task = own("images", targets)
    assert refusal(task, {"flip": True}) == ""
    x, y = epoch(task, {"flip": True})
    plain, _ = epoch(task, {})
    assert not torch.equal(x, plain)
    if targets == "coarse heat map":
        # An image's pixel of an even column is in the last column of a pair in its mirror image.
        straight = (x == plain).flatten(1).all(1)
        expected = torch.where(straight[:, None, None, None], x[:, :1, ::2, ::2], x[:, :1, ::2, 1::2])
    else:
        expected = large(x[:, :1] if targets == "large image" else x[:, :2].gt(0.5).float())
    assert torch.equal(y.float(), expected)


@pytest.mark.parametrize("inputs", ["images", "bytes"])
@pytest.mark.parametrize("targets", MOVED)
def test_dense_targets_turn_with_their_images(inputs: str, targets: str) -> None:
    task, change = own(inputs, targets), CHANGES["rotate"]
    assert refusal(task, change) == ""
    (x, y), (plain, as_they_were) = epoch(task, change), epoch(task, {})
    assert not torch.equal(x, plain)
    assert y.dtype == as_they_were.dtype
    if targets in ("heat map", "heat maps"):
        expected = x[:, 0] if targets == "heat map" else x[:, :2]
        assert torch.allclose(y, expected.float(), atol=1 if inputs == "bytes" else 1e-6)  # bytes are rounded
        return
    assert set(y.unique().tolist()) <= set(as_they_were.unique().tolist())
    seen = x[:, :2].gt(0.5) if targets == "masks by channel" else bright(x)
    moved, unmoved = ((each.bool() == seen).float().mean() for each in (y, as_they_were))
    assert moved > unmoved + 0.1 or moved > 0.99  # of bytes nearly all are above 1/2


@pytest.mark.parametrize("kind", [torch.int64, torch.uint8])
def test_a_turned_mask_has_no_class_between_two(kind: torch.dtype) -> None:
    x = INPUTS["images"]
    task = Own(x, 200 * bright(x).to(kind), outputs=201)
    _, y = epoch(task, CHANGES["rotate"])
    assert y.unique().tolist() == [0, 200]


@pytest.mark.parametrize("targets", [*MOVED, *ALONE])
def test_a_cutout_leaves_targets_as_they_are(targets: str) -> None:
    task = own("images", targets)
    assert refusal(task, {"cutout": 3}) == ""
    (x, y), (plain, as_they_were) = epoch(task, {"cutout": 3}), epoch(task, {})
    assert not torch.equal(x, plain)
    assert torch.equal(y, as_they_were)


@pytest.mark.parametrize("targets", ALONE)
@pytest.mark.parametrize("change", ["crop", "flip", "zero", "rotate"])
def test_targets_of_a_whole_image_stay(targets: str, change: str) -> None:
    task = own("images", targets)
    assert refusal(task, CHANGES[change]) == ""
    assert torch.equal(epoch(task, CHANGES[change])[1], epoch(task, {})[1])


def test_maps_are_mixed_as_their_images_are() -> None:
    for targets, channels in (("heat map", 0), ("heat maps", slice(0, 2)), ("coarse heat map", None)):
        task = own("images", targets)
        assert refusal(task, {"mixup": 0.5}) == ""
        x, y = epoch(task, {"mixup": 0.5, "flip": channels is not None})
        assert torch.allclose(y, x[:, :1, ::2, ::2] if channels is None else x[:, channels], atol=1e-6)


@pytest.mark.parametrize("targets", ["class", "small class"])
def test_classes_of_any_type_are_mixed_as_shares(targets: str) -> None:
    task = own("images", targets)
    assert refusal(task, {"mixup": 0.5}) == ""
    _, y = epoch(task, {"mixup": 0.5})
    assert y.shape == (N, 2)
    assert torch.allclose(y.sum(dim=1), torch.ones(N))


@pytest.mark.parametrize(
    ("inputs", "targets", "change", "said"),
    [
        *[
            ("images", targets, change, "would not move with images")
            for targets in LOST
            for change in ("crop", "flip", "rotate")
        ],
        *[("images", targets, "zero", "use padding='reflect'") for targets in MOVED],
        *[
            ("images", targets, change, "move with them in flip=True alone: leave these two at 0")
            for targets in SCALED
            for change in ("crop", "rotate", "zero")
        ],
        *[
            ("images", targets, "mixup", "not the whole numbers of shape")
            for targets in ("mask", "coarse mask")
        ],
        ("images", "mask of bytes", "mixup", "not the whole numbers of shape"),
        ("images", "several classes", "mixup", "not the whole numbers of shape"),
        ("series", "classes of steps", "mixup", "not the whole numbers of shape"),
        ("images", "counts", "mixup", "go from 0 to 59 with 2 outputs"),
        *[
            (inputs, "class", change, "are for images")
            for inputs in ("series", "table", "volumes")
            for change in ("crop", "flip", "cutout", "zero", "rotate")
        ],
        ("series", "classes of steps", "flip", "are for images"),
    ],
)
@pytest.mark.parametrize("searched", [False, True])
def test_what_cannot_be_augmented_is_refused_before_the_first_trial(
    inputs: str, targets: str, change: str, said: str, searched: bool
) -> None:
    values = CHANGES[change]
    if searched:
        values = {
            name: real(0.0, value) if isinstance(value, float) else choose(type(value)(), value)
            for name, value in values.items()
            if name != "padding"
        } | ({"padding": choose("reflect", "zero")} if change == "zero" else {})
    task = own(inputs, targets)
    study = Study(
        "own",
        ops.seq(ops.flatten(), ops.linear(4)),
        task=task,
        objectives=[maximize("accuracy")],
        training=Training(**values),
    )
    with pytest.raises(UserError, match=said.replace("(", r"\(")) as refused:
        study.shape  # noqa: B018
    assert "\n" not in str(refused.value)


def test_every_pair_of_a_change_and_a_target_either_trains_or_is_refused() -> None:
    unmixed = {"counts", "several classes", "mask", "mask of bytes", "masks by channel", "coarse mask"}
    unmixed |= {"large masks"}
    refused = {
        "crop": {*LOST, *SCALED},
        "flip": {*LOST},
        "rotate": {*LOST, *SCALED},
        "cutout": set(),
        "zero": {*LOST, *MOVED, *SCALED},
        "mixup": unmixed,
    }
    for change, values in CHANGES.items():
        for targets in (*ALONE, *MOVED, *SCALED, *LOST):
            task = own("images", targets)
            assert bool(refusal(task, values)) == (targets in refused[change]), (change, targets)
            if targets not in refused[change]:
                x, y = epoch(task, values)
                assert len(x) == len(y) == N


def test_a_flipped_segmentation_is_learned_as_well_as_a_plain_one() -> None:
    """Which half of each image is bright: a mask that did not move would be wrong half of the time."""
    left = torch.rand(N, 1, 1, 1, generator=GENERATOR).lt(0.8)
    halves = (torch.arange(WIDTH) < WIDTH // 2).expand(N, HEIGHT, WIDTH) == left[:, 0]
    x = halves[:, None] + 0.3 * torch.randn(N, 1, HEIGHT, WIDTH, generator=GENERATOR)
    task = Own(x, halves.long())
    for change in ({}, {"flip": True}, {"crop": 2}):
        torch.manual_seed(0)
        module = torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 2, 1)
        )
        training = Training(epochs=9, batch_size=10, lr=1e-2, hopeless_after=0, **change)
        assert fit(module, task, training, device=torch.device("cpu"), seed=0)["accuracy"] > 0.95
