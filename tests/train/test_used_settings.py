"""Settings that a task with a step or batches of its own would leave without effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optnas import Study, Training, UserError, choose, data, minimize, ops, real, tasks
from optnas.train.checks import check_training


class Plain(tasks.Classification):
    """Classification by a step of its own."""

    def own_step(self, module: nn.Module, training: Training) -> tasks.Step:
        optimizer = torch.optim.SGD(module.parameters(), lr=training.lr, weight_decay=training.weight_decay)

        def step(inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
            optimizer.zero_grad()
            loss = self.loss(module(inputs), targets)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            return loss.detach()

        return step


class Told(Plain):
    uses_settings = ("lr", "weight_decay", "loss", "class_weights")


class Making(tasks.Classification):
    """Classification of batches that it makes."""

    batches_per_epoch = 2

    def experience(
        self, module: nn.Module, training: Training, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(2):
            yield torch.randn(4, 1, 8, 8, generator=generator), torch.arange(4)


def squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return outputs.square().mean()


OWN = {"losses": {"squared": squared}, "optimizers": {"nadam": torch.optim.NAdam}}


@pytest.mark.parametrize(
    ("task", "settings", "named"),
    [
        (Plain, {"loss": choose(None, "focal")}, "loss"),
        (Plain, {"loss": "squared"}, "loss"),
        (Plain, {"class_weights": "balanced", "clip": 1.0}, "clip=…, class_weights"),
        (Plain, {"optimizer": choose("adam", "sgd")}, "optimizer"),
        (Plain, {"optimizer": "nadam"}, "optimizer"),
        (Plain, {"lr": real(1e-4, 1e-2)}, "lr"),
        (Plain, {"lr": 0.1, "weight_decay": real(0.0, 0.1)}, "lr=…, weight_decay"),
        (Plain, {"label_smoothing": 0.1}, "label_smoothing"),
        (
            Plain,
            {"betas": (0.5, 0.9), "momentum": 0.5, "focal_gamma": 1.0},
            "momentum=…, betas=…, focal_gamma",
        ),
        (Told, {"lr": 0.1, "clip": 1.0}, "clip"),
        (Making, {"flip": choose(False, True), "crop": 1}, "crop=…, flip"),
        (Making, {"mixup": 0.2, "rotate": 5, "cutout": 2}, "rotate=…, cutout=…, mixup"),
        (Making, {"brightness": 0.2, "padding": "zero"}, "padding=…, brightness"),
        (Making, {"balanced": True}, "balanced"),
    ],
)
def test_a_setting_without_effect_is_refused_before_a_search(
    task: type[tasks.Classification], settings: dict[str, Any], named: str
) -> None:
    study = Study(
        "idle",
        ops.head(),
        task=task(data.digits()),
        objectives=[minimize("error")],
        training=Training(**OWN, **settings),
    )
    with pytest.raises(
        UserError, match=rf"^Training\({named}=…\) has no effect, as {task.__name__} "
    ) as found:
        study.shape  # noqa: B018 - looks at the data
    assert "\n" not in str(found.value)
    assert f"uses_settings = ('{'lr' if task is Told else named.split('=')[0]}'" in str(found.value)


def test_what_has_an_effect_is_not_refused() -> None:
    digits = data.digits()
    everywhere: dict[str, Any] = {"epochs": 3, "batch_size": 16, "schedule": "cosine", "ema": 0.9}
    check_training(Plain(digits), Training(**everywhere, flip=True, mixup=0.1, balanced=choose(False, True)))
    check_training(
        Told(digits), Training(lr=real(1e-3, 1e-1, log=True), weight_decay=0.1, **OWN, loss="squared")
    )
    check_training(Told(digits), Training(class_weights=choose(None, "balanced")))
    check_training(Making(digits), Training(**everywhere, loss="focal", class_weights="balanced", clip=1.0))
    check_training(tasks.adversarial(digits), Training(lr=0.1))


def test_the_ready_tasks_say_what_they_go_by_and_nobody_is_sent_to_their_classes() -> None:
    said = r"Training\(optimizer=…, clip=…\) has no effect, as Adversarial has .*: leave it out$"
    with pytest.raises(UserError, match=said):
        check_training(tasks.adversarial(data.digits()), Training(lr=0.1, optimizer="sgd", clip=1.0))
    said = r"Training\(mixup=…, balanced=…\) has no effect, as Diffusion makes .*: leave it out$"
    with pytest.raises(UserError, match=said):
        check_training(tasks.diffusion(data.digits()), Training(optimizer="sgd", mixup=0.1, balanced=True))


@pytest.mark.parametrize(
    ("used", "said"),
    [("lr", r"give a tuple of names, such as \('lr',\)"), (("learning",), "no setting of Training: ")],
)
def test_what_is_no_setting_s_name_is_one_line(used: Any, said: str) -> None:
    class Wrong(Plain):
        uses_settings = used

    with pytest.raises(UserError, match=rf"Wrong.uses_settings .*{said}"):
        check_training(Wrong(data.digits()), Training())
