"""Checkpoints in an artifact store: the last whole one is there, whatever happens."""

from __future__ import annotations

import contextlib
import sys
import warnings
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.artifacts import FileSystemArtifactStore
from optuna.exceptions import ExperimentalWarning

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


def damaged(content: bytes, how: str, at: float, bits: int) -> bytes:
    """Return ``content`` changed, cut, overwritten or lengthened at a share of its length."""
    where = min(int(at * len(content)), len(content) - 1)
    changed = bytearray(content)
    if how == "flipped":
        changed[where] ^= bits
    elif how == "cut":
        del changed[where:]
    elif how == "zeros":
        changed[where : where + 4096] = bytes(len(changed[where : where + 4096]))
    else:
        changed[where:where] = bytes([bits]) * bits
    return bytes(changed)


@settings(max_examples=300, deadline=None)
@given(
    how=st.sampled_from(["flipped", "cut", "zeros", "longer"]), at=st.floats(0, 1), bits=st.integers(1, 255)
)
def test_a_damaged_checkpoint_is_none_and_the_one_before_counts(how: str, at: float, bits: int) -> None:
    bucket = Bucket()
    checkpoints = Checkpoints(bucket, "a")
    checkpoints.keep(after(1), 1.0)
    former = dict(bucket.held)
    checkpoints.keep(after(3), 1.0)
    ((name, content),) = bucket.held.items()
    broken = damaged(content, how, at, bits)
    if broken == content:
        return
    bucket.held[name] = broken
    again = Checkpoints(bucket, "a")
    assert again.last() is None
    assert again.damage is not None
    assert again.damage.startswith(f"{name} is ")
    bucket.held |= former
    assert epoch_of(again) == 1
    assert again.damage is not None
    again.keep(after(3), 1.0)
    assert epoch_of(Checkpoints(bucket, "a")) == 3
    assert len(bucket.held) == 1


def test_the_checkpoint_of_another_training_is_none() -> None:
    bucket = Bucket()
    for name in ("a", "b"):
        Checkpoints(bucket, name).keep(after(3), 1.0)
    (a, b) = bucket.held
    bucket.held[a], bucket.held[b] = bucket.held[b], bucket.held[a]
    again = Checkpoints(bucket, "a")
    assert again.last() is None
    assert again.damage == f"{a} is of another training"


(STORED,) = (Path(__file__).parent.parent / "stored" / "checkpoints").iterdir()


def test_the_checkpoint_of_an_earlier_optnas_has_no_checksum_and_is_read() -> None:
    bucket = Bucket()
    bucket.held[STORED.name] = STORED.read_bytes()
    assert b"sha256" not in bucket.held[STORED.name]
    assert Checkpoints(bucket, STORED.name.split("-")[1]).last() is not None


@settings(max_examples=100, deadline=None)
@given(
    how=st.sampled_from(["flipped", "cut", "zeros", "longer"]), at=st.floats(0, 1), bits=st.integers(1, 255)
)
def test_the_damage_of_a_file_without_a_checksum_is_never_an_error(how: str, at: float, bits: int) -> None:
    bucket = Bucket()
    content = STORED.read_bytes()
    header = int.from_bytes(content[:8], "little") / len(content)
    bucket.held[STORED.name] = damaged(content, how, at * header, bits)
    Checkpoints(bucket, STORED.name.split("-")[1]).last()


def test_what_the_store_did_not_keep_as_it_was_leaves_the_one_before() -> None:
    class Lossy(Bucket):
        loses = False

        def write(self, artifact_id: str, content_body: BinaryIO) -> None:
            super().write(artifact_id, content_body)
            if self.loses:
                self.held[artifact_id] = damaged(self.held[artifact_id], "flipped", 0.7, 4)

    bucket = Lossy()
    checkpoints = Checkpoints(bucket, "a")
    checkpoints.keep(after(1), 1.0)
    bucket.loses = True
    with pytest.raises(StoreError, match="something else than was written"):
        checkpoints.keep(after(3), 1.0)
    assert epoch_of(Checkpoints(bucket, "a")) == 1


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


@pytest.mark.parametrize("place", ["s3://", "ftp://host", "s3:///folder", 3])
def test_a_place_that_is_none_says_what_to_give(place: object) -> None:
    with pytest.raises(UserError, match=r"give (an .*, )?a folder"):
        artifact_store(place)


@pytest.mark.parametrize("place", ["s3://bucket/x", "gs://bucket"])
def test_that_optuna_calls_a_bucket_experimental_is_told_to_nobody(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with contextlib.suppress(UserError):  # the package may be missing, which is told by then
            artifact_store(place)
    assert not [each for each in told if issubclass(each.category, ExperimentalWarning)]


@pytest.mark.parametrize(
    "place", ["s3://me:s3cret@bucket/x", "s3://:s3cret@", "gs://me:s3cret/x", "s3://me%3As3cret%40/d?x=%s"]
)
def test_a_password_in_a_bucket_s_url_is_refused_and_not_shown(place: str) -> None:
    with pytest.raises(UserError, match="holds no password") as refused:
        artifact_store(place)
    assert "s3cret" not in str(refused.value)


def test_a_bucket_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(UserError, match=r"pip install 'optnas\[s3\]'"):
        artifact_store("s3://bucket")
