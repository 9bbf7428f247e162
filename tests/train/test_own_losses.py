"""Losses of one's own that a training names: trained by, searched, refused, and known by their source."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import Any

import pytest
import torch
from optuna.storages import RDBStorage
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from optnas import Study, Training, UserError, choose, data, maximize, minimize, ops, parse, tasks
from optnas.train import fit
from optnas.train.checks import check_training
from optnas.train.own_losses import check_own_losses
from optnas.trials.record import TWIN
from tests.train.test_losses import CPU, rare_class, recall


@pytest.fixture(scope="module")
def rare() -> tasks.Classification:
    return rare_class()


def hinge(outputs: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.multi_margin_loss(outputs, targets)


def weighted(outputs: Tensor, targets: Tensor, class_weights: Tensor | None = None) -> Tensor:
    return cross_entropy(outputs, targets, weight=class_weights)


class Margin(nn.Module):
    """A loss with a tensor of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(2.0))

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        found: Tensor = self.factor * hinge(outputs, targets)
        return found


def test_a_loss_of_ones_own_is_trained_by(rare: tasks.Classification) -> None:
    asked: list[Tensor] = []

    def mine(outputs: Tensor, targets: Tensor, class_weights: Tensor) -> Tensor:
        asked.append(class_weights)
        return weighted(outputs, targets, class_weights)

    found = recall(rare, loss="mine", losses={"mine": mine}, class_weights=(1.0, 9.0))
    assert found > 0.5
    assert all(each[1] == pytest.approx(9 * each[0]) for each in asked)
    module = nn.Linear(2, 2)
    margin = Training(epochs=3, lr=0.1, loss="margin", losses={"margin": Margin()})
    assert fit(module, rare, margin, device=CPU, seed=0)["accuracy"] > 0.8


def test_losses_and_their_settings_are_searched_by_name() -> None:
    training = Training(
        loss=choose(None, "focal", "hinge"),
        losses={"hinge": hinge},
        class_weights=choose(None, "balanced", (1.0, 2.0)),
        balanced=choose(False, True),
    )
    assert list(training.tree.distributions()) == ["loss", "class_weights", "balanced"]
    params = {"loss": "hinge", "class_weights": "(1.0, 2.0)", "balanced": True}
    closed = training.closed(training.tree.close(params))
    assert (closed.loss, closed.class_weights, closed.balanced) == ("hinge", (1.0, 2.0), True)
    assert closed.losses == {"hinge": hinge}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"loss": hinge}, r"give it a name: losses=\{'mine': f\}, loss='mine'"),
        ({"loss": "focla"}, "did you mean 'focal'"),
        ({"loss": "mine", "losses": {"own": hinge}}, "known: focal, own"),
        ({"losses": {"focal": hinge}}, "optnas has one of that name"),
        ({"losses": {"mine": 3}}, "it must be a function"),
        ({"losses": hinge}, "takes functions by name"),
        ({"class_weights": "equal"}, "give 'balanced', or a weight for each class"),
        ({"class_weights": (1, -1)}, "it must be from 0"),
        ({"class_weights": (0, 0)}, "no class counts"),
        ({"focal_gamma": -1}, "it must be from 0"),
        ({"balanced": "yes"}, "known: False, True"),
    ],
)
def test_what_is_no_loss_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Training(**settings)


