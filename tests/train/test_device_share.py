from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from optnas.train.device_share import Place, place_on


def begun(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def ended(thread: threading.Thread) -> bool:
    thread.join(timeout=10)
    return not thread.is_alive()


def test_trainings_share_a_place_until_one_wants_it_alone(tmp_path: Path) -> None:
    seen: list[str] = []

    def lonely() -> None:
        with Place("gpu", tmp_path) as place:
            seen.append("beside another")
            wanted.set()
            place.alone()
            place.alone()  # it is already
            seen.append("alone")
            assert place.waited > 0.1
            time.sleep(0.2)
            seen.append("through")

    def newcomer() -> None:
        with Place("gpu", tmp_path):
            seen.append("newcomer")

    wanted = threading.Event()
    with Place("gpu", tmp_path):
        one = begun(lonely)
        assert wanted.wait(10)
        time.sleep(0.2)
        other = begun(newcomer)
        time.sleep(0.2)
        assert seen == ["beside another"], "one waits for us, the newcomer for the one"
    assert ended(one)
    assert ended(other)
    assert seen == ["beside another", "alone", "through", "newcomer"]


def test_two_that_want_to_be_alone_are_so_in_turn(tmp_path: Path) -> None:
    both, inside = threading.Barrier(2), []

    def lonely() -> None:
        with Place("gpu", tmp_path) as place:
            both.wait(10)
            place.alone()
            inside.append(1)
            assert len(inside) == 1
            time.sleep(0.1)
            inside.pop()

    threads = [begun(lonely) for _ in range(2)]
    assert all(ended(thread) for thread in threads)
    assert inside == []


def test_a_killed_process_is_not_waited_for(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time; from optnas.train.device_share import Place\n"
        "with Place('gpu', pathlib.Path(sys.argv[1])) as place:\n"
        "    place.alone(); print(flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    with Place("gpu", tmp_path) as place:
        place.alone()


def test_what_is_held_is_given_back_before_waiting_and_after_a_failure(tmp_path: Path) -> None:
    class Weights:
        alive = 0

        def __init__(self) -> None:
            Weights.alive += 1

        def __del__(self) -> None:
            Weights.alive -= 1

    left: list[int] = []

    def train() -> None:
        weights = Weights()
        raise ValueError(weights.alive)

    def trial() -> None:
        with Place("gpu", tmp_path, clear=lambda: left.append(Weights.alive)):
            train()

    with pytest.raises(ValueError, match="1"):
        trial()
    assert left == [0, 0]


def test_the_cpu_is_nobody_s_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with place_on(torch.device("cpu")) as place, place_on(torch.device("cpu")):
        place.alone()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_is_one_place_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def lonely() -> None:
        with place_on(torch.device("cuda", 0)) as place:
            place.alone()

    with place_on(torch.device("cuda", 0)):
        thread = begun(lonely)
        time.sleep(0.3)
        assert thread.is_alive()
    assert ended(thread)
