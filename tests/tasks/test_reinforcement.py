from __future__ import annotations

import dataclasses
import signal
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch

from optnas import Training, UserError, parse, tasks
from optnas.data.normalize import Normalized
from optnas.storages.opening import open_storage
from optnas.tasks._environments import Rollout, advantages, played
from optnas.tasks.reinforcement import _Player
from optnas.train import fit
from tests.files import call, start

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed")

NETWORK = "seq(linear(16), tanh, fork(policy=head, value=head(1)))"


class Guess(gymnasium.Env):  # type: ignore[misc, name-defined]
    """Five times a number is shown; its sign is to be told, for a reward of 10."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float64)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.left = 5
        return self._shown(), {}

    def _shown(self) -> Any:
        self.number = 1_000 + self.np_random.normal()
        return np.array([self.number])

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.left -= 1
        reward = 10.0 * (action == (self.number > 1_000))
        return self._shown(), reward, self.left == 0, False, {}


def trained(task: tasks.Reinforcement, epochs: int, **settings: Any) -> dict[str, float]:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    module = parse(NETWORK).build(task.data.shape, **task.context)
    training = Training(epochs=epochs, batch_size=128, lr=1e-2, hopeless_after=0, **settings)
    return fit(module, task, training, device=torch.device("cpu"), seed=0)


def test_a_network_learns_to_hold_a_pole_better_than_a_hand_written_policy() -> None:
    task = tasks.reinforcement(
        "CartPole-v1", episodes=5, rollouts=4, policies={"leaning": lambda seen: (seen[:, 2] > 0).astype(int)}
    )
    task.check()
    simple = task.baselines()
    assert simple["random actions"]["mean_return"] < simple["leaning"]["mean_return"] < 60
    found = trained(task, 4)
    assert found["mean_return"] > 2 * simple["leaning"]["mean_return"]
    assert found["least_return"] <= found["mean_return"] <= 500


def test_an_environment_of_one_s_own_is_learned_whatever_its_units() -> None:
    task = tasks.reinforcement(Guess, best=50, rollouts=4)
    assert task.data.name == "Guess"
    assert task.chance["mean_return"] == pytest.approx(25, abs=5)
    assert trained(task, 4)["mean_return"] > 45


def test_returns_are_of_the_first_episode_of_each_environment() -> None:
    always = played(Guess, lambda seen: (seen[:, 0] > 1_000).astype(int), 3, 4)
    assert always.tolist() == [50] * 4
    leaning = played("CartPole-v1", lambda seen: (seen[:, 2] > 0).astype(int), 7, 3)
    alone = []
    together = gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="vector_entry_point")
    seen, _ = together.reset(seed=7)
    over = np.zeros(3, dtype=bool)
    while not over.all():
        seen, _, ended, cut, _ = together.step((seen[:, 2] > 0).astype(int))
        alone.append(~over)
        over |= ended | cut
    assert leaning.tolist() == np.sum(alone, axis=0).tolist()


def test_advantages_are_the_rewards_to_come_beyond_what_was_expected() -> None:
    gamma = 0.9
    value = torch.tensor([[0.5, 0.5], [0.4, 0.4], [0.3, 0.3], [0.2, 0.2]])
    reward = torch.tensor([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]])
    ended = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    over = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    nothing = torch.zeros(3, 2)
    found = advantages(Rollout(value, nothing, nothing, value, reward, ended, over, nothing), gamma, 1.0)
    last = 4 + gamma * 0.2 - 0.3
    # The first has no reward after its end; the second was cut off, and would have gone on.
    assert found[:, 0].tolist() == pytest.approx([1 + gamma * 2 - 0.5, 2 - 0.4, last])
    cut = 2 + gamma * 0.3
    assert found[:, 1].tolist() == pytest.approx([1 + gamma * cut - 0.5, cut - 0.4, last])
    one_step = advantages(Rollout(value, nothing, nothing, value, reward, ended, over, nothing), gamma, 0.0)
    assert one_step[:, 1].tolist() == pytest.approx([1 + gamma * 0.4 - 0.5, cut - 0.4, last])


def test_what_only_begins_an_episode_counts_for_nothing() -> None:
    task = tasks.reinforcement(Guess, environments=3)
    module = parse(NETWORK).build(task.data.shape, **task.context)
    player = _Player(module, task, torch.Generator().manual_seed(0))
    with torch.no_grad():
        rollout = player.rollout(14)
    player.close()
    # Five steps and a beginning, again and again.
    assert rollout.real[:, 0].tolist() == [1.0] * 5 + [0.0] + [1.0] * 5 + [0.0] + [1.0] * 2
    assert (rollout.reward[rollout.real == 0] == 0).all()
    x, targets = task._samples(rollout)
    changed = {**targets, "advantage": torch.where(targets["real"] > 0, targets["advantage"], 99.0)}
    outputs = module(x)
    assert torch.equal(task.loss(outputs, targets), task.loss(outputs, changed))
    assert not torch.equal(targets["advantage"], changed["advantage"])


def test_the_loss_moves_no_action_further_than_the_clip() -> None:
    task = tasks.reinforcement(Guess, clip=0.2, entropy=0.0)
    targets = {
        "action": torch.tensor([1]),
        "log_probability": torch.tensor([0.5]).log(),
        "advantage": torch.tensor([1.0]),
        "return": torch.tensor([0.0]),
        "real": torch.tensor([1.0]),
    }

    def slope(score: float, advantage: float) -> float:
        policy = torch.tensor([[0.0, score]], requires_grad=True)
        given = {**targets, "advantage": torch.tensor([advantage])}
        task.loss({"policy": policy, "value": torch.zeros(1, 1)}, given).backward()  # type: ignore[no-untyped-call]
        assert policy.grad is not None
        return float(policy.grad[0, 1])

    assert slope(0.0, 1.0) < 0 < slope(0.0, -1.0)
    assert slope(1.0, 1.0) == 0  # 0.73 is beyond 1.2 · 0.5 already
    assert slope(1.0, -1.0) > 0  # and may come back


def test_a_network_gets_observations_normalised_by_random_play() -> None:
    task = tasks.reinforcement(Guess)
    x = task.data.splits.train.x
    assert abs(x.mean()) < 1e-3
    assert x.std() == pytest.approx(1, abs=1e-2)
    prepare = task.data.splits.prepare
    assert isinstance(prepare, Normalized)
    shown = task.prepared(np.array([[1_000.0]]), torch.device("cpu"))
    assert abs(shown) < 0.2


def test_the_test_part_has_other_episodes() -> None:
    splits = tasks.reinforcement("CartPole-v1", episodes=4).data.splits
    assert set(splits.validation.y.tolist()) != set(splits.test.y.tolist())
    assert not torch.equal(splits.validation.x, splits.test.x)


STUDY = """
import os, signal
from pathlib import Path
from optnas import Study, Training, maximize, minimize, ops, tasks

