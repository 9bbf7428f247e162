"""Confidence intervals of test metrics by resampling samples."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from optnas import data, tasks
from optnas.winner.intervals import has_intervals, intervals
from optnas.winner.part_outputs import outputs_of


def test_the_interval_of_accuracy_is_that_of_a_share_of_as_many_samples() -> None:
    x = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(2000, generator=torch.Generator().manual_seed(1))
    task = tasks.classification(data.tensors(x, (x[:, 0] + noise > 0).long(), name="noisy"))
    parts = task.data.splits
    network = nn.Linear(2, 2)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[-1.0, 0], [1, 0]]))
        network.bias.zero_()
    outputs = outputs_of(network, parts.test, parts.prepare)
    found = intervals(task, outputs, parts.test.y)
    accuracy = task.measure(outputs, parts.test.y)["accuracy"]
    expected = 1.96 * math.sqrt(accuracy * (1 - accuracy) / len(parts.test))
    low, high = found["accuracy"]
    assert low < accuracy < high
    assert (high - low) / 2 == pytest.approx(expected, rel=0.15)
    assert found == intervals(task, outputs, parts.test.y)
    assert has_intervals(task)
    assert intervals(task, outputs[:1], parts.test.y[:1]) == {}


def test_what_is_measured_by_an_evaluation_of_its_own_has_no_interval() -> None:
    images = torch.randn(40, 1, 8, 8)
    task = tasks.segmentation(data.tensors(images, (images[:, 0] > 0).long(), name="masks"))
    assert not has_intervals(task)
