from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from optnas import Training, UserError, data, parse, tasks
from optnas.checkpoints.state import read_tensors, write_tensors
from optnas.train import State, fit
from optnas.train.loop import evaluate
from tests.faults import full_disk

CPU = torch.device("cpu")


class Killed(Exception):
    pass


def network() -> nn.Module:
    """Return a network with everything that is random or kept beside weights."""
    torch.manual_seed(1)
    return parse("seq(conv(8), norm, relu, dropout(0.3), maxpool(2), head)").build((1, 8, 8), outputs=10)


@pytest.mark.parametrize(
    "training",
    [
        {"optimizer": "adam"},
        {"optimizer": "adamw", "ema": 0.9},
        {"optimizer": "sgd", "mixup": 0.2, "clip": 1.0},
        {"optimizer": "rmsprop", "flip": True, "crop": 1},
    ],
    ids=lambda training: training["optimizer"],
)
def test_a_killed_training_ends_with_the_very_values_of_an_undisturbed_one(
    training: dict[str, object], tmp_path: Path
) -> None:
    task = tasks.classification(data.digits())
    setting = Training(epochs=4, rungs=(1, 2, 3), hopeless_after=0, **training)
    path = tmp_path / "checkpoint.safetensors"
    undisturbed, resumed = network(), network()
    expected = fit(undisturbed, task, setting, device=CPU, seed=3)

    def keep(state: State) -> None:
        write_tensors(path, dataclasses.asdict(state))
        if state.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        fit(network(), task, setting, device=CPU, seed=3, keep=keep)
    torch.manual_seed(99)  # another process is anywhere
    epochs = []
    found = fit(
        resumed,
        task,
        setting,
        device=CPU,
        seed=3,
        state=State(**read_tensors(path)),
        report=lambda epoch, _: epochs.append(epoch),
    )
    assert found == expected
    assert epochs == [3], "no finished epoch is repeated"
    for name, value in undisturbed.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_a_state_holds_the_weights_that_were_evaluated() -> None:
    task = tasks.classification(data.digits())
    module, evaluated = network(), network()

    def keep(state: State) -> None:
        evaluated.load_state_dict(state.module)
        assert state.trained, "beside them those that training goes on with"

    found = fit(module, task, Training(epochs=2, rungs=(), ema=0.9), device=CPU, seed=0, keep=keep)
    part = task.data.splits.validation
    assert evaluate(evaluated, task, part, task.data.splits.prepare) == pytest.approx(found, rel=1e-3)
    assert torch.equal(evaluated.state_dict()["0.weight"], module.state_dict()["0.weight"])


def test_what_was_written_is_read_again_whatever_its_memory_looks_like(tmp_path: Path) -> None:
    whole = torch.arange(24.0).view(2, 3, 4)
    content = {
        "shared": [whole, whole[0], whole.t() if whole.ndim == 2 else whole.transpose(0, 2)],
        "scalar": torch.tensor(3),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "rest": {"text": "…", "none": None, "number": 0.1, "list": [1, [2.5, True]]},
    }
    write_tensors(tmp_path / "x.safetensors", content)
    found = read_tensors(tmp_path / "x.safetensors")
    assert found["rest"] == content["rest"]
    for before, after in zip(
        [*content["shared"], content["scalar"], content["bytes"]],
        [*found["shared"], found["scalar"], found["bytes"]],
        strict=True,
    ):
        assert torch.equal(before, after)
        assert before.dtype == after.dtype


@pytest.mark.parametrize("content", [b"", b"\x80\x04N.", b"\xff" * 100])
def test_a_damaged_checkpoint_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match="remove it to begin anew"):
        read_tensors(path)


def test_a_full_disk_is_told_and_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"epoch": 1, "weights": torch.ones(10)})
    with full_disk(10_000), pytest.raises(UserError, match=r"x\.safetensors cannot be written: File too"):
        write_tensors(path, {"epoch": 2, "weights": torch.ones(10_000)})
    assert read_tensors(path)["epoch"] == 1
    assert list(tmp_path.iterdir()) == [path], "no half-written file is left"
