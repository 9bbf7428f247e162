"""Assessment of a trained network on the parts of its data."""

from __future__ import annotations

import collections
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from optnas import Training, data, maximize, parse, tasks
from optnas.winner.assessment import assess
from optnas.winner.full_training import Plan, train_seed


def test_the_network_runs_once_on_each_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    task = tasks.classification(data.sklearn("wine"))
    plan = Plan(
        parse("seq(linear(4), relu, head)"), task, Training(epochs=1, lr=1e-2), maximize("accuracy"), {}
    )
    trained = train_seed(plan, 0, tmp_path / "seed")
    seen: collections.Counter[int] = collections.Counter()
    forward = nn.Linear.forward

    def counted(self: nn.Linear, x: Tensor) -> Tensor:
        if self.in_features == task.data.shape[0]:  # the first layer
            seen[len(x)] += 1
        return forward(self, x)

    monkeypatch.setattr(nn.Linear, "forward", counted)
    found = assess(plan, [trained], [trained])
    parts = task.data.splits
    sizes = [len(parts.test), len(parts.validation)]
    assert [seen[size] for size in sizes] == [sizes.count(size) for size in sizes]
    assert found.calibration is not None
    assert set(found.calibration.parts) == {"validation", "test"}
    assert found.confusion is not None
    assert sum(map(sum, found.confusion["matrix"])) == len(parts.test)
    low, high = found.intervals["accuracy"]
    assert found.intervals["part"] == "test"
    assert 0 <= low <= high <= 1
