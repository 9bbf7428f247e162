"""Checkpoints on a real S3 server: what one machine keeps, another goes on from."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from optnas.checkpoints.store import Checkpoints, artifact_store
from optnas.storages.opening import open_storage
from optnas.trials.record import CHECKPOINT, RESUMED
from tests.checkpoints.test_store import after, epoch_of
from tests.files import finish, start
from tests.servers import free_port
from tests.watched import watched_study

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
server = pytest.importorskip("moto.server", reason="moto's server is not installed")


class Server:
    """An S3 server in this process, which may go away and come back with what it holds."""

    def __init__(self) -> None:
        self.bucket = f"kept-{uuid.uuid4().hex}"  # moto's servers of one process share what they hold
        self.port = free_port()
        self.again()

    def stop(self) -> None:
        self._server.stop()

    def again(self) -> None:
        self._server = server.ThreadedMotoServer(ip_address="127.0.0.1", port=self.port)
        self._server.start()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    running = Server()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{running.port}")
    boto3.client("s3").create_bucket(Bucket=running.bucket)
    yield running
    running.stop()


def names(s3: Server) -> list[str]:
    held = boto3.client("s3").list_objects_v2(Bucket=s3.bucket)
    return [each["Key"] for each in held.get("Contents", [])]


def test_a_prefix_keeps_searches_of_one_bucket_apart(s3: Server) -> None:
    ours = artifact_store(f"s3://{s3.bucket}/team/ours")
    Checkpoints(ours, "a").keep(after(3), 1.0)
    assert [name.rpartition("/")[0] for name in names(s3)] == ["team/ours"]
    assert epoch_of(Checkpoints(artifact_store(f"s3://{s3.bucket}/team/ours/"), "a")) == 3
    assert epoch_of(Checkpoints(artifact_store(f"s3://{s3.bucket}/team"), "a")) is None
    Checkpoints(ours, "a").remove()
    assert names(s3) == []


def test_a_server_that_is_away_for_a_moment_costs_no_checkpoint(s3: Server) -> None:
    checkpoints = Checkpoints(artifact_store(f"s3://{s3.bucket}"), "a")
    checkpoints.keep(after(1), 1.0)
    s3.stop()
    back = threading.Timer(0.5, s3.again)
    back.start()
    checkpoints.keep(after(3), 1.0)
    back.join()
    assert epoch_of(checkpoints) == 3


@pytest.mark.slow
def test_another_machine_goes_on_from_what_was_kept(s3: Server, tmp_path: Path) -> None:
    file = watched_study(tmp_path, at=8, by="SIGKILL")
    options = [
        "run",
        file,
        "--trials",
        1,
        "--workers",
        1,
        "--threads",
        1,
        "--artifacts",
        f"s3://{s3.bucket}/x",
        "--no-publish",  # else drawings stay there
    ]
    options += ["--storage", tmp_path / "j.log"]
    machines = [tmp_path / name for name in ("first", "second")]
    for machine in machines:
        machine.mkdir()
    first = start(*options, folder=machines[0])
    first.communicate(timeout=120)
    assert first.returncode == -9
    assert len(names(s3)) == 1
    finish(start(*options, folder=machines[1]))
    study = optuna.load_study(study_name="watched", storage=open_storage(str(tmp_path / "j.log")))
    (trial,) = study.trials
    assert trial.state.name == "COMPLETE"
    assert RESUMED.of(trial)
    assert CHECKPOINT.of(trial) is None
    assert names(s3) == []
    assert not any(path.suffix == ".safetensors" for path in tmp_path.rglob("*"))
