from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from optnas import Training, UserError, data, parse, tasks
from optnas.answers.centers import PRIOR, peaks
from optnas.space import Shapes
from optnas.tasks._centers import centers_loss, centers_of
from optnas.tasks._levels import of_levels
from optnas.train import fit
from optnas.train.loop import evaluate

pytest.importorskip("pycocotools", reason="it measures mean average precision")

CPU = torch.device("cpu")
BOXES = [[(0, 2, 3, 10, 9)], [], [(1, 4, 4, 12, 12), (0, 13, 0, 16, 8)], [(2, 0, 8, 5, 16)]] * 5


def scenes(boxes: list = BOXES, side: int = 16) -> data.Data:
    """Return pictures that show each box in the channel of its class."""
    pictures = np.zeros((len(boxes), 3, side, side), dtype=np.float32)
    for picture, of in zip(pictures, boxes, strict=True):
        for kind, left, top, right, bottom in of:
            picture[kind, int(top) : int(bottom), int(left) : int(right)] = 1
    return data.tensors(pictures, data.padded_boxes(boxes), targets="values", name="scenes", seed=1)


def told(boxes: Tensor, classes: int, side: int, stride: int, sure: float = 6.0) -> Tensor:
    """Return the output of a network that knows the boxes."""
    cells = side // stride
    found = torch.full((len(boxes), classes + 4, cells, cells), -9.0)
    for image, rows in enumerate(boxes):
        for kind, left, top, right, bottom in rows[rows[:, 0] >= 0].tolist():
            x, y = (left + right) / 2 / stride, (top + bottom) / 2 / stride
            i, j = int(y), int(x)
            found[image, int(kind), i, j] = sure
            place = (x - j, y - i, (right - left) / stride, (bottom - top) / stride)
            found[image, classes:, i, j] = torch.tensor(place)
    return found


class Known(nn.Module):
    """Returns fixed outputs, whatever comes in; batches are in order."""

    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs, self.at = outputs, 0

    def forward(self, x: Tensor) -> Tensor:
        self.at += len(x)
        return self.outputs[self.at - len(x) : self.at]


@pytest.mark.parametrize("stride", [2, 4])
def test_boxes_are_told_as_they_were(stride: int) -> None:
    truth = torch.from_numpy(data.padded_boxes(BOXES[:4]))
    found = peaks(told(truth, 3, 16, stride), 3, stride, most=5)
    for rows, of in zip(found, truth, strict=True):
        of = of[of[:, 0] >= 0]
        sure = rows[rows[:, 1] > 0.5]
        assert len(sure) == len(of)
        order = sure[:, 0].argsort(), of[:, 0].argsort()
        assert torch.allclose(sure[order[0]][:, [0, 2, 3, 4, 5]], of[order[1]], atol=1e-5)
    assert torch.equal(found, tasks.detected(told(truth, 3, 16, stride), stride=stride, most=5))


def test_neighbours_of_a_peak_are_no_boxes_and_the_surest_are_first() -> None:
    outputs = torch.full((1, 5, 4, 4), -9.0)
    outputs[0, 0, 1, 1:3] = torch.tensor([3.0, 2.0])
    outputs[0, 0, 3, 3] = 5
    found = peaks(outputs, 1, 4, most=16)[0]
    assert (found[:, 1] > 0.1).sum() == 2
    assert found[0, 1].item() == pytest.approx(1 / (1 + math.exp(PRIOR - 5)))
    assert found[1, 1].item() == pytest.approx(1 / (1 + math.exp(PRIOR - 3)))


