"""A training that is stopped in the middle of an epoch goes on to the very values of an undisturbed one."""

from __future__ import annotations

import itertools
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from optnas import Training, data, parse, tasks
from optnas.checkpoints.state import read_tensors, write_tensors
from optnas.interrupts import stopping
from optnas.train import State, batches, fit
from optnas.train.nothing_learned import Hopeless

CPU = torch.device("cpu")
ALL_RANDOM = "seq(conv(8), norm, relu, dropout(0.3), maxpool(2), head)"


@pytest.fixture
def images() -> tasks.Classification:
    rng = np.random.default_rng(0)
    return tasks.classification(data.tensors(rng.random((260, 1, 8, 8), np.float32), np.arange(260) % 3))


class Watch(nn.Module):
    """The network, which asks for a stop in one of its passes."""

    def __init__(self, at: int | None = None) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.network = parse(ALL_RANDOM).build((1, 8, 8), outputs=3)
        self.at, self.passes, self.steps = at, 0, 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        self.steps += self.training
        if self.passes == self.at:
            stopping.stop_soon()
        return self.network(x)


def stopped(
    path: Path, task: tasks.Classification, at: list[int], training: Training, **changes: Any
) -> tuple[dict[str, float], dict[str, Tensor], int]:
    """Train, stopping in each of these passes of the network since the training was gone on with.

    Returns:
        The metrics, the weights, and the number of training steps.
    """
    state, steps = None, 0
    for stop in [*at, None]:
        module = Watch(stop)
        torch.manual_seed(99 + steps) if state is not None else torch.manual_seed(5)
        try:
            found = fit(
                module,
                task,
                training,
                device=CPU,
                seed=3,
                state=state,
                keep=lambda state: write_tensors(path, vars(state)),
                **changes,
            )
        except KeyboardInterrupt:
            state = State(**read_tensors(path))
            steps += module.steps
            continue
        return found, module.state_dict(), steps + module.steps
    raise AssertionError("the last one is not stopped")


@pytest.mark.parametrize(
    ("training", "pieces"),
    [
        ({"optimizer": "adam"}, 1),
        ({"optimizer": "adamw", "ema": 0.9, "rungs": ()}, 1),
        ({"optimizer": "sgd", "mixup": 0.2, "clip": 1.0}, 2),
        ({"optimizer": "rmsprop", "flip": True, "crop": 1, "cutout": 3, "ema": 0.8}, 1),
    ],
    ids=["adam", "average", "micro-batches", "augmented"],
)
def test_stopped_anywhere_it_ends_with_the_very_values_and_repeats_no_step(
    training: dict[str, Any], pieces: int, images: tasks.Classification, tmp_path: Path
) -> None:
    setting = Training(**{"epochs": 4, "batch_size": 32, "rungs": (2,), "hopeless_after": 0, **training})
    expected, weights, count = stopped(tmp_path / "x", images, [], setting, pieces=pieces)
    passes = count + 3
    rng = random.Random(repr(training))
    everywhere = [[at] for at in range(1, passes)] if pieces == 1 else []
    for at in [*rng.sample(everywhere, min(6, len(everywhere))), [3, 2, 1, 5, 4, 1]]:
        found, resumed, steps = stopped(tmp_path / "x", images, at, setting, pieces=pieces)
        assert found == expected, at
        assert steps == count, at
        for name, value in weights.items():
            assert torch.equal(resumed[name], value), (at, name)


def test_stopped_in_an_evaluation_it_repeats_the_evaluation_alone(
    images: tasks.Classification, tmp_path: Path
) -> None:
    setting = Training(epochs=3, batch_size=32, rungs=(1, 2), hopeless_after=0, ema=0.9)
    expected, weights, count = stopped(tmp_path / "x", images, [], setting)
    per_epoch = count // 3
    for at in (per_epoch + 1, 2 * per_epoch + 2, 3 * per_epoch + 3):
        found, resumed, steps = stopped(tmp_path / "x", images, [at], setting)
        assert (found, steps) == (expected, count)
        assert all(torch.equal(resumed[name], value) for name, value in weights.items())


