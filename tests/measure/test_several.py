"""A network of several inputs and heads is measured, and the machine shared out, as of one tensor."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
import torch
from safetensors.torch import save
from torch import nn

from optnas import Measuring, Study, Training, choose, maximize, minimize, ops
from optnas.measure import measuring
from optnas.measure.measuring import measure
from optnas.run.gpus import held_bytes, network_bytes
from optnas.run.resources import _steps, default_workers
from tests.train.test_several import NETWORK, PICTURE, Both

TRAINING = Training(epochs=1, batch_size=32, device="cpu")
SHAPE = {"user": (), "picture": (1, 6, 6)}


def make() -> nn.Module:
    module: nn.Module = NETWORK.build(SHAPE)
    return module


class Joules:
    """Energy counters that count what is run by their readings."""

    def __init__(self) -> None:
        self.reads = 0

    def read(self) -> list[int]:
        self.reads += 1
        return [self.reads]

    def joules(self, before: Any, after: Any) -> float:
        return float(after[0] - before[0])


def test_size_memory_latency_and_energy_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "energy_meter", lambda device: Joules())
    task = Both()
    names = ("size", "peak_memory", "latency_ms", "energy")
    found = measure(names, make, task, TRAINING, Measuring(batch=4))
    assert found["size"] == len(save(make().state_dict()))
    assert found["latency_ms"] > 0
    assert found["energy"] > 0
    weights = sum(each.numel() for each in make().parameters())
    # Weights, gradients and the two moments of Adam, and no more than a few times the batch beside.
    assert 4 * 4 * weights < found["peak_memory"] < 4 * 4 * weights + 40 * 32 * (36 + 8) * 4
    larger = measure(
        ("peak_memory",), make, task, Training(epochs=1, batch_size=120, device="cpu"), Measuring()
    )
    assert larger["peak_memory"] > found["peak_memory"]


def study(**changes: Any) -> Study:
    space = ops.seq(NETWORK.children[0], ops.linear(choose(4, 8, name="width")), NETWORK.children[-1])
    settings: dict[str, Any] = {"task": Both(), "training": TRAINING, "objectives": [maximize("accuracy")]}
    return Study("several", space, **{**settings, **changes})


def test_workers_threads_and_gpus_are_estimated_by_networks_of_all_inputs() -> None:
    made = study()
    assert default_workers(made) >= 1
    steps = _steps(made)
    assert steps
    for step in steps:
        step()
    parts = made.task.data.splits  # type: ignore[union-attr]
    assert held_bytes(made) == 8 * 240 + PICTURE.numel() * 4
    weights = sum(each.numel() for each in make().parameters())
    assert network_bytes(made) > 4 * (len(parts.validation) * 36 + 5 * weights)


def test_latency_and_diversity_are_objectives() -> None:
    made = study(objectives=[minimize("latency_ms"), maximize("diversity")])
    opened = made.open(optuna.storages.InMemoryStorage())
    opened.enqueue_trial({"width": 4})
    opened.enqueue_trial({"width": 8})
    opened.optimize(made.objective, n_trials=2)
    assert [trial.state.name for trial in opened.trials] == ["COMPLETE"] * 2
    assert [trial.values[1] for trial in opened.trials] == [1.0, 1.0]
    assert all(trial.values[0] > 0 for trial in opened.trials)


def test_the_batch_of_a_measurement_is_of_every_input() -> None:
    x = measuring._batch(Both(), 3, torch.device("cpu")).inputs
    assert {name: tuple(each.shape) for name, each in x.items()} == {"user": (3,), "picture": (3, 1, 6, 6)}
    many = measuring._batch(Both(), 500, torch.device("cpu")).inputs
    assert {len(each) for each in many.values()} == {500}, "repeated where there are fewer samples"