def test_the_loss_is_the_paper_s() -> None:
    """Equations 1 to 4 written with loops."""
    truth = torch.from_numpy(data.padded_boxes(BOXES[:4]))
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(4, 7, 4, 4, generator=generator, dtype=torch.float64)
    wanted = centers_of(truth, 3, 4, 4, 4)
    expected, count = 0.0, 0
    for image in range(4):
        rows = truth[image][truth[image][:, 0] >= 0].tolist()
        heat = np.zeros((3, 4, 4))
        for kind, left, top, right, bottom in rows:
            x, y = (left + right) / 8, (top + bottom) / 8
            wide, high = (right - left) / 4, (bottom - top) / 4
            said = outputs[image, 3:, int(y), int(x)]
            place = torch.tensor([x - int(x), y - int(y), wide, high])
            off = (said - place).abs()
            expected += float(off[:2].sum() + 0.1 * off[2:].sum())
            count += 1
            for i in range(4):
                for j in range(4):
                    bump = math.exp(
                        -((j - int(x)) ** 2) / (2 * (0.54 * wide / 6) ** 2)
                        - (i - int(y)) ** 2 / (2 * (0.54 * high / 6) ** 2)
                    )
                    heat[int(kind), i, j] = max(heat[int(kind), i, j], bump)
        chance = (outputs[image, :3] - PRIOR).sigmoid().numpy()
        centre = heat == 1
        assert np.allclose(wanted.heat[image].numpy(), heat, atol=1e-6)
        expected -= ((1 - chance) ** 2 * np.log(chance))[centre].sum()
        expected -= ((1 - heat) ** 4 * chance**2 * np.log(1 - chance))[~centre].sum()
    assert centers_loss(outputs, wanted).item() == pytest.approx(expected / count, rel=1e-5)


def test_images_without_boxes_are_learned_to_have_none() -> None:
    nothing = torch.tensor([[[-1.0, 0, 0, 0, 0]]])
    outputs = torch.zeros(1, 7, 4, 4, requires_grad=True)
    centers_loss(outputs, centers_of(nothing, 3, 4, 4, 4)).backward()
    assert outputs.grad is not None
    assert (outputs.grad[:, :3] > 0).all()
    assert (outputs.grad[:, 3:] == 0).all()


def test_precision_is_as_computed_by_hand() -> None:
    task = tasks.detection(scenes([[(0, 0, 0, 8, 8), (1, 0, 8, 8, 16)], [(0, 4, 4, 12, 12)]] * 10))
    valid = task.data.splits.validation
    outputs = told(valid.y, 2, 16, 4)
    perfect = evaluate(Known(outputs), task, valid, lambda x: x)
    assert (perfect["map"], perfect["map50"]) == (pytest.approx(1), pytest.approx(1))
    # Boxes of class 1 are 12 pixels wide, not 8: an IoU of 2 / 3, above 0.5, 0.55, 0.6 and 0.65 of ten.
    wide = outputs.clone()
    seconds = valid.y[:, 1, 0] == 1
    assert 0 < seconds.sum() < len(seconds)
    wide[seconds, 2, 3, 1] += 0.5  # its centre two pixels to the right, so that it is not cut by the edge
    wide[seconds, 4, 3, 1] += 1
    found = evaluate(Known(wide), task, valid, lambda x: x)
    assert found["map50"] == pytest.approx(1)
    assert found["map"] == pytest.approx((1 + 0.4) / 2, abs=1e-3)
    # A surer box in each image where there is none halves the precision of class 0 at every recall.
    false = outputs.clone()
    false[:, 0, 0, 3] = 8
    metrics = evaluate(Known(false), task, valid, lambda x: x)
    assert metrics["map50"] == pytest.approx((0.5 + 1) / 2)


def test_a_network_learns_to_find_boxes_and_is_better_than_blobs() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    boxes = []
    for _ in range(120):
        kind, (left, top), (wide, high) = rng.integers(2), rng.uniform(1, 7, 2), rng.uniform(3, 8, 2)
        boxes.append([(kind, left, top, left + wide, top + high)])
    task = tasks.detection(scenes(boxes))
    task.check()
    block = "conv(16, stride=2), norm, relu"
    head = "conv(16), norm, relu, conv(6, 1, bias=True)"
    module = parse(f"seq({block}, {block}, {head})").build((3, 16, 16), **task.context)
    found = fit(module, task, Training(epochs=27, batch_size=8, lr=1e-2), device=CPU, seed=0)
    (blobs,) = task.baselines().values()
    assert 0.1 < blobs["map50"] < found["map50"]
    assert task.at_chance(found) is None
    assert task.at_chance({"map": 0.0, "map50": 0.0}) == "map50 is at chance: no box is found"


