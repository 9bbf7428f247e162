from __future__ import annotations

import pytest
import torch

from optnas import Training, UserError, choose, data, ops, parse, real, repeat, tasks
from optnas.train import Diverged, default_device, fit, use_threads
from optnas.train.loop import evaluated_at_once
from optnas.train.optimizers import OPTIMIZERS
from optnas.train.schedule import SCHEDULES

CPU = torch.device("cpu")
NETWORK = "seq(conv(16), norm, relu, maxpool(2), conv(32), norm, relu, head)"


@pytest.fixture(scope="module")
def digits() -> tasks.Classification:
    return tasks.classification(data.digits())


CHANGES = [
    {"weight_decay": 0.1},
    {"label_smoothing": 0.3},
    {"batch_size": 256},
    {"clip": 0.1},
    {"ema": 0.9},
    {"warm_up": 0.6},
]


def trained(task: tasks.Classification, seed: int = 0, **training: object) -> dict[str, float]:
    torch.manual_seed(seed)
    module = parse(NETWORK).build((1, 8, 8), outputs=10)
    device = training.pop("on", CPU)
    return fit(module, task, Training(**{"epochs": 2, **training}), device=device, seed=seed)


def test_a_small_network_learns_digits(digits: tasks.Classification) -> None:
    assert trained(digits, epochs=15, lr=1e-2)["accuracy"] >= 0.95


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_learns_by_the_same_code(digits: tasks.Classification) -> None:
    assert trained(digits, epochs=15, lr=1e-2, on=torch.device("cuda"))["accuracy"] >= 0.95


def test_the_same_seed_gives_the_very_same_values_and_another_one_others(
    digits: tasks.Classification,
) -> None:
    assert trained(digits, seed=3) == trained(digits, seed=3)
    assert trained(digits, seed=3) != trained(digits, seed=4)


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_every_optimizer_learns_by_every_schedule(
    digits: tasks.Classification, optimizer: str, schedule: str
) -> None:
    lr = 0.05 if optimizer == "sgd" else 3e-3
    assert trained(digits, optimizer=optimizer, schedule=schedule, lr=lr)["accuracy"] > 0.5


@pytest.mark.parametrize("change", CHANGES)
def test_every_value_makes_a_difference(digits: tasks.Classification, change: dict[str, float]) -> None:
    assert trained(digits, **change) != trained(digits)


def test_reports_come_at_the_rungs_below_the_last_epoch(digits: tasks.Classification) -> None:
    seen: dict[int, float] = {}
    module = parse("seq(flatten, linear(10))").build((1, 8, 8))
    training = Training(epochs=10)
    fit(module, digits, training, device=CPU, seed=0, report=lambda e, m: seen.update({e: m["accuracy"]}))
    assert list(seen) == [1, 3, 9]
    assert Training(epochs=9).reported == (1, 3)
    assert Training(epochs=9, rungs=(8, 2, 20)).reported == (2, 8)


def test_a_loss_that_is_no_number_is_told_with_its_epoch(digits: tasks.Classification) -> None:
    module = parse("seq(flatten, linear(64), relu, linear(10))").build((1, 8, 8))
    with pytest.raises(Diverged, match="in epoch 1"):
        fit(module, digits, Training(optimizer="sgd", lr=1e6), device=CPU, seed=0)


def test_a_batch_larger_than_the_data_takes_all_of_it(digits: tasks.Classification) -> None:
    count = len(digits.data.splits.train)
    assert trained(digits, batch_size=100_000, epochs=1) == trained(digits, batch_size=count, epochs=1)


def test_the_search_never_sees_the_test_part(digits: tasks.Classification) -> None:
    splits = data.digits().splits
    splits.test.x.fill_(float("nan"))
    poisoned = data.Data("poisoned", lambda: splits)
    found = trained(tasks.classification(poisoned))
    assert found == trained(digits)


def test_training_s_holes_are_searched_and_closed() -> None:
    training = Training(optimizer=choose("adam", "sgd"), lr=real(1e-3, 1e-1, log=True))
    assert list(training.tree.distributions()) == ["optimizer", "lr"]
    closed = training.closed(training.tree.close({"optimizer": "sgd", "lr": 0.01}))
    assert (closed.optimizer, closed.lr, closed.epochs) == ("sgd", 0.01, 9)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"epochs": 1.5}, "give a whole number"),
        ({"lr": "fast"}, "give a number"),
        ({"lr": real(0.0, 0.1)}, "it must be above 0"),
        ({"label_smoothing": 1.0}, "it must be from 0 to"),
        ({"optimizer": choose("adam", "sdg")}, "did you mean 'sgd'?"),
        ({"schedule": "cosin"}, "did you mean 'cosine'?"),
        ({"rungs": (0, 3)}, "at least 1 each"),
        ({"lr": repeat(ops.relu(), 1, 2)}, "takes choose, integer and real"),
    ],
)
def test_a_value_out_of_range_is_refused(training: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said.replace("?", r"\?")):
        Training(**training)


def test_one_thread_is_the_default_and_more_can_be_asked_for() -> None:
    assert use_threads(2) == 2
    assert use_threads() == 1
    assert default_device("cpu") == CPU


def test_what_is_trained_in_pieces_is_evaluated_in_pieces(digits: tasks.Classification) -> None:
    sizes: list[int] = []
    module = parse(NETWORK).build((1, 8, 8), outputs=10)
    module.register_forward_pre_hook(
        lambda module, inputs: None if module.training else sizes.append(len(inputs[0]))
    )
    found = [
        fit(module, digits, Training(epochs=1, lr=1e-9), device=CPU, seed=0, pieces=pieces)
        for pieces in (1, 32)
    ]
    held_out = len(digits.data.splits.validation)
    at_once = evaluated_at_once("cpu", (1, 8, 8))
    assert sizes[0] == held_out < at_once
    assert max(sizes[1:]) == at_once // 32
    assert sum(sizes[1:]) == held_out
    assert found[0].keys() == found[1].keys()
