from __future__ import annotations

import contextlib
from functools import partial

import optuna
import pytest
import torch
from optuna.trial import TrialState
from torch import Tensor, nn

from optnas import Study, Training, data, maximize, minimize, ops, tasks
from optnas.ops.sequence_modules import States
from optnas.train.convolutions import faster_convolutions
from optnas.train.dropout import faster_dropout
from optnas.train.precision import in_precision
from optnas.train.recurrence import faster_recurrence
from optnas.train.replaced_forwards import replaced_forwards


def plus(number: float, x: Tensor) -> Tensor:
    return x + number


def test_changes_of_one_layer_come_off_in_the_order_they_went_on() -> None:
    layer, x = nn.Identity(), torch.zeros(1)
    with replaced_forwards(layer, lambda each: partial(plus, 1.0)):
        with replaced_forwards(layer, lambda each: partial(plus, 2.0)):
            assert layer(x) == 2
        assert layer(x) == 1
    assert layer(x) == 0
    assert "forward" not in vars(layer)


def test_a_failure_within_leaves_every_layer_as_it_was() -> None:
    layers = nn.Sequential(nn.Identity(), nn.Identity())
    with pytest.raises(ZeroDivisionError), replaced_forwards(layers[0], lambda each: partial(plus, 1.0)):
        raise ZeroDivisionError
    assert all("forward" not in vars(layer) for layer in layers.modules())


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Conv2d(64, 64, 1), (2, 64, 4, 4)),
        (nn.Sequential(nn.Conv2d(64, 64, 1), nn.Dropout(0.1), nn.Conv2d(64, 64, 3)), (2, 64, 4, 4)),
        (States(nn.GRU(64, 64, batch_first=True)), (2, 5, 64)),
        (nn.Dropout(0.5), (2, 5)),
    ],
)
def test_all_that_makes_training_faster_goes_together(module: nn.Module, shape: tuple[int, ...]) -> None:
    device = torch.device("cpu")
    with contextlib.ExitStack() as faster:
        faster.enter_context(faster_convolutions(module, "cpu"))
        faster.enter_context(faster_recurrence(module, "cpu"))
        faster.enter_context(faster_dropout(module, "cpu"))
        faster.enter_context(in_precision(module, "bfloat16", device))
        x = torch.randn(shape, requires_grad=True)
        module(x).sum().backward()
    assert all("forward" not in vars(layer) for layer in module.modules())


def test_a_study_is_trained_in_bfloat16() -> None:
    space = ops.seq(
        ops.conv(64, 3), ops.sepconv(64, 5), ops.relu(), ops.conv(64, 1), ops.dropout(0.1), ops.head()
    )
    study = Study(
        "lowered",
        space,
        task=tasks.classification(data.digits()),
        objectives=[maximize("accuracy"), minimize("flops")],
        training=Training(epochs=1, precision="bfloat16", device="cpu"),
    )
    opened = study.open(optuna.storages.InMemoryStorage())
    opened.optimize(study.objective, n_trials=1)
    assert opened.trials[0].state == TrialState.COMPLETE
