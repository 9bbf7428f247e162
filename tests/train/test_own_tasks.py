"""What a task of one's own promises and does not keep is said before the first trial, in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from optnas import Study, Training, UserError, choose, data, maximize, ops, tasks
from optnas.train.own_tasks import baselines_of

RNG = torch.Generator().manual_seed(0)
X, Y = torch.randn(400, 3, generator=RNG), torch.arange(400) % 2


class Own(tasks.Task):
    """Classes, with whatever a test puts in place of a part of it."""

    data = data.tensors(X, Y, name="own")
    metrics = ("accuracy", "loss")

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:  # type: ignore[override]
        return cross_entropy(outputs, targets)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        right = (outputs.argmax(1) == targets).float().mean()
        return {"accuracy": right.item(), "loss": self.loss(outputs, targets).item()}


def refusal(part: str | None = None, value: Any = None, **training: Any) -> str:
    """Return what a study says of a task with ``value`` in place of ``part``; empty if nothing."""
    task = type("Mine", (Own,), {} if part is None else {part: value})()
    study = Study("own", ops.seq(ops.linear(4), ops.head(2)), task=task, objectives=[maximize("accuracy")],
                  training=Training(epochs=1, **training))  # fmt: skip
    try:
        study.shape  # noqa: B018
    except UserError as error:
        return str(error)
    return ""


def returning(value: Any) -> Callable[..., Any]:
    return lambda self, *given: value


def failing(self: Own, outputs: Tensor, targets: Tensor) -> Any:
    return {}["typo"]


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("measure", tasks.Task.measure, "Mine has no measure"),
        ("measure", returning({"accuracy": 0.5}), "has 'loss', and Mine.measure does not return it"),
        ("measure", failing, "Mine.measure: KeyError: 'typo' (test_own_tasks.py:"),
        ("measure", returning({"accuracy": X, "loss": 0.0}), "Mine.measure: accuracy is not one number"),
        ("measure", returning(None), "Mine.measure: what is measured is a dict"),
        ("loss", tasks.Task.loss, "Mine has no loss"),
        ("loss", failing, "Mine.loss: KeyError: 'typo' (test_own_tasks.py:"),
        ("loss", returning(1.0), "Mine.loss returned 1.0: a loss is one number"),
        ("loss", lambda self, out, y: mse_loss(out[:, :1], y.float()), "Mine.loss: Using a target size"),
        ("loss", lambda self, out, y: out.mean() * torch.nan, "Mine.loss returns nan"),
        ("chance", {"acuracy": 0.5}, "Mine.chance has 'acuracy', which is none of its metrics: did"),
        ("ideal", {"accuracy": "all"}, "Mine.ideal has 'all' for 'accuracy'"),
        ("chance", property(lambda self: {}["typo"]), "Mine.chance fails: KeyError: 'typo' (test_own"),
    ],
)  # fmt: skip
def test_a_broken_promise_names_the_class_and_the_method(part: str, value: Any, said: str) -> None:
    found = refusal(part, value)
    assert said in found
    assert "\n" not in found


def test_a_task_that_keeps_its_promises_is_not_refused() -> None:
    assert refusal() == ""
    assert refusal("chance", {"accuracy": torch.tensor(0.5)}) == ""
    assert refusal("evaluate", failing) == ""  # what is asked of networks may take long, and is not tried
    assert refusal("own_step", returning(lambda *batch: torch.zeros(()))) == ""


def test_what_a_task_makes_as_it_learns_is_not_made_to_try_it() -> None:
    class Acting(Own):
        batches_per_epoch = 2
        experience = failing
        loss = failing
        measure = returning({"accuracy": 0.5, "loss": 0.0})

    def study(task: Own) -> Study:
        return Study("own", ops.head(2), task=task, objectives=[maximize("accuracy")])

    assert study(Acting()).shape == (3,)
    Acting.measure = failing  # type: ignore[method-assign]
    with pytest.raises(UserError, match=r"Acting.measure: KeyError"):
        study(Acting()).shape  # noqa: B018


def test_a_measure_that_needs_the_whole_part_is_given_it() -> None:
    samples: list[int] = []

    def whole(self: Own, outputs: Tensor, targets: Tensor) -> Mapping[str, float]:
        samples.append(len(outputs))
        return {"accuracy": float((targets == self.data.splits.validation.y).float().mean()), "loss": 0.0}

    assert refusal("measure", whole) == ""
    assert samples == [64, 80]


def test_label_smoothing_and_mixup_are_tried_with_the_loss() -> None:
    assert "Mine.loss has no argument label_smoothing" in refusal(label_smoothing=choose(0.0, 0.1))

    def smoothed(self: Own, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        return cross_entropy(outputs, targets, label_smoothing=label_smoothing)

    assert refusal("loss", smoothed, label_smoothing=choose(0.0, 0.1)) == ""
    assert refusal(mixup=0.2) == ""

    def picked(self: Own, outputs: Tensor, targets: Tensor) -> Tensor:
        return -outputs.log_softmax(1).gather(1, targets[:, None].long()).mean()

    assert refusal("loss", picked) == ""
    assert "Mine.loss with Training(mixup=…), where targets of classes are shares" in refusal(
        "loss", picked, mixup=choose(0.0, 0.2)
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda self: {}["typo"], r"Mine.baselines\(\) fails: KeyError: .typo. \(test_own_tasks.py:"),
        (returning([0.5]), r"Mine.baselines\(\) returns \[0.5\]"),
        (
            returning({"the mean": {"acuracy": 0.5}}),
            r"baselines\(\)\['the mean'\] has 'acuracy', which is none",
        ),
        (returning({"the mean": {"accuracy": torch.ones(2)}}), "for 'accuracy'; give a number"),
    ],
)
def test_baselines_that_fail_are_one_line(given: Any, said: str) -> None:
    broken = type("Mine", (Own,), {"baselines": given})()
    with pytest.raises(UserError, match=said) as refused:
        baselines_of(broken)
    assert "\n" not in str(refused.value)
