"""A training whose data the task makes by itself goes on to the values of an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from optnas import Training, UserError, data, ops, tasks
from optnas.checkpoints.state import read_tensors, write_tensors
from optnas.interrupts import stopping
from optnas.train import State, fit
from optnas.train.task import Batches

CPU = torch.device("cpu")
EPOCHS, BATCHES = 4, 3
SETTING = Training(epochs=EPOCHS, batch_size=32, rungs=(1, 2, 3), hopeless_after=0, lr=0.05, ema=0.5)
NETWORK = ops.seq(ops.linear(16), ops.norm(), ops.relu(), ops.dropout(0.2), ops.linear(2))


class Corridor:
    """Walkers on a line, who are rewarded for how near they get to 0."""

    def __init__(self, count: int, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.places = torch.randn(count, 1, generator=self.generator) * 2

    def step(self, actions: Tensor) -> Tensor:
        noise = torch.randn(len(actions), 1, generator=self.generator) * 0.1
        before = self.places
        self.places = before + 0.5 * (2 * actions[:, None] - 1) + noise
        return (before.abs() - self.places.abs())[:, 0]


class Walk(tasks.Task):
    """Policy gradient (Williams 1992): each action by what it brought nearer."""

    data = data.tensors(torch.randn(40, 1).numpy(), torch.arange(40).numpy() % 2)
    metrics = ("reward",)
    batches_per_epoch = BATCHES
    output_shape = (2,)

    def __init__(self, disturb: tuple[int, Any] | None = None) -> None:
        self.made, self.disturb = 0, disturb
        self.modes: list[tuple[bool, bool]] = []

    def experience(self, module: nn.Module, training: Training, generator: torch.Generator) -> Iterator[Any]:
        walkers = Corridor(training.batch_size, int(torch.randint(2**31, (), generator=generator)))
        for _ in range(BATCHES):
            self.made += 1
            if self.disturb is not None and self.made == self.disturb[0]:
                self.disturb[1]()
            places = walkers.places.clone()
            self.modes.append((module.training, torch.is_grad_enabled()))
            actions = torch.multinomial(module(places).softmax(dim=1), 1, generator=generator)[:, 0]
            yield places, {"action": actions, "reward": walkers.step(actions)}

    def loss(self, outputs: Tensor, targets: Any) -> Tensor:  # type: ignore[override]
        chosen = log_softmax(outputs, dim=1).gather(1, targets["action"][:, None])[:, 0]
        return -(chosen * targets["reward"]).mean()

    def evaluate(self, module: nn.Module, batches: Batches) -> dict[str, float]:
        walkers = Corridor(100, 1)
        rewards = [walkers.step(module(walkers.places).argmax(dim=1)).mean() for _ in range(5)]
        return {"reward": torch.stack(rewards).mean().item()}


class Momentum:
    """A step of one's own with a state: SGD with momentum, a counter, and noise of a generator of its own."""

    def __init__(self, task: tasks.Task, module: nn.Module) -> None:
        self.task, self.module, self.steps = task, module, 0
        self.optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
        self.generator = torch.Generator().manual_seed(4)

    def __call__(self, inputs: Any, targets: Any, rate: float) -> Tensor:
        self.steps += 1
        noise = torch.randn(inputs.shape, generator=self.generator) / self.steps
        loss = self.task.loss(self.module(inputs + 0.1 * noise), targets)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        return {
            "optimizer": self.optimizer.state_dict(),
            "steps": self.steps,
            "noise": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps = state["steps"]
        self.generator.set_state(state["noise"])


class OwnWalk(Walk):
    def own_step(self, module: nn.Module, training: Training) -> tasks.Step:
        return Momentum(self, module)


def trained(
    task: tasks.Task, state: State | None = None, path: Path | None = None
) -> tuple[dict[str, float], dict[str, Tensor]]:
    torch.manual_seed(7 if state is None else 99)  # whoever goes on is anywhere
    module = NETWORK.build((1,), outputs=2)
    keep = None if path is None else lambda state: write_tensors(path, vars(state))
    found = fit(module, task, SETTING, device=CPU, seed=3, state=state, keep=keep)
    return found, {name: value.clone() for name, value in module.state_dict().items()}


def assert_same(one: Any, other: Any) -> None:
    assert one[0] == other[0]
    for name, value in one[1].items():
        assert torch.equal(value, other[1][name]), name


def test_it_learns_and_acts_in_evaluation_mode_without_gradients() -> None:
    task = Walk()
    found, _ = trained(task)
    assert found["reward"] > 0.05
    assert task.modes == [(False, False)] * (EPOCHS * BATCHES)


@pytest.mark.parametrize("kind", [Walk, OwnWalk])
@pytest.mark.parametrize("at", [1, 2, BATCHES + 1, 2 * BATCHES + 2])
def test_a_stop_within_an_epoch_keeps_how_it_began(kind: type[Walk], at: int, tmp_path: Path) -> None:
    expected, path = trained(kind()), tmp_path / "checkpoint.safetensors"
    with pytest.raises(KeyboardInterrupt):
        trained(kind((at, stopping.stop_soon)), path=path)
    state = State.read(read_tensors(path))
    assert (state.epoch, state.batches) == ((at - 1) // BATCHES, 0)
    assert_same(trained(kind(), state), expected)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(kind: str, path: str) -> None:
    """Train until the second batch of the third epoch; called in another process."""
    torch.set_num_threads(1)  # as here: with others, sums are rounded otherwise
    trained({"Walk": Walk, "OwnWalk": OwnWalk}[kind]((2 * BATCHES + 2, die)), path=Path(path))


@pytest.mark.parametrize("kind", [Walk, OwnWalk])
def test_what_was_killed_goes_on_to_the_very_same(kind: type[Walk], tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    code = f"from tests.train.test_experience import killed; killed({kind.__name__!r}, {str(path)!r})"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    state = State.read(read_tensors(path))
    assert state.epoch == 2
    assert_same(trained(kind(), state), trained(kind()))


def test_another_number_of_batches_than_was_said_is_one_line() -> None:
    class Other(Walk):
        batches_per_epoch = BATCHES + 1

    class Fewer(Walk):
        batches_per_epoch = BATCHES - 1

    class Missing(Walk):
        def experience(self, *_: Any) -> None:  # type: ignore[override]
            return None

    for kind, said in ((Other, "makes 3 batches"), (Fewer, "makes more than 2"), (Missing, "returns none")):
        with pytest.raises(UserError, match=said):
            trained(kind())


def test_a_step_s_state_that_no_checkpoint_can_hold_is_one_line(tmp_path: Path) -> None:
    class Strange(Momentum):
        def state_dict(self) -> dict[str, Any]:
            return {"optimizer": [{"module": self.module}]}

    class StrangeWalk(Walk):
        def own_step(self, module: nn.Module, training: Training) -> tasks.Step:
            return Strange(self, module)

    with pytest.raises(UserError, match=r"state_dict\(\)\['optimizer'\]\[0\]\['module'\] is a"):
        trained(StrangeWalk(), path=tmp_path / "x.safetensors")


def test_a_step_of_one_s_own_is_stopped_within_an_epoch_of_data_and_goes_on(tmp_path: Path) -> None:
    class Own(tasks.Classification):
        stop: int | None = None

        def own_step(self, module: nn.Module, training: Training) -> tasks.Step:
            step, at = Momentum(self, module), self.stop

            class Stopping(Momentum):
                def __call__(self, *given: Any) -> Tensor:
                    if self.steps == at:
                        stopping.stop_soon()
                    return super().__call__(*given)

            step.__class__ = Stopping
            return step

    rng = torch.Generator().manual_seed(0)
    X = torch.randn(200, 1, generator=rng)
    samples = data.tensors(X.numpy(), (X[:, 0] > 0).long().numpy())
    path = tmp_path / "checkpoint.safetensors"
    expected = trained(Own(samples))
    stopped = Own(samples)
    Own.stop = 6
    with pytest.raises(KeyboardInterrupt):
        trained(stopped, path=path)
    Own.stop = None
    state = State.read(read_tensors(path))
    assert state.batches > 0
    assert_same(trained(Own(samples), state), expected)
