"""Several trials at once in one process: their values, their totals, and what becomes of those that fail."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
import torch
from optuna.trial import FrozenTrial, TrialState
from torch import Tensor, nn

import optnas.run.lanes
from optnas import Study, Training, UserError, ZeroCost, choose, data, maximize, minimize, op, ops, tasks
from optnas.interrupts import stopping
from optnas.run.files import load_study
from optnas.run.lanes import work_in_lanes
from optnas.run.packing import Packing
from optnas.run.worker import work
from optnas.samplers.one_shot import OneShotSampler
from optnas.storages.opening import open_storage
from optnas.trials.record import INHERITED, METRICS, PIECES, REASON
from tests.files import REPOSITORY, call


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def study(*within: Any, artifacts: str | None = None, sampler: Any = "random", **training: Any) -> Study:
    width = choose(*range(2, 40), name="width")
    declared = Study(
        "lanes",
        ops.seq(ops.flatten(), ops.linear(width), *within, ops.relu(), ops.dropout(0.3), ops.head()),
        task=tasks.classification(data.digits()),
        objectives=[maximize("accuracy"), minimize("flops")],
        training=Training(**{"epochs": 2, "batch_size": 64, "lr": 1e-2, "flip": True, **training}),
        sampler=sampler,
        pruner="none",
    )
    declared.artifacts = artifacts
    return declared


def packed(declared: Study, folder: Path, trials: int, at_once: int, widths: Any = ()) -> list[FrozenTrial]:
    opened = declared.open(open_storage(f"sqlite:///{folder}/study.db"))
    for width in widths:
        opened.enqueue_trial({"width": width})
    work_in_lanes(declared, opened, trials, Packing(at_once))
    return opened.trials


def test_trials_have_the_values_that_they_have_one_after_the_other(tmp_path: Path) -> None:
    widths = [3, 8, 13, 21, 30, 34]
    found = {}
    for at_once in (1, 3):
        folder = tmp_path / str(at_once)
        folder.mkdir()
        trials = packed(study(), folder, len(widths), at_once, widths)
        assert {trial.state for trial in trials} == {TrialState.COMPLETE}
        found[at_once] = [METRICS.get(trial, {})["loss"] for trial in trials]
    assert found[1] == found[3]
    # And those that a worker without lanes finds.
    opened = study().open(optuna.storages.InMemoryStorage())
    for width in widths:
        opened.enqueue_trial({"width": width})
    work(study(), opened, len(widths))
    assert [METRICS.get(trial, {})["loss"] for trial in opened.trials] == found[1]


@pytest.mark.parametrize("sampler", ["gdas", "ehvi"])
def test_what_samplers_train_and_score_meanwhile_changes_no_trial(sampler: str, tmp_path: Path) -> None:
    found = {}
    for at_once in (1, 3):
        folder = tmp_path / str(at_once)
        folder.mkdir()
        declared = study(epochs=15)
        declared.sampler = sampler if sampler == "ehvi" else OneShotSampler(sampler, epochs=4, seed=0)
        if sampler == "ehvi":
            declared.warm_start, declared.zero_cost = "zero-cost", ZeroCost(scores=["naswot"], candidates=32)
        trials = packed(declared, folder, 4, at_once, widths=[3, 8])
        assert {trial.state for trial in trials} == {TrialState.COMPLETE}
        found[at_once] = [METRICS.get(trial, {})["loss"] for trial in trials[:2]]
    assert found[1] == found[3]


def test_weights_are_handed_down_among_trials_at_once(tmp_path: Path) -> None:
    declared = study(inherit="parent", sampler="evolution", artifacts=str(tmp_path / "store"))
    trials = packed(declared, tmp_path, 24, 3)
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    heirs = [found for trial in trials if "from" in (found := INHERITED.get(trial, {}))]
    assert heirs
    assert all(found["from"] < len(trials) for found in heirs)


def test_they_run_at_once_and_their_total_is_exact(tmp_path: Path) -> None:
    most = 0

    class Counting(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            nonlocal most
            opened = optuna.load_study(study_name="lanes", storage=f"sqlite:///{tmp_path}/study.db")
            most = max(most, sum(t.state == TrialState.RUNNING for t in opened.trials))
            return x

    counting = op(name="counts_lanes")(Counting)
    trials = packed(study(counting(), epochs=1, batch_size=2_000), tmp_path, 9, 3)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 9
    assert most == 3


def test_of_eight_at_once_one_for_which_memory_has_no_room_does_not_take_the_others_along(
    tmp_path: Path,
) -> None:
    alive: weakref.WeakSet[nn.Module] = weakref.WeakSet()
    refused = []

    class Large(nn.Module):
        """Stands for a network that fits into a memory which three others fit into as well."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            if x.device.type != "meta" and self.training:
                alive.add(self)
                if len(alive) > 4:
                    alive.discard(self)
                    refused.append(threading.get_ident())
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
            return x * self.weight

    large = op(name="large_in_lanes")(Large)
    trials = packed(study(large(), epochs=3), tmp_path, 8, 8)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 8
    assert refused
    # Whoever had no room tried once more alone, with whole batches.
    assert all(PIECES.of(trial) is None for trial in trials)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_values_on_a_gpu_are_those_of_trials_one_after_the_other(tmp_path: Path) -> None:
    widths = [3, 8, 13, 21, 30, 34, 5, 17]
    found = []
    for at_once in (1, 4):
        folder = tmp_path / str(at_once)
        folder.mkdir()
        trials = packed(study(epochs=10), folder, len(widths), at_once, widths)
        found.append([METRICS.get(trial, {})["loss"] for trial in trials])
    assert found[0] == pytest.approx(found[1], rel=1e-3)


