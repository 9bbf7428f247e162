from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from optnas import Study, Training, UserError, choose, data, maximize, ops, tasks
from optnas.run import command, gpus, local
from optnas.run.gpus import (
    fitting_workers,
    gpu_of,
    gpus_of,
    held_bytes,
    mps_is_up,
    network_bytes,
    workers_on_gpu,
)
from optnas.run.options import RunOptions

GIB = 2**30
H200 = {"free": 139 * GIB, "total": 140 * GIB}


def study(**options: object) -> Study:
    settings: dict[str, object] = {
        "space": ops.seq(ops.conv(choose(4, 512, name="width")), ops.head()),
        "task": tasks.classification(data.digits()),
        "objectives": [maximize("accuracy")],
    }
    return Study("gpus", **{**settings, **options})  # type: ignore[arg-type]


def test_workers_go_round_the_gpus() -> None:
    assert [gpu_of(i, [0, 1, 2]) for i in range(5)] == [0, 1, 2, 0, 1]
    assert [gpu_of(i, [3]) for i in range(2)] == [3, 3]
    assert gpu_of(1, []) is None


def test_memory_cores_and_turns_bound_the_workers_of_a_gpu() -> None:
    assert workers_on_gpu(**H200, cores=4, held=0, network=4 * 10**6) == 4
    assert workers_on_gpu(**H200, cores=64, held=0, network=4 * 10**6) == 8
    # 40 GB for the layers of each
    assert workers_on_gpu(**H200, cores=64, held=0, network=40 * 10**9) == 3
    assert workers_on_gpu(**H200, cores=64, held=30 * GIB, network=0) == 4
    # What others hold on the card is not there.
    assert workers_on_gpu(5 * GIB, 24 * GIB, cores=64, held=0, network=0) == 3
    assert workers_on_gpu(0, 24 * GIB, cores=64, held=0, network=0) == 1


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    def device(name: str = "auto") -> torch.device:
        return torch.device("cuda", int(name.partition(":")[2] or 0))

    monkeypatch.setattr(gpus, "default_device", device)
    monkeypatch.setattr(gpus, "cores", lambda: 64)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    free = {0: 20 * GIB, 1: 7 * GIB}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: (free[gpu], 24 * GIB))


@pytest.mark.usefixtures("two_cards")
def test_a_study_has_all_gpus_or_the_one_it_names() -> None:
    assert gpus_of(study()) == gpus_of(study(training=Training(device="cuda"))) == [0, 1]
    assert gpus_of(study(training=Training(device="cuda:1"))) == [1]


@pytest.mark.usefixtures("two_cards")
def test_the_fullest_card_and_the_largest_network_decide() -> None:
    assert fitting_workers(study(), [0]) == 8
    assert fitting_workers(study(), [0, 1]) == 5
    large = study(training=Training(batch_size=choose(64, 1024)))
    assert fitting_workers(large, [0, 1]) < 5
    with pytest.raises(UserError, match="give a number instead"):
        fitting_workers(study(task=None, evaluate=lambda candidate, report: {"accuracy": 1}), [0])


def test_memory_is_that_of_the_largest_layers_of_a_step_and_not_of_all_layers_in_an_evaluation() -> None:
    def deep(layers: int) -> int:
        space = ops.seq(*[ops.conv(16), ops.relu()] * layers, ops.head())
        return network_bytes(study(space=space, training=Training(batch_size=16)))

    images, values = len(data.digits().splits.validation), 16 * 64
    # Of an evaluation the outputs of two layers are there at once.
    evaluation = 4 * 2 * images * values
    assert 0.9 * evaluation < deep(2) < 1.5 * evaluation
    # A training step keeps what each relu writes, eager and in its graph, and five copies of the weights.
    step, weights = 4 * 16 * values, 4 * (16 * 16 * 9 + 16)
    assert deep(80) - deep(60) == pytest.approx(20 * (2 * step + 5 * weights), rel=0.05)


def test_what_is_held_is_all_of_the_data() -> None:
    assert held_bytes(study()) == 1797 * 64 * 4


@pytest.mark.usefixtures("two_cards")
def test_a_run_starts_one_set_of_workers_for_each_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "from optnas import Study, choose, maximize, ops\n"
        "study = Study('own', ops.conv(choose(4, 8)), objectives=[maximize('a')],"
        " evaluate=lambda candidate, report: {'a': 1})\n"
    )
    started = []

    class Process:
        def __init__(self, task: dict[str, object]) -> None:
            self.task = json.loads(json.dumps(task))
            started.append(self.task["gpu"])

        def status(self) -> int:
            # One worker is killed and takes up its work again where it was.
            return -9 if len(started) == 4 else 0

    monkeypatch.setattr(local, "_Process", Process)
    console = Console(quiet=True)
    monkeypatch.setattr(command, "Display", _Quiet)
    url = f"sqlite:///{tmp_path}/optnas.db"
    command.run_command(str(file), url, RunOptions(trials=9, workers_per_gpu="2", threads=1), console)
    assert started[:4] == [0, 1, 0, 1]
    assert started[4:] == [0]
    with pytest.raises(UserError, match="give a number instead"):
        command.run_command(str(file), url, RunOptions(trials=9, workers_per_gpu="auto", threads=1), console)


class _Quiet:
    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> _Quiet:
        return self

    def __exit__(self, *_: object) -> None: ...

    def update(self) -> None: ...


def test_on_the_cpu_there_is_no_worker_for_a_gpu() -> None:
    on_cpu = study(training=Training(device="cpu"))
    assert gpus_of(on_cpu) == []
    with pytest.raises(UserError, match="computes on the CPU here; give --workers"):
        command._check_gpus(on_cpu, RunOptions(workers_per_gpu="2"))


def test_the_multi_process_service_is_up_where_its_daemon_listens(tmp_path: Path) -> None:
    environment = {"CUDA_MPS_PIPE_DIRECTORY": str(tmp_path)}
    assert not mps_is_up(environment)
    (tmp_path / "control").touch()
    assert mps_is_up(environment)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_workers_share_a_real_gpu() -> None:
    assert 1 <= fitting_workers(study(), [0]) <= 8
