from __future__ import annotations

import pytest
import torch

from optnas import Study, Training, UserError, choose, data, minimize, ops, real, tasks
from optnas.train.checks import check_training


def symbols() -> tasks.Classification:
    part = data.Split(torch.zeros(64, 5, dtype=torch.long), torch.arange(64) % 2)
    return tasks.classification(data.Data("text", lambda: data.Splits(part, part, part, outputs=2)))


@pytest.mark.parametrize(
    ("task", "training", "said"),
    [
        (tasks.regression(data.sklearn("diabetes")), {"label_smoothing": 0.1}, "is for classes"),
        (tasks.regression(data.sklearn("diabetes")), {"label_smoothing": choose(0.0, 0.1)}, "is for classes"),
        (tasks.classification(data.sklearn("iris")), {"crop": 1}, "are for images"),
        (tasks.classification(data.sklearn("iris")), {"flip": choose(False, True)}, "are for images"),
        (tasks.classification(data.digits()), {"crop": choose(0, 8)}, r"crop=8\): it must be less"),
        (tasks.classification(data.digits()), {"saturation": choose(0, 0.3)}, "of 3 channels, not of 1"),
        (symbols(), {"mixup": real(0.0, 0.2)}, "not for symbols"),
    ],
)
def test_what_a_task_cannot_do_is_refused_though_it_is_only_one_choice_of_several(
    task: tasks.Task, training: dict[str, object], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        check_training(task, Training(**training))


def test_what_it_can_do_is_not() -> None:
    check_training(
        tasks.classification(data.digits()),
        Training(crop=choose(0, 7), flip=True, cutout=9, mixup=real(0.0, 1.0), label_smoothing=0.1),
    )
    check_training(tasks.regression(data.sklearn("diabetes")), Training(mixup=0.2))
    check_training(tasks.classification(data.sklearn("iris")), Training(padding=choose("reflect", "zero")))
    check_training(symbols(), Training())


def test_a_study_says_so_when_it_first_looks_at_its_data() -> None:
    study = Study(
        "checked",
        ops.seq(ops.linear(choose(4, 8)), ops.head()),
        task=tasks.regression(data.sklearn("diabetes")),
        objectives=[minimize("rmse")],
        training=Training(label_smoothing=0.1),
    )
    with pytest.raises(UserError, match=r"label_smoothing=…\) is for classes, and Regression has none"):
        study.shape  # noqa: B018
