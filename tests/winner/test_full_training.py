from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from optnas import Training, UserError, data, maximize, minimize, parse, tasks
from optnas.checkpoints.state import read_tensors, write_tensors
from optnas.tasks import Step
from optnas.train.loop import evaluate
from optnas.winner.assessment import metrics_on
from optnas.winner.full_training import (
    HistoryCallback,
    Plan,
    TrainingHistory,
    train_seed,
)
from tests.faults import full_disk

NETWORK = "seq(conv(8), norm, relu, dropout(0.2), maxpool(2), head)"


class Killed(Exception):
    pass


# A checkpoint after every epoch.
trained = partial(train_seed, checkpoint_seconds=0.0)


def plan(**changes: object) -> Plan:
    whole = Plan(
        parse(NETWORK),
        tasks.classification(data.digits()),
        Training(epochs=5, lr=1e-2, ema=0.9),
        maximize("accuracy"),
        {"flops": 1000.0},
    )
    return dataclasses.replace(whole, **changes)


def same(a: TrainingHistory, b: TrainingHistory) -> bool:
    equal = all(torch.equal(a.weights[name], b.weights[name]) for name in a.weights)
    return equal and (a.curve, a.best, a.ended) == (b.curve, b.best, b.ended)


def killed_at(epoch: int) -> HistoryCallback:
    def watch(history: TrainingHistory) -> None:
        if len(history.curve) == epoch:
            raise Killed

    return watch


def test_the_weights_are_those_of_the_best_epoch_on_validation(tmp_path: Path) -> None:
    # A constant, much too large rate: later epochs are often worse.
    training = Training(epochs=8, lr=0.1, schedule="constant", optimizer="rmsprop")
    wanted = plan(training=training)
    history = trained(wanted, 2, tmp_path / "seed")
    accuracies = [metrics["accuracy"] for metrics in history.curve]
    assert len(accuracies) == 8
    assert history.best == 1 + accuracies.index(max(accuracies)) != 8
    module = wanted.build(0)
    module.load_state_dict(history.weights)
    splits = wanted.task.data.splits
    found = evaluate(module, wanted.task, splits.validation, splits.prepare)
    assert found["accuracy"] == pytest.approx(max(accuracies), abs=0.005)


def test_the_score_may_be_arithmetic_over_metrics_and_costs() -> None:
    wanted = plan(score=minimize("loss + log10(flops)"))
    assert wanted.loss({"loss": 0.5}) == pytest.approx(3.5)
    assert wanted.loss({"loss": float("nan")}) == float("inf")
    assert plan(score=maximize("log(accuracy)")).loss({"accuracy": 0.0}) == float("inf")


def test_a_killed_training_goes_on_and_ends_with_the_very_same(tmp_path: Path) -> None:
    undisturbed = trained(plan(), 1, tmp_path / "a")
    with pytest.raises(Killed):
        trained(plan(), 1, tmp_path / "b", killed_at(4))
    torch.manual_seed(99)
    seen: list[int] = []
    resumed = trained(plan(), 1, tmp_path / "b", lambda history: seen.append(len(history.curve)))
    assert seen == [3, 4, 5], "from the last checkpoint on"
    assert same(resumed, undisturbed)
    again = trained(plan(), 1, tmp_path / "b", killed_at(0))
    assert same(again, undisturbed), "what is finished is not trained again"


def test_a_full_disk_stops_it_with_what_was_saved_and_it_can_go_on(tmp_path: Path) -> None:
    undisturbed = trained(plan(), 1, tmp_path / "a")
    with pytest.raises(Killed):
        trained(plan(), 1, tmp_path / "b", killed_at(3))
    with full_disk(1000), pytest.raises(UserError, match="what was there before is kept"):
        trained(plan(), 1, tmp_path / "b")
    seen: list[int] = []
    resumed = trained(plan(), 1, tmp_path / "b", lambda history: seen.append(len(history.curve)))
    assert seen[0] == 2
    assert same(resumed, undisturbed)


