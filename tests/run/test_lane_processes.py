"""Processes with several trials at once: GPUs that break, signals and kills."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from optuna.trial import FrozenTrial, TrialState

from optnas import UserError
from optnas.run.files import load_study
from optnas.run.local import run_here, run_processes
from optnas.storages.opening import open_storage
from optnas.trials.record import BROKE, REASON
from tests.files import call


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


BREAKS = """
from pathlib import Path
import torch
from optnas import Study, Training, choose, data, maximize, minimize, op, ops, tasks

HERE = Path(__file__).parent

@op(name="breaks")
class Breaks(torch.nn.Module):
    def __init__(self, often):
        super().__init__()
        self.often = often

    def forward(self, x):
        if x.device.type != "meta" and self.often and self.training:
            count = len(list(HERE.glob("broke-*")))
            if count < self.often:
                (HERE / f"broke-{{count}}").touch()
                if x.is_cuda:  # as an index out of range of someone's own
                    torch.zeros(1, device=x.device)[torch.full((1,), 9, device=x.device)].item()
                raise RuntimeError("CUDA error: device-side assert triggered")
        return x

study = Study(
    "breaks",
    ops.seq(ops.flatten(), ops.linear(choose(*range(2, 40), name="width")),
        Breaks(choose(0, {often}, name="often")), ops.relu(), ops.head()),
    task=tasks.classification(data.digits()),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=2, batch_size=64, lr=1e-2),
    sampler="random",
    pruner="none",
)
"""


def broken(folder: Path, often: int, at_once: int) -> list[FrozenTrial]:
    """Run eight trials of which the third breaks the GPU, so many times."""
    file = folder / "breaks.py"
    file.write_text(BREAKS.format(often=often))
    declared, url = load_study(str(file)), f"sqlite:///{folder}/study.db"
    opened = declared.open(open_storage(url))
    for number in range(8):
        opened.enqueue_trial({"width": 3 + number, "often": often if number == 2 else 0})
    threads = torch.get_num_threads()
    run_processes(
        str(file),
        url,
        8,
        workers=1,
        threads=threads,
        at_once=at_once,
        tick=lambda: None,
        progress=lambda: sum(trial.state.is_finished() for trial in opened.get_trials(deepcopy=False)),
    )
    return opened.trials


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 3])
def test_a_trial_that_broke_the_gpu_is_trained_once_more_by_a_new_process(
    at_once: int, tmp_path: Path
) -> None:
    trials = broken(tmp_path, 1, at_once)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 8
    assert "device-side assert" in BROKE.get(trials[2], "")
    assert REASON.of(trials[2]) is None
    shown = call("show", 2, "--storage", f"sqlite:///{tmp_path}/study.db").output
    assert "broke, and the trial was trained once more: RuntimeError" in " ".join(shown.split())


@pytest.mark.slow
def test_one_that_breaks_it_twice_fails_and_the_others_complete(tmp_path: Path) -> None:
    trials = broken(tmp_path, 2, 3)
    states = [trial.state for trial in trials]
    assert states == [TrialState.FAIL if number == 2 else TrialState.COMPLETE for number in range(8)]
    assert "device-side assert" in REASON.get(trials[2], "")
    assert len(list(tmp_path.glob("broke-*"))) == 2


def test_without_worker_processes_it_ends_the_run_in_one_line_and_is_put_back(tmp_path: Path) -> None:
    file = tmp_path / "breaks.py"
    file.write_text(BREAKS.format(often=1))
    declared = load_study(str(file))
    opened = declared.open(open_storage(f"sqlite:///{tmp_path}/study.db"))
    opened.enqueue_trial({"width": 3, "often": 1})
    with pytest.raises(UserError, match=r"trial 0: .*device-side assert.*run it again") as told:
        run_here(declared, opened, 2, threads=1, tick=lambda: None)
    assert "\n" not in str(told.value)
    assert opened.trials[0].state == TrialState.WAITING
    run_here(declared, opened, 2, threads=1, tick=lambda: None)
    assert [trial.state for trial in opened.trials] == [TrialState.COMPLETE] * 2


def test_a_process_that_is_stopped_puts_all_of_its_trials_back(tmp_path: Path) -> None:
    file = tmp_path / "breaks.py"
    file.write_text(BREAKS.format(often=1).replace("epochs=2", "epochs=2_000"))
    declared, url = load_study(str(file)), f"sqlite:///{tmp_path}/study.db"
    opened = declared.open(open_storage(url))
    for number in range(6):
        opened.enqueue_trial({"width": 3 + number, "often": 0})
    code = (
        "import sys; from optnas.run.local import run_processes; from optnas.interrupts.signals import *\n"
        "with stop_on_signals():\n"
        f"    run_processes({str(file)!r}, {url!r}, 6, workers=1, threads=1, at_once=3,"
        " tick=lambda: None, progress=lambda: 0)"
    )
    run = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while sum(t.state == TrialState.RUNNING for t in opened.get_trials()) < 3:
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(1.0)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=30)
    assert {trial.state for trial in opened.get_trials()} == {TrialState.WAITING}


@pytest.mark.slow
def test_after_a_kill_the_total_is_exact_and_no_trial_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "breaks.py"
    file.write_text(
        BREAKS.format(often=1).replace("epochs=2", "epochs=60").replace("choose(0, 1", "choose(0")
    )
    declared, url = load_study(str(file)), f"sqlite:///{tmp_path}/study.db"
    opened = declared.open(open_storage(url))
    killed: list[int] = []

    def tick() -> None:
        trials = opened.get_trials(deepcopy=False)
        done = sum(trial.state.is_finished() for trial in trials)
        if len(killed) < 2 and done >= 4 * (1 + len(killed)):
            for process in psutil.Process().children(recursive=True):
                if "optnas.run.process" in " ".join(process.cmdline()):
                    killed.append(process.pid)
                    process.kill()
                    return

    run_processes(
        str(file),
        url,
        24,
        workers=2,
        threads=1,
        at_once=3,
        tick=tick,
        progress=lambda: sum(trial.state.is_finished() for trial in opened.get_trials(deepcopy=False)),
    )
    assert len(killed) == 2
    assert len(opened.trials) == 24
    assert {trial.state for trial in opened.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