def test_a_network_ends_in_a_map_of_the_classes_and_places() -> None:
    assert tasks.detection(scenes()).output_shape == (7, 4, 4)
    assert tasks.detection(scenes(), stride=8).output_shape == (7, 2, 2)
    assert tasks.detection(scenes()).context == {"outputs": 7}


def test_what_cannot_be_learned_is_refused() -> None:
    with pytest.raises(UserError, match="stride=0"):
        tasks.detection(scenes(), stride=0)
    with pytest.raises(UserError, match=r"detection\(stride=5\) must divide images of 16×16"):
        tasks.detection(scenes(), stride=5).check()
    with pytest.raises(UserError, match=r"data\.padded_boxes"):
        tasks.detection(data.digits()).check()
    with pytest.raises(UserError, match="not in its image of 16×16"):
        tasks.detection(scenes([[(0, 10, 10, 40, 40)]] * 9)).check()
    rows = np.zeros((20, 1, 5), dtype=np.float32)
    with pytest.raises(UserError, match="left < right"):
        tasks.detection(data.tensors(np.ones((20, 1, 16, 16)), rows)).check()


def test_boxes_move_with_their_images_however_the_data_is_made() -> None:
    plain, declared = scenes(), data.tensors(torch.rand(20, 1, 16, 16), torch.ones(20, 1, 5), targets="boxes")
    own = data.Data("own", lambda: plain.splits)
    assert plain.splits.kinds is None
    for given in (plain, declared, own, data.tensors(np.ones((20, 1, 16, 16)), np.ones((20, 1, 5)))):
        assert tasks.detection(given).data.splits.kinds == "boxes"
    module = parse("seq(conv(7, stride=4, kernel=5))").build((3, 16, 16))
    training = Training(epochs=1, batch_size=8, flip=True, crop=4, padding="zero", hopeless_after=0)
    found = fit(module, tasks.detection(scenes()), training, device=CPU, seed=0)
    assert math.isfinite(found["loss"])


LEVELS = {"fine": 4, "coarse": 8}


def test_a_box_belongs_to_the_finest_map_that_it_does_not_exceed() -> None:
    small, large, edge = (0, 0, 0, 3, 8), (1, 0, 0, 4, 9), (2, 1, 1, 9, 5)
    boxes = torch.tensor([[small, large, edge, (-1, 0, 0, 0, 0)]], dtype=torch.float32)
    fine, coarse = of_levels(boxes, [*LEVELS.values()], reach=2)
    assert fine[0, :, 0].tolist() == [0, -1, 2, -1]
    assert coarse[0, :, 0].tolist() == [-1, 1, -1, -1]
    assert torch.equal(fine[..., 1:], boxes[..., 1:])
    assert of_levels(boxes, [4, 8, 16], reach=2)[2][0, :, 0].tolist() == [-1, -1, -1, -1]


def test_boxes_of_several_maps_are_told_as_they_were_and_once() -> None:
    truth = torch.from_numpy(data.padded_boxes(BOXES[:4]))
    task = tasks.detection(scenes(), stride=LEVELS, reach=2)
    parts = of_levels(truth, [4, 8], reach=2)
    for repeated in (False, True):
        fine = told(truth if repeated else parts[0], 3, 16, 4)
        coarse = told(truth if repeated else parts[1], 3, 16, 8, sure=4.0)
        for rows, of in zip(task.boxes({"fine": fine, "coarse": coarse}), truth, strict=True):
            of, sure = of[of[:, 0] >= 0], rows[rows[:, 1] > 0.5]
            order = sure[:, 0].argsort(), of[:, 0].argsort()
            assert torch.allclose(sure[order[0]][:, [0, 2, 3, 4, 5]], of[order[1]], atol=1e-5)


