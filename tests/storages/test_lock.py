"""The lock of a study holds over all processes that share its storage, and outlives no holder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import optuna
import pytest

from optnas.interrupts import whole
from optnas.interrupts.signals import stop_on_signals
from optnas.run.storage_check import check_storage
from optnas.storages import lock as locks
from optnas.storages.lock import study_lock
from optnas.storages.opening import open_storage
from tests.servers import KINDS, serving

pytestmark = pytest.mark.slow

HOLD = """
import sys
from optnas.storages.lock import study_lock
from optnas.storages.opening import open_storage
with study_lock(open_storage(sys.argv[1]), "s"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module", params=["sqlite", "journal", *KINDS])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("locked")
    if request.param in KINDS:
        with serving(request.param) as server:
            yield server.url
    else:
        yield {"sqlite": f"sqlite:///{folder}/a.db", "journal": f"{folder}/a.log"}[request.param]


@pytest.fixture
def holder(url: str) -> Iterator[subprocess.Popen[str]]:
    open_storage(url)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.send_signal(signal.SIGCONT)
    process.communicate()


def waiter(url: str, got: threading.Event) -> threading.Thread:
    storage = open_storage(url)

    def wait() -> None:
        with study_lock(storage, "s") as lock:
            assert lock.held()
            got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_lock_is_held_until_its_process_ends(url: str, holder: subprocess.Popen[str]) -> None:
    got = threading.Event()
    thread = waiter(url, got)
    assert not got.wait(0.5)
    holder.kill()
    assert got.wait(20)  # all workers wait meanwhile
    thread.join()


def test_who_waits_for_a_lock_is_interrupted_at_once(
    url: str, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "_LONGEST_SECONDS", 120.0)
    storage, signals = open_storage(url), threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM))
    signals.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), stop_on_signals(), study_lock(storage, "s"):
        pass
    assert time.monotonic() - began < 60  # not when what does not answer is interrupted
    holder.kill()
    with study_lock(storage, "s") as lock:
        assert lock.held()


def test_a_holder_who_does_not_move_loses_it_where_a_server_keeps_it(
    url: str,
    holder: subprocess.Popen[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    is_file = "://" not in url or url.startswith("sqlite")
    monkeypatch.setattr(locks, "_QUIET_SECONDS", 0.2 if is_file else 10)
    os.kill(holder.pid, signal.SIGSTOP)
    got = threading.Event()
    thread = waiter(url, got)
    if is_file:
        said = ""
        while "which is held by" not in said:
            time.sleep(0.05)
            said += capsys.readouterr().err
        assert f"process {holder.pid}, which is stopped: kill -CONT {holder.pid}" in said
        holder.kill()
    assert got.wait(55)  # servers take half a minute
    thread.join()


def test_a_holder_that_lives_keeps_it_in_redis_beyond_its_time_to_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "_REDIS_SECONDS", 0.6)
    with serving("redis") as server:
        got = threading.Event()
        with study_lock(open_storage(server.url), "s") as lock:
            thread = waiter(server.url, got)
            assert not got.wait(1.5)
            assert lock.held()
        assert got.wait(10)
        thread.join()


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_who_lost_the_lock_knows(kind: str) -> None:
    with serving(kind) as server:
        storage = open_storage(server.url)
        with study_lock(storage, "s") as lock:
            assert lock.held()
            server.kill()
            server.start()
            assert not lock.held()
        assert isinstance(optuna.create_study(storage=storage).study_name, str)


def test_doctor_checks_a_storage_and_leaves_nothing_in_it(url: str) -> None:
    storage = open_storage(url)
    rows = {what: (finding, well) for what, finding, well in check_storage(storage)}
    assert rows["locks"] == ("work", True)
    assert " ms (median of 9)" in rows["a write"][0]
    assert re.fullmatch(r"about \d+ workers.* with trials of 10 s", rows["suits"][0])
    assert ("clock" in rows) == url.startswith(("postgresql", "mysql", "redis"))
    assert not [study for study in storage.get_all_studies() if "doctor" in study.study_name]