HERE = Path(__file__).parent

class Killed(tasks.Reinforcement):
    def experience(self, module, training, generator):
        for batch in super().experience(module, training, generator):
            with (HERE / "batches").open("a") as lines:
                lines.write("\\n")
            # In the middle of the third epoch, once.
            if (HERE / "batches").stat().st_size == {at}:
                os.kill(os.getpid(), signal.{by})
            yield batch

task = tasks.reinforcement("CartPole-v1", episodes=5, rollouts=2)
study = Study(
    name="killed",
    space=ops.seq(
        ops.linear(8), ops.tanh(), ops.dropout(0.1), ops.fork(policy=ops.head(), value=ops.head(1))
    ),
    task=Killed(**vars(task)),
    objectives=[maximize("mean_return"), minimize("flops")],
    training=Training(epochs=4, batch_size=32, lr=1e-2, rungs=(1, 2), hopeless_after=0),
    sampler="random",
)
"""


def values(folder: Path) -> tuple[Any, Any]:
    storage = open_storage(f"sqlite:///{folder}/optnas.db")
    (trial,) = optuna.load_study(study_name="killed", storage=storage).trials
    return trial.values, trial.intermediate_values


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "killed.py").write_text(STUDY.format(at=0, by="SIGKILL"))
    run = start("run", "killed.py", "--trials", 1, "--workers", 1, "--threads", 1, folder=folder)
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    return folder


@pytest.mark.parametrize("by", [pytest.param("SIGKILL", marks=pytest.mark.slow), "SIGTERM"])
def test_a_training_that_acts_goes_on_where_it_was_stopped_and_ends_with_the_same_values(
    by: str, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    epoch = 2 * 4 * 4
    (tmp_path / "killed.py").write_text(STUDY.format(at=2 * epoch + 5, by=by))
    arguments = ("run", "killed.py", "--trials", 1, "--workers", 1, "--threads", 1)
    run = start(*arguments, folder=tmp_path)
    output, _ = run.communicate(timeout=120)
    assert run.returncode != 0, output
    if by == "SIGKILL":
        assert run.returncode == -signal.SIGKILL, output
    again = call(*arguments)
    assert again.exit_code == 0, again.output
    assert values(tmp_path) == values(undisturbed)
    # The third epoch was begun anew, and nothing before it.
    assert (tmp_path / "batches").stat().st_size == 4 * epoch + 5


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ("CartPole-v99", "CartPole-v99"),
        ("Pendulum-v1", r"actions a choice \(Discrete, from 0 on\), not"),
        ("FrozenLake-v1", r"observations must be arrays \(Box\)"),
    ],
)
def test_an_environment_that_cannot_be_learned_is_one_line(environment: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        tasks.reinforcement(environment).check()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"episodes": 0}, "episodes=0"),
        ({"passes": 1.5}, "passes=1.5"),
        ({"discount": 1}, "discount=1"),
        ({"clip": -1}, "clip=-1"),
    ],
)
def test_a_number_out_of_its_range_is_one_line(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        tasks.reinforcement("CartPole-v1", **arguments)


def test_without_gymnasium_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gymnasium", None)
    with pytest.raises(UserError, match=r"pip install 'optnas\[reinforcement\]'"):
        tasks.reinforcement("CartPole-v1").check()


def test_a_task_is_a_value() -> None:
    task = tasks.reinforcement("CartPole-v1")
    assert dataclasses.replace(task, clip=0.1).clip == 0.1
    assert task.batches_per_epoch == 8 * 4 * 4