def test_a_map_learns_of_its_boxes_alone() -> None:
    task = tasks.detection(scenes(), stride=LEVELS, reach=2)
    truth = torch.from_numpy(data.padded_boxes(BOXES[:4]))
    parts = of_levels(truth, [4, 8], reach=2)
    right = {"fine": told(parts[0], 3, 16, 4), "coarse": told(parts[1], 3, 16, 8)}
    exchanged = {"fine": told(parts[1], 3, 16, 4), "coarse": told(parts[0], 3, 16, 8)}
    assert task.loss(right, truth) < 0.1 < 1 < task.loss(exchanged, truth)


def test_a_pyramid_finds_small_shapes_on_its_fine_map_and_large_ones_on_its_coarse_map() -> None:
    torch.set_num_threads(1)
    rng, boxes = np.random.default_rng(0), []
    for kind in rng.integers(0, 2, 100):
        side = 4 if kind == 0 else 14
        left, top = rng.integers(0, 24 - side, 2).tolist()
        boxes.append([(kind, left, top, left + side, top + side)])
    task = tasks.detection(scenes(boxes, side=24), stride=LEVELS, reach=2, most=5)
    task.check()
    stage = "conv(16, stride=2), norm, relu"
    head = "conv(16), norm, relu, conv(6, 1, bias=True)"
    pyramid = f"fpn(seq({stage}, {stage}), seq({stage}), width=16)"
    heads = f"fork(fine=seq(input('p0'), {head}), coarse=seq(input('p1'), {head}))"
    network = parse(f"seq({pyramid}, {heads})")
    assert network.cost((3, 24, 24)).shape == Shapes(task.output_shape)
    torch.manual_seed(0)
    module = network.build((3, 24, 24))
    training = Training(epochs=25, batch_size=10, lr=1e-2, flip=True)
    found = fit(module, task, training, device=CPU, seed=0)
    assert found["map50"] > 0.6
    x, y = task.data.splits.validation.x, task.data.splits.validation.y
    with torch.no_grad():
        outputs = module.eval()(task.data.splits.prepare(x))
    for name, kind in (("fine", 0), ("coarse", 1)):
        here = peaks(outputs[name], 2, LEVELS[name], most=1)[:, 0]
        sure = here[:, 1] > 0.3
        assert sure.float().mean() > 0.1
        assert (here[sure, 0] == kind).all()
        assert (y[sure, 0, 0] == kind).all()


def test_strides_of_several_maps_grow() -> None:
    with pytest.raises(UserError, match="name at least one map, the finest first"):
        tasks.detection(scenes(), stride={"coarse": 8, "fine": 4})
    with pytest.raises(UserError, match="name at least one map"):
        tasks.detection(scenes(), stride={})
    with pytest.raises(UserError, match="must be as the task's"):
        tasks.detected({"fine": torch.zeros(1, 7, 4, 4)})
    with pytest.raises(UserError, match="reach=0"):
        tasks.detection(scenes(), stride=LEVELS, reach=0)
    for name in ("most", "reach"):
        with pytest.raises(UserError, match=rf"detection\({name}=True\): give a whole number of at least 1"):
            tasks.detection(scenes(), stride=LEVELS, **{name: True})
    assert tasks.detection(scenes(), stride=LEVELS, most=2, reach=16).reach == 16


def test_without_pycocotools_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchmetrics.detection import mean_ap

    monkeypatch.setattr(mean_ap, "_PYCOCOTOOLS_AVAILABLE", False)
    monkeypatch.setattr(mean_ap, "_FASTER_COCO_EVAL_AVAILABLE", False)
    with pytest.raises(UserError, match="pip install pycocotools torchvision"):
        tasks.detection(scenes()).check()
