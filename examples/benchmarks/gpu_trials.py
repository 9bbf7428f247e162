"""Parts of gpu_report.py about whole trials: how many an hour, where their time goes, what if memory ends."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import math
import multiprocessing
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import optuna
import torch
from gpu import wait, watched
from gpu_workload import FAMILIES, Row, Setting, architectures, enqueued, study_of, task
from optuna.trial import FrozenTrial, TrialState
from throughput import todays_loop, tuned_loop

from optnas import Study, Training, parse
from optnas import trial as trial_module
from optnas.checkpoints.resume import Resumption
from optnas.run.claims import Claims
from optnas.run.gpus import fitting_workers
from optnas.run.lanes import work_in_lanes
from optnas.run.packing import Packing
from optnas.run.worker import work
from optnas.storages.opening import open_storage
from optnas.train import cores, fit, loop, use_threads
from optnas.train.graph import CudaRecorder

# What is left of a part's time when the last trial of a worker begins, for it to end.
_LAST_TRIAL_SECONDS = 10
# And when the last trial of a loop ends.
_SUMS_SECONDS = 2

FORK = multiprocessing.get_context("fork")


# Trials an hour


def optnas_alone(setting: Setting) -> Iterator[Row]:
    """Trials of optnas with one worker."""
    yield from _by_optnas(setting, 1)


def optnas_auto(setting: Setting) -> Iterator[Row]:
    """Trials of optnas with as many workers as ``--workers-per-gpu auto`` starts."""
    yield from _by_optnas(setting, _auto(setting))


def optnas_four(setting: Setting) -> Iterator[Row]:
    """Trials of optnas with one worker and ``--trials-per-gpu 4``."""
    yield from _by_optnas(setting, 1, 4)


def optnas_eight(setting: Setting) -> Iterator[Row]:
    """Trials of optnas with one worker and ``--trials-per-gpu 8``."""
    yield from _by_optnas(setting, 1, 8)


def optnas_mps(setting: Setting) -> Iterator[Row]:
    """The same under NVIDIA's Multi-Process Service, where it can be started."""
    daemon = shutil.which("nvidia-cuda-mps-control")
    if setting.device == "cpu" or daemon is None:
        yield {"said": "there is no nvidia-cuda-mps-control here"}
        return
    workers = _auto(setting)
    with tempfile.TemporaryDirectory() as folder:
        folders = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        with mock.patch.dict(os.environ, folders):
            subprocess.run([daemon, "-d"], check=True, timeout=10)
            try:
                yield from _by_optnas(setting, workers)
            finally:
                subprocess.run([daemon], input="quit\n", text=True, check=False, timeout=10)


def _auto(setting: Setting) -> int:
    """Return how many workers ``auto`` stands for, asked in a process of its own as it starts CUDA."""
    if setting.device == "cpu":
        return 2
    with FORK.Pool(1) as pool:
        return pool.apply(_fitting, (setting,))


def _fitting(setting: Setting) -> int:
    return fitting_workers(study_of(setting, FAMILIES.values()), [0])


def _by_optnas(setting: Setting, workers: int, at_once: int = 1) -> Iterator[Row]:
    candidates = architectures(setting)
    study = study_of(setting, FAMILIES.values())
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/study.db"
        enqueued(study, url, (architecture for _, architecture in candidates))
        with _watched(setting) as busy:
            began = work_together(setting, study, url, len(candidates), workers, at_once)
        trials = optuna.load_study(study_name=study.name, storage=url).trials
    ended = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    last = max((trial.datetime_complete for trial in ended), default=began)
    yield from _rows(setting, ended, (last - began).total_seconds(), busy, workers * at_once)
    for trial in trials:
        if "eager" in trial.user_attrs or trial.state == TrialState.FAIL:
            yield {
                "trial": trial.number,
                "said": trial.user_attrs.get("eager", trial.user_attrs.get("reason")),
            }


def work_together(
    setting: Setting, study: Study, url: str, total: int, workers: int, at_once: int = 1
) -> datetime.datetime:
    """Let ``workers`` run trials, each so many at once, and return when all of them had started up."""
    ready = FORK.Barrier(workers + 1)
    end = setting.until - _LAST_TRIAL_SECONDS
    arguments = study, url, total, ready, end, setting.device, at_once
    processes = [FORK.Process(target=_worker, args=arguments) for _ in range(workers)]
    for process in processes:
        process.start()
    ready.wait(setting.left)
    began = datetime.datetime.now()
    for process in processes:
        process.join()
    return began


