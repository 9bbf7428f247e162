from __future__ import annotations

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch

from optnas import Study, choose, data, maximize, ops, tasks
from optnas.run import resources
from optnas.run.resources import default_threads, default_workers, fastest_threads, too_many


def study(space=None, **options):
    return Study(
        "resources",
        space or ops.seq(ops.conv(4), ops.head()),
        task=tasks.classification(data.digits()),
        objectives=[maximize("accuracy")],
        **options,
    )


def test_a_container_s_quota_counts():
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can give a process other files of its cgroup")
    quota = "mount -t tmpfs none /sys/fs/cgroup && echo 100000 100000 > /sys/fs/cgroup/cpu.max"
    code = "from optnas.train import cores; print(cores())"
    script = f"{quota} && {sys.executable} -c '{code}'"
    run = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True)
    assert run.stdout == "1\n", run.stderr


@pytest.fixture
def many_cores(monkeypatch):
    monkeypatch.setattr(resources, "cores", lambda: 8)


def test_there_is_a_worker_for_each_core_while_memory_lasts(many_cores, monkeypatch):
    free = SimpleNamespace(available=64 * 2**30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    assert default_workers(study()) == 8
    free.available = 2**30
    assert default_workers(study()) == 2
    free.available = 0
    assert default_workers(study()) == 1


def test_an_evaluation_of_the_user_s_own_has_one_worker_of_one_thread(many_cores):
    own = Study("own", ops.conv(choose(4, 8)), evaluate=lambda c: {"a": 1}, objectives=[maximize("a")])
    assert default_workers(own) == 1
    assert default_threads(own, 1) == 1


def test_a_worker_for_each_core_has_one_thread_untried(many_cores, monkeypatch):
    monkeypatch.setattr(resources, "fastest_threads", lambda *_: pytest.fail("calibrated"))
    assert default_threads(study(), 8) == 1
    assert default_threads(study(), 5) == 1


def test_fewer_workers_share_the_cores_by_what_is_fastest(many_cores, monkeypatch):
    asked = []

    def fastest(step, most):
        step()
        asked.append(most)
        return 2

    monkeypatch.setattr(resources, "fastest_threads", fastest)
    # Some of these cannot be built on 8×8 pixels.
    space = ops.seq(ops.maxpool(choose(2, 4, 16)), ops.conv(4), ops.head())
    assert default_threads(study(space), 2) == 2
    assert asked == [4]


@pytest.mark.parametrize(("speed", "best"), [({1: 1, 2: 5, 4: 9}, 1), ({1: 9, 2: 4, 4: 3.9}, 2)])
def test_the_fastest_number_wins_if_it_is_worth_it(speed, best, monkeypatch):
    now = 0.0
    monkeypatch.setattr(resources, "time", SimpleNamespace(perf_counter=lambda: now))

    def step():
        nonlocal now
        now += speed[torch.get_num_threads()]

    assert fastest_threads(step, 4, seconds=50) == best
    assert torch.get_num_threads() == 1


def test_threads_never_exceed_what_there_is():
    seen = set()
    fastest_threads(lambda: seen.add(torch.get_num_threads()), 6, seconds=0.01)
    assert seen == {1, 2, 4, 6}


def test_each_worker_needs_room_for_its_data(many_cores, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=64 * 2**20))
    x = np.random.default_rng(0).normal(size=(40_000, 64))  # 10 MB in float32
    large = tasks.classification(data.tensors(x, np.arange(40_000) % 4))
    holding = Study("l", ops.head(), task=large, objectives=[maximize("accuracy")])
    assert default_workers(holding, worker_bytes=2**20) == 4
    assert default_workers(study(), worker_bytes=2**20) == 8


@pytest.mark.parametrize(
    ("workers", "threads", "said"),
    [
        (8, 1, None),
        (15, 1, None),
        (16, 1, "16 workers on 8 cores slow each other down; without --workers and --threads there are 8 of"),
        (4, 4, "4 workers of 4 threads each on 8 cores slow"),
        (1, 16, "16 threads on 8 cores slow each other down; without --threads there are the fastest"),
    ],
)
def test_more_workers_and_threads_than_cores_are_told(many_cores, monkeypatch, workers, threads, said):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=64 * 2**30))
    told = too_many(study(), workers, threads)
    assert told == said if said is None else told.startswith(said)


def test_workers_for_which_memory_does_not_last_are_told(many_cores, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2**30))
    assert too_many(study(), 2, 1) is None
    told = too_many(study(), 4, 1)
    assert (
        told == "4 workers need about 1.6 GiB of memory, and 1.0 GiB are free; without --workers there are 2"
    )


def test_a_single_worker_is_not_told_to_be_too_many(many_cores, monkeypatch):
    free = SimpleNamespace(available=100 * 2**20)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    assert default_workers(study()) == 1
    assert too_many(study(), 1, 1) is None
    assert too_many(study(), 2, 1).endswith("0.1 GiB are free; without --workers there is 1")
    assert too_many(study(), 16, 1).endswith(
        "slow each other down; without --workers and --threads there is 1"
    )
    monkeypatch.setattr(resources, "cores", lambda: 1)
    assert "2 workers on 1 core slow" in too_many(study(), 2, 1)


def test_an_evaluation_of_the_user_s_own_has_as_many_workers_as_it_likes(many_cores):
    own = Study("own", ops.conv(choose(4, 8)), evaluate=lambda c: {"a": 1}, objectives=[maximize("a")])
    assert too_many(own, 100, 100) is None
