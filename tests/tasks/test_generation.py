"""Generation of samples: diffusion, and adversarial networks."""

from __future__ import annotations

import copy
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optnas import SpaceError, Study, UserError, data, minimize, parse, tasks
from optnas.checkpoints.state import State, read_tensors, write_tensors
from optnas.interrupts import stopping
from optnas.run.lookup import find_study
from optnas.tasks._generated import Real
from optnas.tasks.diffusion import noised
from optnas.train import Training, fit
from optnas.train.loop import evaluate
from tests.files import REPOSITORY, finish, start

CPU = torch.device("cpu")
GENERATOR = "seq(linear(32), norm, relu, dropout(0.1), head)"
DENOISER = "seq(concat(seq(input('x'), flatten), seq(input('t'), embedding(8))), linear(64), silu, head)"


def keep_in(states: list[State]) -> Callable[[State], None]:
    """Return a function that keeps states as they are now, which a training goes on to change."""
    return lambda state: states.append(copy.deepcopy(state))


class Known(nn.Module):
    """The best answer to noised samples that were all the same sample."""

    def __init__(self, sample: Tensor, steps: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        inputs, noise = noised(torch.zeros(4 * steps, 1), steps, generator)
        # Of a sample of zeros what is there is noise, and how much of it tells the level.
        self.share = torch.zeros(steps)
        self.share[inputs["t"].long()] = (inputs["x"] / noise)[:, 0]
        self.sample = sample

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        share = self.share[x["t"].long()][:, None]
        return (x["x"] - (1 - share**2).sqrt() * self.sample) / share


def test_steps_from_noise_lead_to_the_sample_that_a_perfect_network_knows() -> None:
    sample = torch.tensor([[0.5, -1.0, 2.0]])
    noise = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    found = tasks.ddim(Known(sample, 20), noise, 20)
    assert torch.allclose(found, sample.expand(5, 3), atol=1e-3)
    assert tasks.ddim(Known(sample, 20), noise, 20, most=1.0).abs().max() <= 1


class OfGaussian(nn.Module):
    """The best answer to noised samples of mean 0 and a known deviation."""

    def __init__(self, deviation: float, steps: int) -> None:
        super().__init__()
        self.variance, self.share = deviation**2, Known(torch.zeros(1), steps).share

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        noise = self.share[x["t"].long()][:, None] ** 2
        return x["x"] * noise.sqrt() / ((1 - noise) * self.variance + noise)


def test_steps_from_noise_lead_to_samples_of_the_deviation_that_was_learned() -> None:
    noise = torch.randn(50, 1, generator=torch.Generator().manual_seed(1))
    found = tasks.ddim(OfGaussian(0.5, 200), noise, 200)
    assert (found / noise - 0.5).abs().max() < 0.1  # that the noise has one, and steps are finite


def test_noise_grows_with_the_level_and_leaves_the_variance_as_it_was() -> None:
    x = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))
    inputs, noise = noised(x, 10, torch.Generator().manual_seed(1))
    alike = []
    for level in range(10):
        there = inputs["t"] == level
        assert inputs["x"][there].var().item() == pytest.approx(1, abs=0.1)
        alike.append(torch.corrcoef(torch.cat([inputs["x"][there], x[there]], dim=1).T)[0, 1].item())
    assert alike == sorted(alike, reverse=True)
    assert alike[0] > 0.95
    assert alike[-1] < 0.15
    assert noise.std().item() == pytest.approx(1, abs=0.05)


def test_the_distance_is_small_between_real_samples_and_grows_with_what_is_lost() -> None:
    real = Real(data.digits())
    validation = real.part("validation")
    other = real.distance(real.part("test"), validation)
    assert real.distance(validation, validation) == pytest.approx(0, abs=1e-6)
    generator = torch.Generator().manual_seed(0)
    noisy = [
        real.distance(
            real.part("test") + level * torch.randn(real.part("test").shape, generator=generator), validation
        )
        for level in (0.3, 1.0)
    ]
    one_class = real.distance(validation[data.digits().splits.validation.y == 3], validation)
    assert other < noisy[0] < noisy[1]
    assert other < real.gaussian < one_class
    assert real.gaussian < real.mean