def _worker(study: Study, url: str, total: int, ready: Any, end: float, device: str, at_once: int) -> None:
    """Run trials as a worker of ``optnas run`` does, once all workers are ready."""
    use_threads()
    opened = study.open(open_storage(url))
    # What the first training of a process takes longer is no part of the others.
    warm_up = parse("seq(conv(8), norm, relu, head)").build(study.shape, **study.context)
    assert study.task is not None
    once = Training(epochs=1, batch_size=study.training.batch_size, device=device)
    fit(warm_up, study.task, once, device=torch.device(device, 0), seed=0)
    ready.wait()

    def in_time() -> bool:
        return time.monotonic() < end

    if at_once == 1:
        work(study, opened, total, should_continue=in_time)
    else:
        work_in_lanes(study, opened, total, Packing(at_once), should_continue=in_time)


def by_todays_loop(setting: Setting) -> Iterator[Row]:
    """Trials of the loop that people write: Optuna, a ``DataLoader``, fp32, eager."""
    yield from _by_loop(setting, todays_loop)


def by_tuned_loop(setting: Setting) -> Iterator[Row]:
    """Trials of a loop tuned by hand: data on the device, bf16, channels last, fused optimiser, eager."""
    yield from _by_loop(setting, tuned_loop)


def by_tuned_loops(setting: Setting) -> Iterator[Row]:
    """Trials of the tuned loop in as many processes at once as serve it best."""
    counts = (2,) if setting.small else (4, 8, 16)
    found = []
    for tried, count in enumerate(counts):
        until = time.monotonic() + setting.left / (len(counts) - tried)
        found.append(list(_by_loops(dataclasses.replace(setting, until=until), count)))
        yield {"processes": count, "trials/h there": found[-1][0]["trials/h"]}
    yield from max(found, key=lambda rows: rows[0]["trials/h"] or 0.0)


def _by_loops(setting: Setting, count: int) -> Iterator[Row]:
    ready, ended = FORK.Barrier(count + 1), FORK.Queue()
    processes = [
        FORK.Process(target=_loop_process, args=(setting, number, count, ready, ended), daemon=True)
        for number in range(count)
    ]
    for process in processes:
        process.start()
    ready.wait(setting.left)
    with _watched(setting) as busy:
        started = time.perf_counter()
        trials = [trial for _ in processes for trial in ended.get(timeout=max(1.0, setting.left))]
        spent = time.perf_counter() - started
    for process in processes:
        process.join()
    yield from _rows(setting, trials, spent, busy, count)


def _loop_process(setting: Setting, number: int, count: int, ready: Any, ended: Any) -> None:
    """Train every ``count``-th architecture by the tuned loop, once all processes are ready."""
    torch.set_num_threads(1)
    device, parts = torch.device(setting.device, 0), task(setting).data.splits
    texts = [str(architecture) for _, architecture in architectures(setting)][number::count]
    tuned_loop(["seq(conv(8), norm, relu, head)"], parts, 1, device, 1, batch=setting.batch)  # starts up
    ready.wait()
    left = setting.left - _SUMS_SECONDS
    trials = tuned_loop(texts, parts, setting.epochs, device, 1, batch=setting.batch, seconds=left)
    for trial in trials:
        trial.number = number + count * trial.number
    ended.put(trials)


def _by_loop(setting: Setting, train: Callable[..., list[FrozenTrial]]) -> Iterator[Row]:
    device = torch.device(setting.device, 0)
    parts, threads = task(setting).data.splits, cores()  # as many threads as PyTorch's default
    texts = [str(architecture) for _, architecture in architectures(setting)]
    train(["seq(conv(8), norm, relu, head)"], parts, 1, device, threads, batch=setting.batch)  # starts up
    with _watched(setting) as busy:
        started = time.perf_counter()
        left = setting.left - _SUMS_SECONDS
        trials = train(texts, parts, setting.epochs, device, threads, batch=setting.batch, seconds=left)
        spent = time.perf_counter() - started
    yield from _rows(setting, trials, spent, busy, 1)


@contextlib.contextmanager
def _watched(setting: Setting) -> Iterator[list[float]]:
    with watched(setting.gpu) if setting.gpu else contextlib.nullcontext([]) as busy:
        yield busy


def _rows(
    setting: Setting, trials: list[FrozenTrial], seconds: float, busy: list[float], workers: int
) -> Iterator[Row]:
    """Yield a row that sums up a contestant's trials, and one for each of them."""
    parts = task(setting).data.splits
    candidates = architectures(setting)
    done = [trial for trial in trials if trial.number < len(candidates)]
    flops = sum(
        candidates[trial.number][1].cost(parts.train.shape, outputs=parts.outputs).flops for trial in done
    )
    yield {
        "at once": workers,
        "trials": len(done),
        "seconds": seconds,
        "trials/h": 3600 * len(done) / seconds if seconds else None,
        "mean accuracy": sum(trial.values[0] for trial in done) / len(done) if done else None,
        "GPU busy": sum(busy) / len(busy) if busy else None,
        # 3 × a forward pass for a sample; evaluation is not counted.
        "GFLOP/s": 3 * flops * len(parts.train) * setting.epochs / seconds / 1e9 if seconds else None,
    }
    for trial in done:
        yield {
            "trial": trial.number,
            "family": candidates[trial.number][0],
            "seconds": trial.duration.total_seconds() if trial.duration else math.nan,
            "accuracy": trial.values[0],
        }


