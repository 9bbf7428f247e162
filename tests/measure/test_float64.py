"""Networks that ask for float32 are computed in float64."""

from __future__ import annotations

import optuna
import pytest
import torch
from torch import Tensor, nn

from optnas import Study, Training, data, maximize, minimize, op, ops, tasks
from optnas.measure.float64 import InFloat64
from optnas.measure.zero_cost.batch import Batch
from optnas.measure.zero_cost.synflow import synflow


class OneHot(nn.Module):
    """A network of ids whose codes are float32, whatever its weights are."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        codes: Tensor = self.layer(nn.functional.one_hot(x, 3).float().mean(1))
        return codes


@op
def cast(x: Tensor) -> Tensor:
    return (x.to(torch.float32) + torch.ones(x.shape[-1], dtype=torch.float32)).float()


def test_casts_and_new_tensors_are_of_float64() -> None:
    x = torch.randn(4, 3, dtype=torch.float64)
    with InFloat64():
        made = (x.float(), x.to(torch.float32), x.to(dtype=torch.float32), torch.ones(3), torch.rand(2))
        assert torch.zeros(2, dtype=torch.int64).dtype is torch.int64
    assert {each.dtype for each in made} == {torch.float64}
    assert torch.equal(made[0], x)
    assert torch.equal(made[1], x)


def test_synflow_of_a_network_that_makes_float32_of_ids() -> None:
    module = OneHot()
    flow = (module.layer.weight.detach().double().abs()[:, 1]).sum().log()
    assert synflow(module, Batch(torch.ones(2, 5, dtype=torch.long))) == pytest.approx(float(flow))


@pytest.mark.parametrize("metric", ["lipschitz_lower", "margin_bound", "synflow"])
def test_metrics_of_a_network_with_an_op_that_casts(metric: str) -> None:
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    study = Study(
        name="casts",
        space=ops.seq(ops.linear(4), cast(), ops.head()),
        task=tasks.classification(data.tensors(x, (x[:, 0] > 0).long())),
        objectives=[maximize("accuracy"), minimize(metric)],
        training=Training(epochs=1),
        pruner="none",
        sampler="random",
    )
    opened = study.open(optuna.storages.InMemoryStorage())
    opened.optimize(study.objective, n_trials=1)
    (trial,) = opened.trials
    # The bound itself is infinite: nothing is known of the op.
    assert (trial.state.name == "COMPLETE") == (metric != "margin_bound")
