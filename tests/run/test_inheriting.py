"""Weights are handed down among the workers of a run."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial

from optnas.storages.opening import open_storage
from optnas.trials.record import INHERITED, PARENT, WORKER
from tests.files import assert_refused, call, finish, start

FILE = """
from optnas import Study, Training, choose, data, maximize, minimize, ops, tasks
from optnas.samplers import EvolutionSampler

study = Study(
    name="two",
    space=ops.seq(
        ops.conv(choose(2, 4, 6, 8, name="width"), kernel=choose(3, 5, name="kernel"), stride=2),
        ops.norm(),
        choose(ops.relu(), ops.mish(), name="activation"),
        ops.head(),
    ),
    task=tasks.classification(data.digits()),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=1, batch_size=256, inherit="parent"),
    sampler=EvolutionSampler(population=3, seed=0),
    pruner="none",
)
"""


def stored(folder: Path) -> list[FrozenTrial]:
    storage = open_storage(f"sqlite:///{folder}/optnas.db")
    return optuna.load_study(study_name="two", storage=storage).trials


def test_a_run_without_a_store_is_refused_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "two.py").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    assert_refused(call("run", "two.py", "--trials", 6, "--workers", 1, "--artifacts", "none"), "artifacts")


@pytest.mark.slow  # processes import PyTorch
def test_workers_hand_weights_down_to_those_that_come_later(tmp_path):
    (tmp_path / "two.py").write_text(FILE)
    finish(start("run", "two.py", "--trials", 8, "--workers", 1, folder=tmp_path))
    finish(start("run", "two.py", "--trials", 16, "--workers", 2, folder=tmp_path))
    found = stored(tmp_path)
    assert [trial.state.name for trial in found] == ["COMPLETE"] * 16
    heirs = [trial for trial in found if INHERITED.of(trial) is not None]
    assert len(heirs) >= 10
    assert all("share" in INHERITED.of(trial) for trial in heirs)
    of = {trial.number: WORKER.of(trial)["pid"] for trial in found}
    assert any(of[trial.number] != of[PARENT.of(trial)] for trial in heirs)
