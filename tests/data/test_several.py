"""Data of several inputs and targets, by name or in a tuple."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from optnas import UserError, data
from optnas.data.schemas import schema_of, schema_record
from optnas.space import Shapes

N = 40
USER, PICTURE = np.arange(N) % 7, np.random.default_rng(0).normal(5, 3, (N, 1, 4, 4))
KIND, VALUE = np.arange(N) % 3, np.linspace(0, 1, N)


def test_ids_stay_whole_numbers_and_the_rest_is_normalised() -> None:
    splits = data.tensors({"user": USER, "picture": PICTURE}, KIND, kinds={"user": "ids"}).splits
    assert splits.train.shape == Shapes({"user": (), "picture": (1, 4, 4)})
    prepared = splits.prepare(splits.train.x)
    assert prepared["user"].dtype == torch.int64
    assert set(prepared["user"].tolist()) <= set(range(7))
    assert prepared["picture"].mean().abs() < 1e-5


def test_inputs_and_targets_of_one_sample_stay_together() -> None:
    splits = data.tensors({"a": np.arange(N), "b": np.arange(N)}, {"c": VALUE * (N - 1)}, kinds="ids").splits
    for part in (splits.train, splits.validation, splits.test):
        assert torch.equal(part.x["a"], part.x["b"])
        assert torch.allclose(part.x["a"].float(), part.y["c"], atol=1e-4)


def test_several_targets_have_a_kind_and_outputs_each() -> None:
    splits = data.tensors(PICTURE, {"kind": KIND, "value": VALUE}).splits
    assert splits.outputs == {"kind": 3, "value": 1}
    assert splits.train.y["kind"].dtype == torch.int64
    assert splits.train.y["value"].dtype == torch.float32
    splits = data.tensors(PICTURE, {"kind": KIND, "value": KIND}, targets={"value": "values"}).splits
    assert splits.train.y["value"].dtype == torch.float32


def test_a_tuple_of_arrays_is_several_and_one_of_samples_is_not() -> None:
    several = data.tensors((USER[:, None], PICTURE), KIND)
    assert several.shape == Shapes({"0": (1,), "1": (1, 4, 4)})
    x, y = zip(*((torch.from_numpy(p), int(k)) for p, k in zip(PICTURE, KIND, strict=True)), strict=True)
    assert data.tensors(x, y).shape == (1, 4, 4)
    both = data.tensors((USER[:, None], PICTURE), (KIND, VALUE)).splits
    assert both.outputs == (3, 1)


def test_a_class_for_each_pixel_and_values_of_any_shape_are_targets() -> None:
    mask = np.random.default_rng(0).integers(0, 4, (N, 4, 4))
    splits = data.tensors(PICTURE, mask).splits
    assert splits.train.y.shape[1:] == (4, 4)
    assert splits.train.y.dtype == torch.int64
    assert splits.outputs == 4
    boxes = np.random.default_rng(0).random((N, 5, 4))
    assert data.tensors(PICTURE, boxes).splits.train.y.shape[1:] == (5, 4)


@pytest.mark.parametrize(
    ("x", "more", "said"),
    [
        ({"a": USER, "b": PICTURE[:9]}, {"kinds": {"a": "ids"}}, "have \\[9, 40\\] samples"),
        ({"a": USER}, {"kinds": {"b": "ids"}}, "kinds= names 'b', and there is a"),
        ({"a": USER}, {"kinds": "names"}, "must be 'numbers', 'raw' or 'ids'"),
        ({"a": USER - 1}, {"kinds": "ids"}, "an id is -1"),
        ({"a": USER + 0.5}, {"kinds": "ids"}, "must be whole numbers"),
        ({"a": USER}, {}, "inputs of shape"),
        ({"a": USER[:, None] + 2**24}, {"kinds": "raw"}, "whole numbers beyond 16,777,216"),
        (PICTURE, {"kinds": {"a": "ids"}}, "kinds= names 'a', and there is one tensor"),
    ],
)
def test_what_does_not_fit_is_one_line(x: Any, more: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        data.tensors(x, KIND, **more).splits  # noqa: B018
    assert "\n" not in str(refused.value)


def test_raw_inputs_stay_as_they_are_in_training_and_in_what_users_give() -> None:
    linked = np.random.default_rng(0).random((N, 5, 5)) < 0.3
    held = data.tensors(
        {"x": PICTURE, "adjacency": linked}, KIND, kinds={"adjacency": "raw"}, split=data.by_time()
    )
    splits = held.splits
    prepared = splits.prepare(splits.train.x)["adjacency"]
    assert prepared.dtype == torch.float32
    assert np.array_equal(prepared.numpy(), linked[: len(prepared)])
    assert splits.prepare(splits.train.x)["x"].mean().abs() < 1e-5
    schema = schema_of(schema_record(held.schema))
    given = schema.tensors({"x": PICTURE[:3], "adjacency": linked[:3]})
    assert torch.equal(schema.preparation()(given)["adjacency"], prepared[:3])


@pytest.mark.parametrize(("layout", "shape"), [("auto", (6, 7, 3)), ("channels_last", (3, 6, 7))])
def test_raw_inputs_keep_the_order_of_their_axes_unless_a_layout_is_given(
    layout: str, shape: tuple[int, ...]
) -> None:
    pictures = np.random.default_rng(0).random((N, 6, 7, 3)).astype(np.float32)
    held = data.tensors(pictures, KIND, kinds="raw", layout=layout, split=data.by_time())
    expected = torch.from_numpy(pictures if layout == "auto" else pictures.transpose(0, 3, 1, 2))
    assert held.shape == shape
    assert torch.equal(held.splits.train.x, expected[: len(held.splits.train.x)])
    schema = schema_of(schema_record(held.schema))
    assert schema.shape == shape
    assert torch.equal(schema.preparation()(schema.tensors(pictures)), expected)


def test_an_error_of_one_of_several_inputs_or_targets_names_it() -> None:
    square = np.zeros((N, 5, 5))
    for x, y, said in (
        ({"x": PICTURE, "near": square}, KIND, "input 'near': .*layout={'near': 'channels_last'}"),
        ({"x": PICTURE, "near": square}, KIND, "kinds={'near': 'raw'}"),
        ({"x": PICTURE, "near": square * np.nan}, KIND, "input 'near': sample 0 holds"),
        ((PICTURE, square), KIND, "input '1': "),
        (PICTURE, {"kind": KIND, "value": VALUE[:3]}, "target 'value': .* do not fit 40 inputs"),
    ):
        with pytest.raises(UserError, match=said):
            data.tensors(x, y).splits  # noqa: B018