def test_an_epoch_of_many_blocks_is_read_on_from_the_block_it_was_stopped_in(tmp_path: Path) -> None:
    class Drawn(torch.utils.data.Dataset[tuple[Tensor, int]]):
        """Samples that draw from PyTorch's own generator as they are read."""

        def __init__(self) -> None:
            self.read = 0

        def __len__(self) -> int:
            return 300

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            self.read += 1
            return torch.rand(1, 8, 8) + index / 300, index % 3

    samples = Drawn()
    held = data.dataset(samples, memory=0, readers=0)
    training = Training(flip=True, mixup=0.3)
    sizes = batches.batch_sizes(len(held.splits.train), 16)

    def epoch() -> tuple[batches.Shuffled, torch.Generator]:
        generator = torch.Generator().manual_seed(2)
        return batches.Shuffled(
            held.splits, sizes, training, generator, most_bytes=4 * 64 * 16 * 4
        ), generator

    torch.manual_seed(0)
    whole, expected = epoch()[0], []
    for x, y in whole:
        expected.append((x, y))
        torch.rand(7)  # as dropout draws between two steps
    for done in (1, 3, 4, 5, 8, len(sizes) - 1, len(sizes)):
        torch.manual_seed(0)
        begun, generator = epoch()
        for _ in itertools.islice(begun, done):
            torch.rand(7)
        states = begun.generators, generator.get_state(), torch.get_rng_state()
        torch.manual_seed(11)
        rest, generator = epoch()
        generator.set_state(states[1])
        torch.set_rng_state(states[2])
        rest.resume(states[0], done)
        samples.read = 0
        found = []
        for x, y in rest:
            found.append((x, y))
            torch.rand(7)
        assert samples.read <= 16 * (len(sizes) - done + 3)
        assert len(found) == len(sizes) - done
        for (x, y), (expected_x, expected_y) in zip(found, expected[done:], strict=True):
            assert torch.equal(x, expected_x)
            assert torch.equal(y, expected_y)


def test_what_learns_nothing_is_stopped_at_its_rung_though_it_was_stopped_there(tmp_path: Path) -> None:
    task = tasks.classification(data.tensors(torch.zeros(90, 1, 8, 8), np.arange(90) % 3))
    setting = Training(epochs=4, batch_size=32, rungs=(1, 2, 3), lr=1e-9)
    kept: list[State] = []

    def report(epoch: int, metrics: dict[str, float]) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    def keep(state: State) -> None:
        write_tensors(tmp_path / "x", vars(state))

    with pytest.raises(KeyboardInterrupt):
        fit(Watch(), task, setting, device=CPU, seed=0, keep=keep, report=report)
    module = Watch()
    state = State(**read_tensors(tmp_path / "x"))
    with pytest.raises(Hopeless):
        fit(module, task, setting, device=CPU, seed=0, keep=keep, state=state, report=lambda *_: None)
    assert module.steps == 0
    assert not kept


@pytest.fixture
def on_usr1() -> Iterator[None]:
    def handler(*_: Any) -> None:
        if not stopping.training():
            raise KeyboardInterrupt
        stopping.stop_soon()

    before = signal.signal(signal.SIGUSR1, handler)
    alarm = signal.getsignal(signal.SIGALRM)
    yield
    signal.signal(signal.SIGUSR1, before)
    signal.signal(signal.SIGALRM, alarm)


@pytest.mark.parametrize("where", ["report", "keep", "loss"])
def test_a_signal_interrupts_no_step_and_no_checkpoint_but_a_report(
    where: str, on_usr1: None, images: tasks.Classification
) -> None:
    went_on: list[str] = []
    kept: list[State] = []

    def here(name: str) -> None:
        if name == where:
            os.kill(os.getpid(), signal.SIGUSR1)
            went_on.append(name)

    class Signalled(Watch):
        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                here("loss")
            return super().forward(x)

    def keep(state: State) -> None:
        if not kept:
            here("keep")
        kept.append(state)

    with pytest.raises(KeyboardInterrupt):
        fit(
            Signalled(),
            images,
            Training(epochs=3, rungs=(1, 2), batch_size=32),
            device=CPU,
            seed=0,
            keep=keep,
            report=lambda *_: here("report"),
        )
    assert went_on == ([] if where == "report" else [where])
    (last,) = kept
    assert (last.epoch, last.batches) == ((0, 1) if where == "loss" else (1, 0))
    assert not stopping.training()
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_step_that_takes_too_long_is_interrupted(
    on_usr1: None, images: tasks.Classification, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "_LONGEST_SECONDS", 0.05)
    kept: list[State] = []

    class Endless(Watch):
        def forward(self, x: Tensor) -> Tensor:
            os.kill(os.getpid(), signal.SIGUSR1)
            while True:
                super().forward(x)

    with pytest.raises(KeyboardInterrupt):
        fit(Endless(), images, Training(epochs=1), device=CPU, seed=0, keep=kept.append)
    assert not kept


def test_the_interrupt_is_not_lost_in_another_end_of_the_training(images: tasks.Classification) -> None:
    class Failing(Watch):
        def forward(self, x: Tensor) -> Tensor:
            stopping.stop_soon()
            raise torch.OutOfMemoryError("no")

    with pytest.raises(KeyboardInterrupt):
        fit(Failing(), images, Training(epochs=1), device=CPU, seed=0, keep=lambda state: None)
    assert not stopping.asked()
