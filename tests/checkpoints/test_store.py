"""Checkpoints in an artifact store: the last whole one is there, whatever happens."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from optuna.artifacts import FileSystemArtifactStore

from optnas import UserError
from optnas.checkpoints.store import Checkpoints, StoreError, artifact_store, check_store
from optnas.train import State
from tests.faults import Bucket, Killed


def after(epoch: int) -> State:
    weights = {"weight": torch.full((3,), float(epoch))}
    moments = {"state": {0: {"step": torch.tensor(epoch)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    generator = {"order": torch.Generator().manual_seed(epoch).get_state()}
    return State(epoch, weights, [], moments, generator, {"accuracy": 0.5}, [1.0] * epoch)


def epoch_of(checkpoints: Checkpoints) -> int | None:
    last = checkpoints.last()
    return None if last is None else last.state.epoch


def test_another_worker_finds_what_was_kept_last() -> None:
    bucket = Bucket()
    ours = Checkpoints(bucket, "a")
    for epoch in (1, 3, 9):
        ours.keep(after(epoch), 10.0 * epoch)
        assert len(bucket.held) == 1, "and no more than that"
    found = Checkpoints(bucket, "a").last()
    assert found is not None
    assert found.seconds == 90.0
    expected = after(9)
    assert torch.equal(found.state.module["weight"], expected.module["weight"])
    assert torch.equal(found.state.generators["order"], expected.generators["order"])
    assert found.state.losses == expected.losses
    assert epoch_of(Checkpoints(bucket, "another")) is None


def test_who_goes_on_keeps_and_removes_as_who_began() -> None:
    bucket = Bucket()
    Checkpoints(bucket, "other").keep(after(1), 1.0)
    for epoch in (1, 3, 9, 27):
        checkpoints = Checkpoints(bucket, "a")
        checkpoints.last()
        checkpoints.keep(after(epoch), 1.0)
        assert epoch_of(Checkpoints(bucket, "a")) == epoch
    Checkpoints(bucket, "a").remove()
    assert [name for name in bucket.held if "other" not in name] == []
    assert epoch_of(Checkpoints(bucket, "other")) == 1


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_who_dies_while_keeping_leaves_the_one_before(epochs: int) -> None:
    bucket = Bucket()
    checkpoints = Checkpoints(bucket, "a")
    for epoch in range(1, epochs):
        checkpoints.keep(after(epoch), 1.0)
    bucket.fails = Killed()
    with pytest.raises(Killed):
        checkpoints.keep(after(epochs), 1.0)
    bucket.fails = None
    again = Checkpoints(bucket, "a")
    assert epoch_of(again) == (epochs - 1 or None)
    again.keep(after(epochs), 1.0)
    assert epoch_of(Checkpoints(bucket, "a")) == epochs
    assert len(bucket.held) == 1


def test_who_dies_before_the_former_one_is_removed_leaves_both_and_the_last_counts() -> None:
    bucket = Bucket()
    checkpoints = Checkpoints(bucket, "a")
    checkpoints.keep(after(1), 1.0)
    former = dict(bucket.held)
    checkpoints.keep(after(3), 1.0)
    bucket.held.update(former)
    again = Checkpoints(bucket, "a")
    assert epoch_of(again) == 3
    again.keep(after(9), 1.0)
    assert len(bucket.held) == 1
    assert epoch_of(Checkpoints(bucket, "a")) == 9


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_damaged_checkpoint_is_none(share: float) -> None:
    bucket = Bucket()
    Checkpoints(bucket, "a").keep(after(1), 1.0)
    ((name, content),) = bucket.held.items()
    bucket.held[name] = content[: int(share * len(content))]
    assert epoch_of(Checkpoints(bucket, "a")) is None


def test_a_store_that_fails_says_why_and_holds_what_it_held() -> None:
    bucket = Bucket()
    checkpoints = Checkpoints(bucket, "a")
    checkpoints.keep(after(1), 1.0)
    bucket.fails = RuntimeError("the bucket\nis gone")
    with pytest.raises(StoreError, match=r"^RuntimeError: the bucket is gone$"):
        checkpoints.keep(after(3), 1.0)
    with pytest.raises(StoreError, match=r"^RuntimeError: the bucket is gone$"):
        checkpoints.last()
    with pytest.raises(UserError, match="artifacts cannot be kept: RuntimeError: the bucket is gone"):
        check_store(bucket)
    bucket.fails = None
    assert epoch_of(Checkpoints(bucket, "a")) == 1
    assert len(bucket.held) == 1, "nothing half-written is left"
    check_store(bucket)
    assert len(bucket.held) == 1


def test_a_folder_is_a_store_that_is_made_when_it_is_used(tmp_path: Path) -> None:
    store = artifact_store(tmp_path / "some" / "where")
    assert isinstance(store, FileSystemArtifactStore)
    assert not list(tmp_path.iterdir())
    Checkpoints(store, "a").keep(after(1), 1.0)
    (file,) = (tmp_path / "some" / "where").iterdir()
    assert epoch_of(Checkpoints(FileSystemArtifactStore(tmp_path / "some" / "where"), "a")) == 1
    file.write_bytes(b"")
    assert epoch_of(Checkpoints(store, "a")) is None


def test_a_store_of_one_s_own_is_taken_as_it_is() -> None:
    bucket = Bucket()
    assert artifact_store(bucket) is bucket
    assert artifact_store(None) is None
    assert artifact_store("none") is None


@pytest.mark.parametrize("place", ["s3://", "ftp://host", "s3://bucket/folder", 3])
def test_a_place_that_is_none_says_what_to_give(place: object) -> None:
    with pytest.raises(UserError, match=r"give (an .*, )?a folder"):
        artifact_store(place)


@pytest.mark.skipif(importlib.util.find_spec("boto3") is not None, reason="boto3 is installed")
def test_a_bucket_without_its_package_says_what_to_install() -> None:
    with pytest.raises(UserError, match="pip install boto3"):
        artifact_store("s3://bucket")