def test_when_they_are_stopped_all_are_put_back_with_their_checkpoints(tmp_path: Path) -> None:
    declared = study(epochs=2_000, artifacts=str(tmp_path / "store"))
    opened = declared.open(open_storage(f"sqlite:///{tmp_path}/study.db"))
    stopped = threading.Event()

    def interrupt() -> None:
        while sum(trial.state == TrialState.RUNNING for trial in opened.get_trials()) < 3:
            time.sleep(0.05)
        time.sleep(1.0)
        stopped.set()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        work_in_lanes(declared, opened, 6, Packing(3))
    assert stopped.is_set()
    assert not stopping.asked()
    assert [trial.state for trial in opened.trials] == [TrialState.WAITING] * 3
    assert len(list((tmp_path / "store").rglob("*"))) >= 3


def test_a_step_that_hangs_in_its_turn_keeps_no_trial_from_being_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optnas.run.lanes, "STOP_SECONDS", 4.0)
    hangs, over = threading.Event(), threading.Event()

    class Hangs(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.device.type != "meta" and self.training and running() == 3:
                hangs.set()
                over.wait(60)
            return x

    def running() -> int:
        return sum(trial.state == TrialState.RUNNING for trial in opened.get_trials())

    def interrupt() -> None:
        assert hangs.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    declared = study(op(name="hangs_in_lanes")(Hangs)(), epochs=2_000)
    opened = declared.open(open_storage(f"sqlite:///{tmp_path}/study.db"))
    threading.Thread(target=interrupt, daemon=True).start()
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        work_in_lanes(declared, opened, 6, Packing(3))
    assert [trial.state for trial in opened.trials] == [TrialState.WAITING] * 3
    # Once the step goes on after all, nobody trains any further.
    over.set()
    until = time.monotonic() + 30
    while threading.active_count() >= before and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(each.name.startswith("lane ") for each in threading.enumerate())
    assert [trial.state for trial in opened.trials] == [TrialState.WAITING] * 3


def test_an_error_of_one_lane_stops_the_others_and_is_raised(tmp_path: Path) -> None:
    declared = study(epochs=2_000)
    opened = declared.open(open_storage(f"sqlite:///{tmp_path}/study.db"))

    calls = []

    def third_fails() -> bool:
        calls.append(1)
        if len(calls) == 3:
            while sum(trial.state == TrialState.RUNNING for trial in opened.get_trials()) < 2:
                time.sleep(0.05)
            raise UserError("of one lane")
        return True

    with pytest.raises(UserError, match="of one lane"):
        work_in_lanes(declared, opened, 6, Packing(3), should_continue=third_fails)
    assert [trial.state for trial in opened.trials] == [TrialState.WAITING] * 2


def test_over_two_hundred_trials_nothing_piles_up(tmp_path: Path) -> None:
    declared = study(epochs=1, batch_size=512)
    opened = declared.open(open_storage(f"sqlite:///{tmp_path}/study.db"))

    def held() -> dict[str, int]:
        gc.collect()
        tensors = sum(isinstance(each, Tensor) for each in gc.get_objects())
        return {
            "tensors": tensors,
            "threads": threading.active_count(),
            "files": psutil.Process().num_fds(),
            "memory": psutil.Process().memory_info().rss // 2**20,
        }

    work_in_lanes(declared, opened, 40, Packing(4))
    before = held()
    work_in_lanes(declared, opened, 240, Packing(4))
    after = held()
    assert len(opened.trials) == 240
    assert after["tensors"] <= before["tensors"] + 10
    assert after["threads"] <= before["threads"] + 4  # hearts that end at their next beat
    assert after["files"] <= before["files"] + 8
    assert after["memory"] <= before["memory"] + 60


def test_the_number_is_found_while_they_run_and_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = study(epochs=1, batch_size=512)
    opened = declared.open(open_storage(f"sqlite:///{tmp_path}/study.db"))
    packing = Packing(None, most=4)
    work_in_lanes(declared, opened, 120, packing)
    assert len(opened.trials) == 120
    assert packing.settled
    assert packing.rates.keys() >= {1, 2}
    said = [line for line in capsys.readouterr().err.splitlines() if "trials at once" in line]
    assert len(said) == 1
    assert f"from now on: {packing.count} (trials an hour: " in said[0]


@pytest.mark.parametrize("plan", [(8, 1, 8, 2), (1, 8)])
def test_the_number_may_fall_and_rise_while_they_run(plan: tuple[int, ...], tmp_path: Path) -> None:
    declared = study(epochs=1, batch_size=512)
    opened = declared.open(open_storage(f"sqlite:///{tmp_path}/study.db"))
    packing, ended = Packing(plan[0]), 0

    def changes(_: int) -> None:
        nonlocal ended
        ended += 1
        packing.count = plan[ended // 4 % len(plan)]

    work_in_lanes(declared, opened, 60, packing, finished=changes)
    assert [trial.state for trial in opened.trials] == [TrialState.COMPLETE] * 60


def test_an_interrupt_of_ones_own_code_is_not_lost(tmp_path: Path) -> None:
    class Interrupted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.device.type != "meta" and self.training:
                raise KeyboardInterrupt
            return x

    interrupted = op(name="interrupted_in_lanes")(Interrupted)
    with pytest.raises(KeyboardInterrupt):
        packed(study(interrupted()), tmp_path, 6, 2)


def test_a_study_that_stops_does_not_stop_another_one_of_its_process(tmp_path: Path) -> None:
    others = []

    def other() -> None:
        (tmp_path / "other").mkdir()
        others.extend(packed(study(epochs=40), tmp_path / "other", 6, 3))

    running = threading.Thread(target=other)
    running.start()

    def fails() -> bool:
        time.sleep(0.5)
        raise UserError("of the first")

    declared = study(epochs=2_000)
    opened = declared.open(open_storage(f"sqlite:///{tmp_path}/study.db"))
    with pytest.raises(UserError, match="of the first"):
        work_in_lanes(declared, opened, 6, Packing(2), should_continue=fails)
    running.join()
    assert [trial.state for trial in others] == [TrialState.COMPLETE] * 6


@pytest.mark.slow
def test_a_process_that_reads_ahead_and_is_killed_fails_the_trial_that_reads_from_it_alone(
    tmp_path: Path,
) -> None:
    armed = tmp_path / "armed"

    class Killed(torch.utils.data.Dataset[tuple[Tensor, int]]):
        def __len__(self) -> int:
            return 200

        def __getitem__(self, at: int) -> tuple[Tensor, int]:
            with contextlib.suppress(FileNotFoundError):
                armed.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            return torch.full((1, 4, 4), at / 200), at % 2

    declared = study(epochs=1)
    declared.task = tasks.classification(data.dataset(Killed(), memory=1, readers=1))
    declared.task.data.splits  # noqa: B018 - reads all of it, in a process, too
    armed.touch()
    trials = packed(declared, tmp_path, 4, 2)
    states = sorted(trial.state.name for trial in trials)
    assert states == ["COMPLETE", "COMPLETE", "COMPLETE", "FAIL"]
    [reason] = [found for trial in trials if (found := REASON.of(trial)) is not None]
    assert "a process that reads ahead has ended" in reason


@pytest.mark.parametrize("value", ["0", "many", "-1"])
def test_the_option_is_checked(value: str, tmp_path: Path) -> None:
    result = call("run", REPOSITORY / "studies" / "digits.py", "--trials", 2, "--trials-per-gpu", value)
    assert result.exit_code == 2
    assert "give a number of at least 1, or auto" in " ".join(result.output.split())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_on_the_cpu_workers_are_advised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = call("run", REPOSITORY / "studies" / "digits.py", "--trials", 2, "--trials-per-gpu", "auto")
    assert result.exit_code == 2
    assert "computes on the CPU here; give --workers" in " ".join(result.output.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["tabular.py:diabetes", "gan.py", "text.py:transformer", "diffusion.py", "recommending.py"]
)
def test_the_values_of_other_tasks_are_those_of_one_after_the_other(name: str, tmp_path: Path) -> None:
    found = []
    for at_once in (1, 3):
        folder = tmp_path / str(at_once)
        folder.mkdir()
        declared = load_study(str(REPOSITORY / "studies" / name))
        declared.sampler, declared.pruner = "random", "none"
        trials = packed(declared, folder, 5, at_once)
        found.append(
            [
                (trial.params, {**METRICS.get(trial, {}), "seconds": 0.0}, trial.values)
                for trial in trials
                if trial.state == TrialState.COMPLETE
            ]
        )
    assert found[0]
    assert found[0] == found[1]
