"""Several trials at once whose networks are measured: each alone, while the others wait."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from optuna.trial import FrozenTrial, TrialState

from optnas import Study, Training, choose, data, maximize, minimize, ops, tasks
from optnas.measure.rounds import Round, measure_rounds
from optnas.run.lanes import work_in_lanes
from optnas.run.packing import Packing
from optnas.storages.opening import open_storage
from optnas.train import lanes
from optnas.trials.record import COSTS, METRICS


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def measured(folder: Path, objective: str, at_once: int) -> list[FrozenTrial]:
    folder.mkdir()
    declared = Study(
        "measured",
        ops.seq(ops.flatten(), ops.linear(choose(*range(2, 40), name="width")), ops.relu(), ops.head()),
        task=tasks.classification(data.digits()),
        objectives=[maximize("accuracy"), minimize(objective)],
        training=Training(epochs=2, batch_size=32, lr=1e-2, hopeless_after=0),
        sampler="random",
        pruner="none",
    )
    opened = declared.open(open_storage(f"sqlite:///{folder}/study.db"))
    for number in range(9):
        opened.enqueue_trial({"width": 2 + 4 * number})
    running = threading.Thread(
        target=work_in_lanes, args=(declared, opened, 9, Packing(at_once)), daemon=True
    )
    running.start()
    running.join(120)
    assert not running.is_alive()
    assert {trial.state for trial in opened.trials} == {TrialState.COMPLETE}
    return opened.trials


def test_peak_memory_is_that_of_one_after_the_other(tmp_path: Path) -> None:
    alone, together = (measured(tmp_path / str(at_once), "peak_memory", at_once) for at_once in (1, 4))
    assert [COSTS.get(trial, {})["peak_memory"] for trial in together] == [
        COSTS.get(trial, {})["peak_memory"] for trial in alone
    ]
    assert [METRICS.get(trial, {})["loss"] for trial in together] == [
        METRICS.get(trial, {})["loss"] for trial in alone
    ]


def test_before_it_is_measured_again_others_have_the_turn() -> None:
    pauses, other_had_it = threading.Event(), threading.Event()
    found: list[float] = []

    def near(_: Mapping[str, float]) -> bool:
        pauses.set()
        return True

    def measures() -> None:
        with lanes.in_lane(torch.device("cpu")), lanes.turn():
            rounds = measure_rounds(
                lambda names: {name: Round(float(other_had_it.is_set())) for name in names},
                ["latency_ms"],
                near,
                [1.0],
            )
            found.extend(once.figure for once in rounds["latency_ms"])

    def other() -> None:
        with lanes.in_lane(torch.device("cpu")):
            assert pauses.wait(30)
            with lanes.turn():
                other_had_it.set()

    both = [threading.Thread(target=each) for each in (measures, other)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(60)
    assert found == [0.0, 1.0]