def test_a_diffusion_model_beats_noise_and_a_resumed_one_is_the_same() -> None:
    task = tasks.diffusion(data.digits(), steps=10)
    task.check()
    training = Training(epochs=4, batch_size=64, lr=1e-2, rungs=(1, 2, 3))

    def trained(state: State | None = None) -> tuple[dict[str, float], list[State]]:
        torch.manual_seed(0)
        module = parse(DENOISER).build(task.data.shape, **task.context)
        states: list[State] = []
        found = fit(module, task, training, device=CPU, seed=0, state=state, keep=keep_in(states))
        return found, states

    found, states = trained()
    assert found["loss"] < 0.7
    assert found["frechet"] < task.chance["frechet"] / 2
    assert task.at_chance(found) is None
    assert "at chance" in (task.at_chance(task.chance) or "")
    assert trained(states[1])[0] == found


def test_an_adversarial_generator_comes_nearer_to_real_digits() -> None:
    task = tasks.adversarial(data.digits(), noise=8)
    task.check()
    torch.manual_seed(0)
    module = parse("seq(linear(64), norm, relu, head)").build(task.data.shape, **task.context)
    before = task.measure(module(task.data.splits.validation.x).detach(), task.data.splits.validation.y)
    training = Training(epochs=12, batch_size=64, lr=3e-3)
    found = fit(module, task, training, device=CPU, seed=0)
    assert found["frechet"] < before["frechet"] / 2
    assert found["frechet"] < task.chance["frechet"] / 2
    assert task.at_chance(found) is None
    assert task.baselines()["a Gaussian fitted to the training part"]["frechet"] > 1


def made(
    task: tasks.Task, text: str, state: State | None = None, path: Path | None = None
) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Train a network and return its metrics and weights; keep its states at ``path``."""
    torch.manual_seed(7 if state is None else 99)  # whoever goes on is anywhere
    module = parse(text).build(task.data.shape, **task.context)
    keep = None if path is None else lambda state: write_tensors(path, vars(state))
    training = Training(epochs=3, batch_size=256, lr=3e-3, ema=0.9, rungs=(1, 2), hopeless_after=0)
    found = fit(module, task, training, device=CPU, seed=3, state=state, keep=keep)
    return found, {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize(
    ("make", "text"), [(tasks.adversarial, GENERATOR), (tasks.diffusion, DENOISER)], ids=["gan", "diffusion"]
)
def test_a_generator_that_was_stopped_within_an_epoch_goes_on_to_the_very_same(
    make: Callable[[data.Data], tasks.Task], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, path = make(data.digits()), tmp_path / "checkpoint.safetensors"
    expected, weights = made(task, text)
    per_epoch, steps, check = task.batches_per_epoch or 5, iter(range(1000)), stopping.check

    def stop() -> None:
        if next(steps) == per_epoch + 3:  # in the second epoch; an evaluation is two or three steps
            stopping.stop_soon()
        check()

    with monkeypatch.context() as patch:
        patch.setattr(stopping, "check", stop)
        with pytest.raises(KeyboardInterrupt):
            made(task, text, path=path)
    state = State.read(read_tensors(path))
    assert state.epoch == 1
    assert state.resumable
    found, others = made(make(data.digits()), text, state)
    assert found == expected
    for name, value in weights.items():
        assert torch.equal(value, others[name]), name


HURT = """
import os, signal
from pathlib import Path
from optnas.interrupts import stopping

calls, check = iter(range(10**6)), stopping.check


def hurt():
    if next(calls) == 45 and Path("harm").exists():
        Path("harm").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    check()