def unreduced(outputs: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(outputs, targets, reduction="none")


def of_three(outputs: Tensor, targets: Tensor, more: Tensor) -> Tensor:
    return outputs.sum()


def constant(outputs: Tensor, targets: Tensor) -> Tensor:
    return torch.zeros(())


OWN: dict[str, Callable[..., Any]] = {
    "hinge": hinge, "unreduced": unreduced, "three": of_three, "constant": constant,
    "huber": nn.HuberLoss(), "none": lambda outputs, targets: None, "whole": lambda outputs, targets: 3,
    "pair": lambda outputs, targets: outputs.mean(0)[:2],
    "log": lambda outputs, targets: -(outputs - outputs).log().mean(),
    "nan": lambda outputs, targets: (outputs * nan).mean(),
}  # fmt: skip
DIABETES = tasks.regression(data.sklearn("diabetes"))


class Acting(tasks.Task):
    """A task that makes its own batches."""

    data = data.sklearn("iris")
    metrics = ("loss",)
    batches_per_epoch = 3

    def experience(self, module, training, generator):
        raise AssertionError("its settings are refused before")


class AnyShape(tasks.Task):
    """A task that takes outputs of any shape."""

    data = data.sklearn("iris")
    metrics = ("loss",)
    output_shape = None

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:  # type: ignore[override]
        return cross_entropy(outputs, targets)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        return {"loss": self.loss(outputs, targets).item()}


def rare_zero() -> tasks.Classification:
    """A task of three classes, of which the training part has two."""
    x, y = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 2
    part = data.Split(x, y)
    return tasks.classification(data.Data("two", lambda: data.Splits(part, part, part, outputs=3)))


def checked(task: tasks.Task, training: Training) -> None:
    """Do what a study does before its first trial."""
    space = ops.seq(ops.linear(choose(4, 8)), ops.relu(), ops.head())
    study = Study("checked", space, task=task, objectives=[minimize(task.metrics[0])], training=training)
    study.shape  # noqa: B018 - looks at the data


@pytest.mark.parametrize(
    ("task", "settings", "said"),
    [
        (DIABETES, {"loss": choose(None, "focal")}, "loss='focal'.* is for classes, and Regression has none"),
        (DIABETES, {"class_weights": choose(None, "balanced")}, "class_weights=….* is for classes"),
        (DIABETES, {"balanced": True}, "yours do not have one class each"),
        (Acting(), {"balanced": True}, "Acting makes its own batches"),
        (None, {"class_weights": (1, 2, 3)}, "has 3 weights, and there are 2 classes"),
        (None, {"loss": "hinge", "class_weights": "balanced"}, "'hinge': …}.* has no argument class_weights"),
        (None, {"loss": "hinge", "label_smoothing": 0.1}, "has no argument label_smoothing"),
        (None, {"loss": choose(None, "unreduced")}, r"a tensor of shape \(32,\): a loss is one number"),
        (None, {"loss": "three"}, "'three': …}.*missing 1 required positional argument: 'more'"),
        (None, {"loss": "constant"}, "does not depend on the outputs"),
        (None, {"loss": "none"}, "returned None: a loss is one number"),
        (None, {"loss": "whole"}, "returned 3: a loss is one number"),
        (None, {"loss": choose("hinge", "pair")}, r"a tensor of shape \(2,\): a loss is one number"),
        (None, {"loss": "nan"}, "'nan': …}.* returns nan .* has to be a number"),
        (None, {"loss": "log"}, "'log': …}.* returns inf .* has to be a number"),
        (None, {"loss": "hinge", "mixup": 0.2}, "'hinge': …}.*"),
        (DIABETES, {"loss": "huber"}, r"'huber': …}.*Using a target size \(torch.Size\(\[32\]\)\)"),
        (AnyShape(), {"loss": "none"}, "returned None: a loss is one number"),
        (AnyShape(), {"loss": "nan"}, "'nan': …}.* returns nan"),
        (AnyShape(), {"loss": "constant"}, "does not depend on the outputs"),
        (
            rare_zero(),
            {"class_weights": choose(None, (0, 0, 3))},
            "samples of classes 0, 1 alone, of weight 0",
        ),
        (None, {"class_weights": choose(None, "balanced"), "balanced": choose(False, True)}, "twice"),
    ],
)
def test_what_a_task_has_no_loss_for_is_refused_before_a_search(
    rare: tasks.Classification, task: tasks.Task | None, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        checked(task or rare, Training(losses=OWN, **settings))


def test_a_loss_may_want_what_the_networks_of_the_space_put_out_and_random_numbers_are_not() -> None:
    def of_chances(outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy(outputs, one_hot(targets.long(), 3).float())

    training = Training(loss="mine", losses={"mine": of_chances})
    before = torch.get_rng_state()
    # One of two ends, in chances, will do: the search finds out about the other.
    space = ops.seq(ops.head(), choose(ops.sigmoid(), ops.identity(), name="end"))
    check_own_losses(space, AnyShape(), training)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(UserError, match=r"'mine': …}.*between 0 and 1"):
        check_own_losses(ops.head(), AnyShape(), training)


def test_a_loss_is_tried_on_what_a_task_makes_by_itself_and_not_on_its_data() -> None:
    class Making(AnyShape):
        batches_per_epoch = 2

        def experience(self, module: nn.Module, training: Training, generator: torch.Generator) -> Any:
            for _ in range(2):
                yield torch.randn(8, 4, generator=generator), {"value": torch.zeros(8)}

    def mine(outputs: Tensor, targets: Any) -> Tensor:
        found: Tensor = (outputs.mean(1) - targets["value"]).square().mean()
        return found

    checked(Making(), Training(loss="mine", losses={"mine": mine}))
    with pytest.raises(UserError, match=r"'mine': …}.*'other'"):
        checked(Making(), Training(loss="mine", losses={"mine": lambda outputs, targets: targets["other"]}))


@pytest.mark.parametrize("labels", [torch.eye(3).repeat(40, 1), torch.eye(3).repeat(40, 1).long()])
@pytest.mark.parametrize("setting", [{"class_weights": "balanced"}, {"balanced": True}, {"loss": "focal"}])
def test_rare_labels_of_several_are_pointed_to_weights_in_the_loss(
    labels: Tensor, setting: dict[str, Any]
) -> None:
    class Tags(tasks.Task):
        data = data.tensors(torch.randn(120, 4), labels, name="tags")
        metrics = ("loss",)

    with pytest.raises(UserError, match=r"leave it out; rare labels count more by pos_weight="):
        check_training(Tags(), Training(**setting))


def test_a_task_s_own_loss_of_another_kind_is_one_line() -> None:
    def fitted(found: Callable[[Tensor], Any]) -> None:
        task = AnyShape()
        task.loss = lambda outputs, targets: found(outputs)  # type: ignore[method-assign, assignment]
        module = parse("head").build((4,), outputs=3)
        fit(module, task, Training(epochs=1), device=CPU, seed=0)

    fitted(lambda outputs: outputs.mean())
    for found, said in (
        (lambda outputs: None, "AnyShape.loss returned None: a loss is one number"),
        (lambda outputs: outputs.mean(0), r"AnyShape.loss returned a tensor of shape \(3,\)"),
        (lambda outputs: 0.5, "AnyShape.loss returned 0.5"),
        (lambda outputs: outputs.detach().mean(), "AnyShape.loss returned what does not depend"),
    ):
        with pytest.raises(UserError, match=said):
            fitted(found)


def test_what_suits_a_task_is_not(rare: tasks.Classification) -> None:
    losses = {"loss": choose(None, "focal", "weighted"), "losses": {"weighted": weighted}}
    checked(rare, Training(**losses, class_weights=choose(None, "balanced", (1, 2))))
    checked(rare, Training(**losses, class_weights=choose(None, (1, 2)), balanced=choose(False, True)))
    own = Training(loss="huber", losses={"huber": lambda y, to: nn.functional.huber_loss(y[:, 0], to)})
    checked(DIABETES, own)
    checked(AnyShape(), Training(loss="hinge", losses=OWN))
    check_training(tasks.language(data.text()), Training(loss="focal", class_weights="balanced"))


def study(rare: tasks.Classification, **training: Any) -> Study:
    return Study(
        "own",
        ops.head(),
        task=rare,
        objectives=[maximize("accuracy")],
        training=Training(epochs=1, device="cpu", **training),
    )


def made(text: str) -> Callable[..., Tensor]:
    """Return a function with this source, as after an edit of its file."""
    import linecache

    source = f"def mine(outputs, targets):\n    return {text}\n"
    file = f"/nowhere/{abs(hash(text))}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    names: dict[str, Any] = {}
    exec(compile(source, file, "exec"), names)
    function: Callable[..., Tensor] = names["mine"]
    return function


def test_results_are_those_of_the_source_of_the_loss(rare: tasks.Classification) -> None:
    def key(text: str, **params: Any) -> str:
        loss = choose(None, "mine") if params else "mine"
        return study(rare, loss=loss, losses={"mine": made(text)}).candidate(params).key

    assert key("outputs.mean()") == key("outputs.mean()")
    assert key("outputs.mean()") != key("outputs.sum()")
    assert key("outputs.mean()", loss="mine") != key("outputs.sum()", loss="mine")
    assert key("outputs.mean()", loss=None) == key("outputs.sum()", loss=None)


def test_a_changed_loss_is_told_and_trained_anew(
    rare: tasks.Classification, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = RDBStorage(f"sqlite:///{tmp_path}/study.db")

    def run(factor: float) -> list[bool]:
        loss = made(f"{factor} * (outputs[:, 0] ** 2).mean()")
        own = study(rare, loss="mine", losses={"mine": loss})
        there = own.open(storage)
        there.optimize(own.objective, n_trials=1)
        return [TWIN.of(each) is not None for each in there.trials]

    assert run(1.0) == [False]
    assert run(1.0) == [False, True]
    assert "changed" not in capsys.readouterr().err
    assert run(2.0) == [False, True, False]
    assert "the loss 'mine' changed since study 'own' was last run" in capsys.readouterr().err


def test_a_study_with_another_loss_needs_another_name(rare: tasks.Classification, tmp_path: Any) -> None:
    storage = RDBStorage(f"sqlite:///{tmp_path}/study.db")
    study(rare).open(storage)
    study(rare).open(storage)
    with pytest.raises(UserError, match="'loss' was None and is now 'focal'"):
        study(rare, loss="focal").open(storage)
    storage = RDBStorage(f"sqlite:///{tmp_path}/focal.db")
    study(rare, loss="focal").open(storage)
    with pytest.raises(UserError, match="'loss' was 'focal' and is now None"):
        study(rare).open(storage)


def test_settings_that_are_not_used_leave_records_and_keys_as_they_were() -> None:
    assert str(Training(losses={"hinge": hinge}).tree) == (
        "training(epochs=9, batch_size=64, optimizer='adam', lr=0.003, schedule='one-cycle', warm_up=None,"
        " momentum=0.9, weight_decay=0.0, clip=0.0, ema=0.0, label_smoothing=0.0, crop=0, padding='reflect',"
        " flip=False, cutout=0, mixup=0.0)"
    )
    assert Training().own_functions == {}
