"""Whatever the order of an array's axes, a network gets its features normalised each for itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from optnas import Training, UserError, data, parse, tasks
from optnas.train import fit
from tests.data.images import Pairs

RNG = np.random.default_rng(0)
CLASSES = np.arange(120) % 2
# (samples, length, features): a temperature in °C, a pressure in Pa, and a signal with a tiny deviation.
SCALES, CENTRES = np.array([1, 2000, 1e-1]), np.array([20, 101_325, 1e5])
SERIES = RNG.normal(size=(120, 10, 3)) * SCALES + CENTRES


def made(by: str, x: object, **options: object) -> data.Data:
    """Return data of arrays, of a data set that is held, or of one that is streamed."""
    if by == "tensors":
        return data.tensors(x, CLASSES[: len(x)], **options)
    memory = 0 if by == "streamed" else 1e9
    return data.dataset(Pairs(x, CLASSES[: len(x)]), memory=memory, readers=0, **options)


def train_inputs(held: data.Data) -> Tensor:
    """Return the training part as a network gets it."""
    splits = held.splits
    return torch.cat([splits.prepare(x) for x, _ in splits.train.blocks(50)])


MADE = ["tensors", "held", "streamed"]


@pytest.mark.parametrize("by", MADE)
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_a_sequence_is_normalised_by_feature_in_either_layout(by: str, layout: str) -> None:
    given = SERIES if layout == "channels_last" else SERIES.transpose(0, 2, 1)
    held = made(by, given, layout=layout)
    inputs = train_inputs(held)
    assert held.shape == inputs.shape[1:] == (10, 3)
    assert inputs.dtype == torch.float32
    assert torch.allclose(inputs.mean(dim=(0, 1)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(inputs.std(dim=(0, 1), correction=0), torch.ones(3), atol=1e-5)
    # One straight line for a feature, with nothing lost of 1e5 ± 0.1.
    expected = (SERIES - CENTRES) / SCALES
    numbers = data.tensors(np.arange(120)[:, None], CLASSES).splits  # which samples are in the training part
    rows = (numbers.train.x[:, 0]).long().numpy()
    for feature in range(3):
        fitted = np.corrcoef(expected[rows, :, feature].ravel(), inputs[..., feature].numpy().ravel())[0, 1]
        assert 1 - fitted < 1e-10


@pytest.mark.parametrize("type_", [np.int64, np.int32, np.float64])
@pytest.mark.parametrize("by", MADE)
def test_a_large_number_keeps_its_small_differences(by: str, type_: type) -> None:
    x = (10**9 + RNG.integers(0, 8, size=(120, 2))).astype(type_)
    inputs = train_inputs(made(by, x))
    assert len(inputs[:, 0].unique()) == 8
    assert torch.allclose(inputs.std(dim=0, correction=0), torch.ones(2), atol=1e-4)


@pytest.mark.parametrize("by", MADE)
@pytest.mark.parametrize("value", [0.1, 101_325.7, 1e-9])
def test_a_constant_feature_of_a_sequence_is_zero(by: str, value: float) -> None:
    x = np.full((120, 10, 2), value)
    x[..., 1] = RNG.normal(size=(120, 10))
    inputs = train_inputs(made(by, x, layout="channels_last"))
    assert inputs[..., 0].abs().max() < 1e-6
    assert inputs[..., 1].std() == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize("by", MADE)
@pytest.mark.parametrize(
    ("given", "layout", "taken"),
    [
        ((7, 1), "auto", (7, 1)),
        ((1, 7), "auto", (7, 1)),
        ((1, 7), "channels_last", (1, 7)),
        ((6, 8), "channels_last", (6, 8)),
        ((6, 8), "channels_first", (8, 6)),
        ((3, 6, 8), "auto", (3, 6, 8)),
        ((1, 6, 8), "auto", (1, 6, 8)),
        ((6, 8, 1), "auto", (1, 6, 8)),
        ((6, 8, 3), "auto", (3, 6, 8)),
        ((6, 8, 4), "auto", (4, 6, 8)),
        ((3, 4, 4), "auto", (3, 4, 4)),
        ((6, 8, 3), "channels_first", (6, 8, 3)),
        ((3, 6, 8), "channels_last", (8, 3, 6)),
        ((10, 8, 8), "auto", (10, 8, 8)),
        ((8, 8, 10), "auto", (8, 8, 10)),
        ((8, 8, 2), "channels_last", (2, 8, 8)),
        ((5, 6, 8, 3), "auto", (3, 5, 6, 8)),
        ((3, 5, 6, 8), "auto", (3, 5, 6, 8)),
        ((5, 3, 6, 8), "channels_first", (5, 3, 6, 8)),
        ((9,), "auto", (9,)),
    ],
)
def test_axes_are_ordered_as_ops_take_them(by: str, given: tuple, layout: str, taken: tuple) -> None:
    x = RNG.integers(0, 255, size=(30, *given), dtype=np.uint8)
    held = made(by, x, layout=layout, test=0)
    inputs = train_inputs(held)
    assert held.shape == inputs.shape[1:] == taken
    # Every sample is that of one given, axes moved: their sums over each axis agree.
    stored = torch.cat([block for block, _ in held.splits.train.blocks(50)]).long()
    sums = {tuple(np.sort(sample.sum(axis=0).ravel())) for sample in x.astype(int)}
    axis = 0 if taken == given else taken.index(given[0])
    assert {tuple(np.sort(sample.sum(dim=axis).flatten().numpy())) for sample in stored} <= sums


@pytest.mark.parametrize("by", MADE)
@pytest.mark.parametrize(
    ("given", "layout", "said"),
    [
        (
            (6, 8),
            "auto",
            r"\(30, 6, 8\) are 8 time steps of 6 features \(say layout='channels_first'\), 6 time steps of 8"
            r" features \(layout='channels_last'\), or grey images \(give x\[:, None\]\)",
        ),
        ((8, 8), "auto", "are 8 time steps of 8 features"),
        ((8, 8, 2), "auto", r"8 channels of 8×2 \(say layout='channels_first'\) or 2 of 8×8"),
        ((4, 6, 3), "auto", "4 channels of 6×3 .* or 3 of 4×6"),
        ((5, 3, 6, 8), "auto", r"frames of 3 channels need x.swapaxes\(1, 2\)"),
        ((6, 8), "channels", "layout='channels' must be one of 'auto', 'channels_first', 'channels_last'"),
        ((6,), "channels_last", "a series of one feature is"),
    ],
)
def test_a_layout_that_cannot_be_known_is_asked_for(by: str, given: tuple, layout: str, said: str) -> None:
    x = RNG.integers(0, 255, size=(30, *given), dtype=np.uint8)
    with pytest.raises(UserError, match=said) as refused:
        made(by, x, layout=layout).splits  # noqa: B018
    assert "\n" not in str(refused.value)


def test_a_picture_of_pillow_needs_no_layout() -> None:
    from PIL import Image

    pictures = [Image.fromarray(RNG.integers(0, 255, size=(8, 6, 3), dtype=np.uint8)) for _ in range(30)]
    assert made("held", pictures).shape == (3, 8, 6)
    with pytest.raises(UserError, match="not for Pillow's images"):
        made("held", pictures, layout="channels_last").splits  # noqa: B018


@pytest.mark.parametrize(
    "array",
    [
        RNG.integers(0, 2**16, size=(30, 1, 6, 6), dtype=np.uint16),
        RNG.integers(0, 2**16, size=(30, 1, 6, 6)).astype(">u2"),
        RNG.integers(0, 2**32, size=(30, 1, 6, 6), dtype=np.uint32),
        RNG.normal(size=(30, 1, 6, 6))[:, :, ::-1],
        torch.from_numpy(RNG.normal(size=(30, 1, 6, 6))).to(torch.bfloat16),
    ],
    ids=["uint16", "big endian", "uint32", "flipped", "bfloat16"],
)
def test_numbers_of_any_type_are_taken(array: object) -> None:
    inputs = train_inputs(made("held", array))
    assert inputs.dtype == torch.float32
    assert inputs.mean().item() == pytest.approx(0, abs=1e-5)
    assert inputs.std(correction=0).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("by", MADE)
def test_complex_numbers_are_refused(by: str) -> None:
    with pytest.raises(UserError, match="complex"):
        made(by, RNG.normal(size=(30, 6)) + 1j).splits  # noqa: B018


def shifts(samples: int = 400, length: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Return series of two features, and whether both rise: the one by 1 of 20, the other by 2000 of 1e5."""
    rng = np.random.default_rng(0)
    rises = rng.integers(2, size=(samples, 1, 2))
    x = rng.normal(0, 0.3, size=(samples, length, 2)) + rises * (np.arange(length) > length / 2)[:, None]
    return x * [1, 2000] + [20, 101_325], rises.prod(axis=(1, 2))


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("text", ["seq(gru(8), head)", "seq(conv1d(8), relu, head)"])
def test_a_network_learns_from_raw_series_what_it_learns_from_standardised_ones(
    layout: str, text: str
) -> None:
    x, y = shifts()
    by_hand = (x - x.mean(axis=(0, 1))) / x.std(axis=(0, 1))

    def accuracy(given: np.ndarray, layout: str) -> float:
        task = tasks.classification(data.tensors(given, y, layout=layout))
        torch.manual_seed(0)
        module = parse(text).build(task.data.shape, outputs=2)
        training = Training(epochs=15, batch_size=16, lr=1e-2)
        return fit(module, task, training, device=torch.device("cpu"), seed=0)["accuracy"]

    raw = accuracy(x if layout == "channels_last" else x.transpose(0, 2, 1), layout)
    assert raw > 0.95
    assert raw == pytest.approx(accuracy(by_hand, "channels_last"), abs=0.0126)  # one sample of 80
