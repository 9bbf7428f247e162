"""Each score against a computation by hand, on any ready space, and in studies."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import TrialState
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from optnas import Study, Training, UserError, choose, data, maximize, minimize, op, ops, tasks
from optnas.measure.zero_cost.aggregate import log_ranks
from optnas.measure.zero_cost.batch import Batch
from optnas.measure.zero_cost.complexity import complexity
from optnas.measure.zero_cost.expressivity import expressivity
from optnas.measure.zero_cost.grad_norm import grad_norm
from optnas.measure.zero_cost.grasp import grasp
from optnas.measure.zero_cost.jacob_cov import jacob_cov
from optnas.measure.zero_cost.naswot import naswot
from optnas.measure.zero_cost.progressivity import progressivity
from optnas.measure.zero_cost.scores import OF_LOSS, SCORES, zero_cost
from optnas.measure.zero_cost.snip import snip
from optnas.measure.zero_cost.synflow import synflow
from optnas.measure.zero_cost.trainability import trainability
from optnas.measure.zero_cost.zico import zico
from tests.spaces.test_ready import SPACES


def linear(*rows: tuple[float, ...]) -> nn.Linear:
    """Return a linear layer without bias, with these rows of weights."""
    layer = nn.Linear(len(rows[0]), len(rows), bias=False)
    layer.weight.data = torch.tensor(rows)
    return layer


# Activation codes 10, 01 and 11: they agree in 0, 1 and 1 of two bits. The determinant is 4.
CODES = Batch(torch.tensor([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]))


class Functional(nn.Module):
    """A network whose activation is a function, not a module."""

    def __init__(self, activation: Any) -> None:
        super().__init__()
        self.layer, self.activation = linear((1.0, 0.0), (0.0, 1.0)), activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.layer(x))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(linear((1.0, 0.0), (0.0, 1.0)), nn.ReLU()),
        nn.Sequential(linear((1.0, 0.0), (0.0, 1.0)), nn.ReLU(inplace=True)),
        nn.Sequential(nn.GELU()),
        nn.Sequential(linear((1.0, 0.0), (0.0, 1.0))),
        Functional(torch.tanh),
        Functional(Tensor.sigmoid),
    ],
)
def test_naswot_is_the_log_determinant_of_the_codes_similarities(module: nn.Module) -> None:
    assert naswot(module, CODES) == pytest.approx(math.log(4), abs=0.01)


def test_naswot_stays_finite_where_two_samples_have_the_same_code() -> None:
    twice = Batch(torch.ones(2, 2))
    assert naswot(nn.ReLU(), twice) == pytest.approx(math.log(4 * 1e-3), abs=0.01)


def test_naswot_takes_the_signs_of_what_recurrent_layers_put_out() -> None:
    layer = nn.RNN(1, 1, bias=False, batch_first=True)
    layer.weight_ih_l0.data = torch.ones(1, 1)
    layer.weight_hh_l0.data = torch.zeros(1, 1)
    module = nn.Sequential(layer)
    signs = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])[..., None]
    assert naswot(module, Batch(signs)) == pytest.approx(math.log(4), abs=0.01)


class Squared(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.square()


def test_jacob_cov_is_the_papers_score_of_the_correlations() -> None:
    x = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    values = np.linalg.eigvalsh(np.corrcoef(2 * x.numpy().astype(float)))
    expected = -(np.log(values + 1e-5) + 1 / (values + 1e-5)).sum()
    assert jacob_cov(Squared(), Batch(x)) == pytest.approx(expected, rel=1e-3)


def test_jacob_cov_takes_the_embeddings_of_symbols_and_says_what_has_no_derivatives() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 2))
    symbols = torch.randint(0, 9, (6, 3))
    embedded = module[0](symbols).detach()
    assert jacob_cov(module, Batch(symbols)) == pytest.approx(
        jacob_cov(module[1:], Batch(embedded)), rel=1e-4
    )

    class Counted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.one_hot(x, 9).float()

    with pytest.raises(UserError, match="embedding"):
        jacob_cov(Counted(), Batch(symbols))


def test_jacob_cov_of_a_network_that_ignores_its_input_is_the_lowest() -> None:
    dead = nn.Sequential(linear((0.0, 0.0)))
    alive = nn.Sequential(linear((1.0, 2.0)), nn.ReLU())
    assert jacob_cov(dead, CODES) < jacob_cov(alive, CODES)
    assert math.isfinite(jacob_cov(dead, CODES))


def test_synflow_is_the_flow_through_magnitudes_without_norms() -> None:
    module = nn.Sequential(
        linear((1.0, -2.0), (3.0, -4.0)), nn.BatchNorm1d(2), nn.ReLU(), nn.Dropout(), linear((-1.0, 2.0))
    )
    # |W| passes (3, 7) of ones, and (1, 2) times that are 17: the sum of each of two layers.
    assert synflow(module, Batch(torch.randn(3, 2))) == pytest.approx(math.log(34))
    assert math.isfinite(synflow(nn.Sequential(linear((0.0, 0.0))), CODES))
    symbols = nn.Sequential(nn.Embedding(9, 2), linear((1.0, -2.0)))
    assert synflow(symbols, Batch(torch.tensor([[1], [2]]))) == pytest.approx(math.log(3))


# One weight 2: outputs 6 and 2, gradients 30 and 4, of both 17; second derivatives 18 and 2.
ONE = Batch(torch.tensor([[3.0], [1.0]]), torch.tensor([[1.0], [0.0]]))


def test_scores_of_the_losss_gradients() -> None:
    module = nn.Sequential(linear((2.0,)))
    assert snip(module, ONE, mse_loss) == pytest.approx(2 * 17)
    assert grad_norm(module, ONE, mse_loss) == pytest.approx(17)
    assert grasp(module, ONE, mse_loss) == pytest.approx(-2 * 10 * 17)
    assert zico(module, ONE, mse_loss) == pytest.approx(math.log(17 / 13))
    for name in OF_LOSS:
        with pytest.raises(UserError, match=name):
            SCORES[name](module, ONE, None)
    with pytest.raises(UserError, match="two samples"):
        zico(module, Batch(torch.ones(1, 1), torch.ones(1, 1)), mse_loss)


def test_expressivity_and_progressivity_are_entropies_of_the_features_spectra() -> None:
    x = torch.tensor([[3**0.5, 0.0], [-(3**0.5), 0.0], [0.0, 1.0], [0.0, -1.0]])  # variances 3/2 and 1/2
    same, one = ((1.0, 0.0), (0.0, 1.0)), ((1.0, 0.0), (0.0, 0.0))
    module = nn.Sequential(linear(*same), linear(*one), linear((1.0, 1.0)))
    entropy = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    assert expressivity(module, Batch(x)) == pytest.approx(entropy, abs=1e-6)
    assert progressivity(module, Batch(x)) == pytest.approx(-entropy, abs=1e-6)
    assert progressivity(nn.Sequential(linear(*same)), Batch(x)) == 0


def pointwise(weight: float) -> nn.Conv2d:
    layer = nn.Conv2d(1, 1, 1, bias=False)
    layer.weight.data.fill_(weight)
    return layer


def test_trainability_is_by_the_norm_of_what_arrives_at_a_blocks_input() -> None:
    images = Batch(torch.randn(4, 1, 4, 4))
    head = nn.Sequential(nn.Flatten(), nn.LazyLinear(2))
    twice = nn.Sequential(pointwise(1.0), pointwise(2.0), head)
    # Space to depth makes one column of four, of a quarter of 4 each: its norm is 2 as well.
    pooled = nn.Sequential(pointwise(1.0), pointwise(4.0), nn.AvgPool2d(2), head)
    for module in (twice, pooled):
        copied = copy.deepcopy(module)
        copied(images.inputs)
        assert trainability(copied, images) == pytest.approx(2 - 2 - 1 / 2, abs=1e-4)


class Cell(nn.Module):
    """A cell without weights."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x)  # type: ignore[no-any-return]