stopping.check = hurt
"""


@pytest.mark.slow
@pytest.mark.parametrize("file", ["gan.py", "diffusion.py"])
def test_a_killed_search_for_generators_goes_on_to_the_very_values_of_an_undisturbed_one(
    file: str, tmp_path: Path
) -> None:
    code = (REPOSITORY / "studies" / file).read_text()
    short = "training=Training(rungs=(1, 2), "
    code = code.replace("training=Training(", short).replace("epochs=81", "epochs=4")
    (tmp_path / "study.py").write_text(HURT + code.replace("epochs=54", "epochs=4"))
    values = []
    for storage in ("undisturbed.log", "killed.log"):
        options = ["run", "study.py", "--trials", 1, "--workers", 1, "--no-publish", "--storage", storage]
        if storage == "killed.log":
            (tmp_path / "harm").touch()
            dead = start(*options, folder=tmp_path)
            dead.communicate(timeout=120)
            assert dead.returncode == -signal.SIGKILL
        finish(start(*options, folder=tmp_path))
        (trial,) = find_study(str(tmp_path / storage), None).trials
        values.append(trial.values)
    assert trial.user_attrs["resumed"] >= 1
    assert values[0] == values[1]


def test_noise_and_samples_of_diffusion_are_drawn_from_generators_of_their_own() -> None:
    shape = tasks.diffusion(data.digits(), steps=5).data.shape
    module = parse(DENOISER).build(shape, outputs=64, vocabulary=5)

    def drawn(seed: int) -> list[Any]:
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        task, training = tasks.diffusion(data.digits(), steps=5), Training(batch_size=16)
        parts = task.data.splits  # noise comes to the samples when they are loaded
        metrics = evaluate(module, task, parts.validation, parts.prepare)
        batches = [
            next(task.experience(module, training, torch.Generator().manual_seed(seed))) for seed in (3, 4)
        ]
        assert torch.equal(torch.get_rng_state(), before)
        assert not torch.equal(batches[0][0]["x"], batches[1][0]["x"])
        inputs, noise = batches[0]
        return [metrics["frechet"], metrics["loss"], parts.train.x["x"], inputs["x"], inputs["t"], noise]

    for one, other in zip(drawn(1), drawn(2), strict=True):
        assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))


def test_noise_of_adversarial_networks_is_the_same_for_all_and_measuring_draws_none() -> None:
    module, kept = nn.Linear(16, 64), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        task = tasks.adversarial(data.digits())
        parts = task.data.splits
        kept.append(evaluate(module, task, parts.validation, parts.prepare))
        assert torch.equal(torch.get_rng_state(), before)
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tasks.diffusion(data.digits(), steps=1), "at least 2"),
        (lambda: tasks.adversarial(data.digits(), noise=0), "at least 1"),
        (lambda: tasks.diffusion(data.text()).check(), "learns from numbers"),
        (
            lambda: tasks.diffusion(data.digits()).loss(torch.zeros(2, 10), torch.zeros(2, 1, 8, 8)),
            "diffusion takes 64 numbers",
        ),
        (
            lambda: tasks.adversarial(data.digits()).measure(torch.zeros(2, 10), torch.zeros(2, 1, 8, 8)),
            "a generator makes 64 numbers",
        ),
    ],
)
def test_what_does_not_fit_is_told(make, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make()


@pytest.mark.parametrize(
    ("make", "begin"),
    [(tasks.adversarial, "linear(64)"), (tasks.diffusion, DENOISER.removesuffix(", head)") + ")")],
    ids=["gan", "diffusion"],
)
def test_a_network_puts_out_all_numbers_of_a_sample_or_is_told_before_it_is_trained(
    make: Callable[[data.Data], tasks.Task], begin: str
) -> None:
    task = make(data.digits())
    assert task.misfit((1, 8, 8)) is None
    space = parse(f"seq({begin}, head)")
    study = Study("generated", space, task=task, objectives=[minimize("frechet")])
    assert study.tree_costs(space)["params"] > 0
    said = (
        r"puts out \(10,\), but the task takes \(64,\) or \(1, 8, 8\): end the space with head or"
        r" conv\(1, 1, bias=True\)"
    )
    with pytest.raises(SpaceError, match=said):
        study.tree_costs(parse(f"seq({begin}, linear(10))"))
    assert "takes (64,) or (1, 8, 8)" in (task.misfit((2, 8, 8)) or "")