def compared(contestants: dict[str, list[Row]]) -> list[Row]:
    """Return a row for each contestant, compared with the first on the architectures that both have trained.

    Args:
        contestants: The rows of :func:`_rows` by name.
    """
    table = []
    (_, reference), *_ = contestants.items()
    ours = {row["trial"]: row for row in reference if "family" in row}
    for name, rows in contestants.items():
        sums = next((row for row in rows if "trials/h" in row), None)
        theirs = {row["trial"]: row for row in rows if "family" in row}
        both = sorted(ours.keys() & theirs.keys())
        if sums is None or not both:
            continue
        if sums["at once"] > 1:  # their trials overlap
            times = reference[0]["trials/h"] / sums["trials/h"]
        else:
            times = sum(theirs[n]["seconds"] for n in both) / sum(ours[n]["seconds"] for n in both)
        apart = [theirs[n]["accuracy"] - ours[n]["accuracy"] for n in both]
        mean = sum(apart) / len(both)
        error = statistics.stdev(apart) / math.sqrt(len(both)) if len(both) > 1 else math.nan
        table.append(
            {
                "": name,
                "at once": sums["at once"],
                "architectures": len(both),
                "trials/h": reference[0]["trials/h"] / times,
                "time of optnas, one at once": times,
                "mean accuracy": sum(theirs[n]["accuracy"] for n in both) / len(both),
                "of optnas on the same": sum(ours[n]["accuracy"] for n in both) / len(both),
                "difference in pairs": mean,
                "± 2 standard errors": 2 * error,
                "GPU busy": sums["GPU busy"],
                "GFLOP/s": sums["GFLOP/s"],
            }
        )
    return table


# Where a trial's time goes


class _Stopwatches:
    """Sums up the time within some functions by name, without that of others called by them."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._device = device
        self._running: list[str] = []
        self._since = 0.0

    def watching(self, owner: Any, attribute: str, name: str) -> Any:
        """Return a patch by which the time within a function counts as ``name``'s."""
        original = getattr(owner, attribute)

        def timed(*arguments: Any, **named: Any) -> Any:
            self._switch()
            self._running.append(name)
            self.calls[name] += 1
            try:
                return original(*arguments, **named)
            finally:
                self._switch()
                self._running.pop()

        return mock.patch.object(owner, attribute, timed)

    def _switch(self) -> None:
        if torch.cuda.is_available() and not torch.cuda.is_current_stream_capturing():
            wait(self._device)
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


def trial_time(setting: Setting) -> Iterator[Row]:
    """Where the time of a trial goes, mean over some of each family."""
    use_threads()
    device = torch.device(setting.device, 0)
    study = study_of(setting, FAMILIES.values())
    candidates = [architecture for _, architecture in architectures(setting, 4 if setting.small else 8)]
    with tempfile.TemporaryDirectory() as folder:
        study.artifacts = f"{folder}/artifacts"
        url = f"sqlite:///{folder}/study.db"
        enqueued(study, url, candidates)
        opened = study.open(open_storage(url))
        work(study, opened, 1)  # starts up
        watches = _Stopwatches(device)
        functions = [
            (Claims, "next", "claim"),
            (Study, "suggest", "suggest"),
            (Study, "costs", "costs"),
            (trial_module.TrialRun, "_build", "build"),
            (trial_module, "fit", "train"),
            (CudaRecorder, "warm_up", "first steps (cuDNN's choice)"),
            (CudaRecorder, "record", "capture"),
            (loop, "evaluate", "evaluate"),
            (Resumption, "keep", "checkpoints"),
            (optuna.Trial, "set_user_attr", "records"),
            (optuna.Trial, "set_constraint", "records"),
            (optuna.Study, "tell", "records"),
        ]
        with contextlib.ExitStack() as stack:
            for function in functions:
                stack.enter_context(watches.watching(*function))
            started = time.perf_counter()
            work(study, opened, len(candidates))
            spent = time.perf_counter() - started
    trials = len(candidates) - 1
    watches.seconds["all else"] = spent - sum(watches.seconds.values())
    for name, seconds in sorted(watches.seconds.items(), key=lambda item: -item[1]):
        yield {
            "": name,
            "ms a trial": 1e3 * seconds / trials,
            "share": seconds / spent,
            "calls a trial": watches.calls[name] / trials,
        }