def test_a_cell_that_changes_nothing_is_not_trainable() -> None:
    module = nn.Sequential(linear((1.0,)), Cell(nn.Identity()), linear((1.0,)))
    assert trainability(module, ONE) < -1e5


def test_complexity_counts_the_flops_of_a_sample() -> None:
    assert complexity(nn.Sequential(nn.Linear(3, 5)), Batch(torch.ones(4, 3))) == 2 * 3 * 5


class Constant(nn.Module):
    """A network that puts out zeros, whatever it has been given."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x), 2)


@pytest.mark.parametrize("network", [Constant(), Constant(nn.Linear(2, 2)), nn.Sequential(nn.ReLU())])
def test_a_network_without_weights_that_matter_has_every_score(network: nn.Module) -> None:
    batch = Batch(torch.randn(8, 2), torch.zeros(8, dtype=torch.long))
    found = zero_cost(SCORES, network, batch, cross_entropy)
    assert all(type(value) is float and math.isfinite(value) for value in found.values())
    assert [found[name] for name in ("snip", "grad_norm", "grasp", "zico")] == [0.0] * 4


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_no_error(value: float) -> None:
    network = nn.Sequential(nn.Linear(2, 4), nn.GELU(), nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 2))
    network[0].weight.data[0, 0] = value
    batch = Batch(torch.randn(8, 2), torch.zeros(8, dtype=torch.long))
    found = zero_cost(SCORES, network, batch, cross_entropy)
    assert math.isnan(found["expressivity"])
    assert math.isnan(found["jacob_cov"])


def test_the_aggregate_sums_logarithms_of_ranks() -> None:
    found = log_ranks({"a": [1.0, 2.0, 3.0], "b": [9.0, 8.0, 8.0]})
    expected = [math.log(1 / 3 * 1), math.log(2 / 3 * 1.5 / 3), math.log(1 * 1.5 / 3)]
    assert found.tolist() == pytest.approx(expected)


def test_the_network_keeps_its_state_and_the_process_its_random_numbers() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(144, 3)
    )
    x, y = torch.randn(8, 1, 8, 8), torch.randint(0, 3, (8,))
    cross_entropy(module(x), y).backward()
    module[0].eval()
    module[5].requires_grad_(False)

    def state() -> dict[str, Any]:
        return {
            **{name: value.clone() for name, value in module.state_dict().items()},
            **{
                f"gradient {name}": p.grad.clone()
                for name, p in module.named_parameters()
                if p.grad is not None
            },
            "random": torch.get_rng_state(),
            "modes": torch.tensor([part.training for part in module.modules()]),
            "learned": torch.tensor([p.requires_grad for p in module.parameters()]),
            "hooks": torch.tensor([len(part._forward_hooks) for part in module.modules()]),
        }

    before = state()
    first, again = (zero_cost([*SCORES], module, Batch(x, y), cross_entropy) for _ in range(2))
    after = state()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert first == again


@pytest.mark.parametrize("name", SPACES)
def test_every_score_of_a_random_network_of_any_space(name: str) -> None:
    space, (shape, context) = SPACES[name]
    torch.manual_seed(0)
    module = space.sample(random.Random(1)).build(shape, **context)
    symbols = len(shape) == 1 and "vocabulary" in context
    x = torch.randint(0, context["vocabulary"], (8, *shape)) if symbols else torch.randn(8, *shape)
    outputs = module.eval()(x)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(outputs.flatten(0, -2), targets.flatten())

    targets = torch.randint(0, outputs.shape[-1], outputs.shape[:-1])
    found = zero_cost([*SCORES], module, Batch(x, targets), loss)
    assert found.keys() == SCORES.keys()
    assert all(map(math.isfinite, found.values()))
    assert found["synflow"] > -100
    assert found["snip"] > 0


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_scores_on_cuda_are_those_on_the_cpu() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    x, y = torch.randn(8, 1, 8, 8), torch.randint(0, 3, (8,))
    found = zero_cost([*SCORES], module, Batch(x, y), cross_entropy)
    there = zero_cost([*SCORES], module.cuda(), Batch(x.cuda(), y.cuda()), cross_entropy)
    assert there == pytest.approx(found, rel=0.05)


BUILT: list[int] = []


@op
class counted_linear(nn.Module):  # noqa: N801 - an op's name
    def __init__(self, in_features: int, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(in_features, width)
        if self.layer.weight.device.type != "meta":
            BUILT.append(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)  # type: ignore[no-any-return]


def study(**changes: Any) -> Study:
    settings: dict[str, Any] = {
        "name": "scored",
        "space": ops.seq(
            ops.flatten(), counted_linear(width=choose(4, 8, name="width")), ops.relu(), ops.head()
        ),
        "task": tasks.classification(data.digits()),
        "training": Training(epochs=1, batch_size=256, device="cpu"),
        "pruner": None,
    }
    return Study(**{**settings, **changes})


def test_scores_are_objectives_that_are_measured_of_one_network_before_its_training() -> None:
    made = study(objectives=[maximize("naswot"), minimize("log10(flops) - zico", name="b")])
    opened = optuna.create_study(directions=made.directions)
    assert made.shape
    BUILT.clear()
    opened.optimize(made.objective, n_trials=1)
    (trial,) = opened.trials
    costs = trial.user_attrs["costs"]
    assert trial.values == [costs["naswot"], math.log10(costs["flops"]) - costs["zico"]]
    assert {"synflow", "snip", "latency_ms"}.isdisjoint(costs)
    assert len(BUILT) == 2  # one to score, one to train


def test_a_constraint_on_a_score_prunes_before_training() -> None:
    made = study(objectives=[maximize("accuracy")], constraints=["synflow >= 1e9"])
    opened = made.open(optuna.storages.InMemoryStorage())
    opened.optimize(made.objective, n_trials=1)
    (trial,) = opened.trials
    assert trial.state == TrialState.PRUNED
    assert trial.user_attrs["reason"].startswith("breaks 'synflow >= 1e9' with synflow = ")
    assert "run" not in trial.user_attrs


def test_a_score_of_a_loss_is_refused_where_a_task_learns_otherwise() -> None:
    images = torch.randn(40, 1, 4, 4)
    generation = tasks.adversarial(data.tensors(images, images))
    with pytest.raises(UserError, match="snip is made of the loss"):
        Study("gan", ops.seq(ops.linear(4)), task=generation, objectives=[maximize("snip")])