def test_patience_stops_when_no_epoch_has_been_better(tmp_path: Path) -> None:
    still = Training(epochs=50, lr=1e-12, optimizer="sgd")
    history = trained(plan(training=still, patience=3), 0, tmp_path / "seed")
    assert len(history.curve) == history.best + 3 < 50
    assert history.ended == "no better epoch in 3"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training": Training(epochs=6, lr=1e-2, ema=0.9)}, "epochs was 5 and is now 6"),
        ({"architecture": parse("seq(conv(4), head)")}, "architecture was seq"),
        ({"patience": 7}, "patience was None and is now 7"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(
    changes: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        trained(plan(), 0, tmp_path / "seed", killed_at(2))
    with pytest.raises(UserError, match=said):
        trained(plan(**changes), 0, tmp_path / "seed")


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        trained(plan(), 0, tmp_path / "seed", killed_at(2))
    content = read_tensors(tmp_path / "seed")
    del content["state"]["losses"]  # there were none at first
    write_tensors(tmp_path / "seed", content)
    with pytest.raises(UserError, match="of another version: remove it"):
        trained(plan(), 0, tmp_path / "seed")


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("seed", torch.zeros(0), "of another version: remove it"),
        ("best", torch.zeros(3), "of another version: remove it"),
        ("best", 9, "of another version: remove it"),
        ("curve", [3], "of another version: remove it"),
        ("curve", [torch.zeros(3)], "of another version: remove it"),
        ("curve", [{"accuracy": "x"}], "of another version: remove it"),
        ("ended", 3, "of another version: remove it"),
        ("weights", [], "of another version: remove it"),
        ("weights", {}, "of another network: remove it"),
        ("weights", {"0.weight": torch.zeros(3)}, "of another network: remove it"),
        ("settings", {"patience": torch.zeros(3)}, "of another version: remove it"),
        ("settings", [3], "of another version: remove it"),
    ],
)
def test_a_checkpoint_that_holds_something_else_is_refused(
    part: str, value: object, said: str, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        trained(plan(), 0, tmp_path / "seed", killed_at(2))
    content = read_tensors(tmp_path / "seed")
    (content if part == "settings" else content["history"])[part] = value
    write_tensors(tmp_path / "seed", content)
    with pytest.raises(UserError, match=said):
        trained(plan(), 0, tmp_path / "seed")


def test_a_training_that_diverges_at_once_is_told_and_a_later_one_keeps_its_best(tmp_path: Path) -> None:
    wild = Training(epochs=3, optimizer="sgd", lr=1e6)
    network = parse("seq(flatten, linear(64), relu, linear(10))")
    with pytest.raises(UserError, match="in epoch 1: try a smaller"):
        trained(plan(training=wild, architecture=network), 0, tmp_path / "seed")


def test_the_test_part_is_not_looked_at_before_the_end(tmp_path: Path) -> None:
    clean = trained(plan(), 0, tmp_path / "a")
    splits = data.digits().splits
    poisoned = plan(task=tasks.classification(data.Data("digits", lambda: splits)))
    splits.test.x.fill_(0)
    assert same(trained(poisoned, 0, tmp_path / "b"), clean)
    assert (
        metrics_on(poisoned, "test", [clean])["accuracy"]
        < 0.2
        < metrics_on(plan(), "test", [clean])["accuracy"]
    )


def test_data_without_a_test_part_has_no_test_metrics(tmp_path: Path) -> None:
    wanted = plan(task=tasks.classification(data.digits(test=0)), training=Training(epochs=1))
    assert metrics_on(wanted, "test", [trained(wanted, 0, tmp_path / "seed")]) == {}


@dataclasses.dataclass(frozen=True)
class OwnStep(tasks.Classification):
    """Plain gradient descent, with nothing that could be resumed."""

    def own_step(self, module: nn.Module, training: Training) -> Step:
        def step(inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
            loss = self.loss(module(inputs), targets)
            weights = list(module.parameters())
            for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                weight.data -= 0.1 * slope
            return loss.detach()

        return step


def test_a_task_with_a_step_of_its_own_begins_anew(tmp_path: Path) -> None:
    wanted = plan(task=OwnStep(data.digits()), training=Training(epochs=3))
    undisturbed = trained(wanted, 0, tmp_path / "a")
    with pytest.raises(Killed):
        trained(wanted, 0, tmp_path / "b", killed_at(2))
    assert same(trained(wanted, 0, tmp_path / "b"), undisturbed)
