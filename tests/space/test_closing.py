"""Closing: a space and its parameters make an architecture."""

from __future__ import annotations

import random
from collections import Counter

import optuna
import pytest
from hypothesis import given, settings
from optuna.trial import FixedTrial

from optnas import choose, integer, ops, real, repeat
from optnas.space import Node, SpaceError
from tests.strategies import seeds, spaces

optuna.logging.set_verbosity(optuna.logging.WARNING)

SAMPLERS = {
    "random": optuna.samplers.RandomSampler,
    "tpe": lambda seed: optuna.samplers.TPESampler(
        seed=seed, multivariate=True, group=True, n_startup_trials=2
    ),
    "nsga-ii": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=2),
    "quasi monte carlo": lambda seed: optuna.samplers.QMCSampler(seed=seed, warn_independent_sampling=False),
}


@pytest.mark.parametrize("sampler", SAMPLERS)
@settings(max_examples=15)
@given(space=spaces(), seed=seeds)
def test_what_a_trial_suggests_is_what_its_parameters_close_to(sampler: str, space: Node, seed: int) -> None:
    study = optuna.create_study(sampler=SAMPLERS[sampler](seed=seed))

    def objective(trial: optuna.Trial) -> float:
        architecture = space.suggest(trial)
        assert not architecture.open
        assert architecture == space.close(trial.params)
        assert space.active(trial.params) == trial.params
        assert all(space.distributions()[name] == d for name, d in trial.distributions.items())
        return len(str(architecture))

    study.optimize(objective, n_trials=4)


@given(spaces(), seeds)
def test_parameters_drawn_one_by_one_always_close(space: Node, seed: int) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    params = study.ask(fixed_distributions=space.distributions()).params
    architecture = space.close(params)
    assert not architecture.open
    active = space.active(params)
    assert active.items() <= params.items()
    assert space.close(active) == architecture
    assert space.suggest(FixedTrial(active)) == architecture


@given(spaces(), seeds)
def test_what_depends_on_no_parameter_can_be_anything(space: Node, seed: int) -> None:
    architecture = space.sample(seed)
    params = space.params(architecture)
    idle = {name: object() for name in space.distributions().keys() - params.keys()}
    assert space.close({**idle, **params, "of another space": 1}) == architecture


def test_closing_leaves_no_names_and_puts_copies_in_place_of_a_repeat() -> None:
    tail = ops.seq(ops.residual(ops.relu(name="last")))
    space = ops.seq(repeat(ops.conv(choose(8, 16, name="width"), name="stem"), 0, 2, name="layer"), tail)
    params = {"layers": 2, "layer0.stem.width": 8, "layer1.stem.width": 16}
    assert str(space.close(params)) == "seq(conv(8), conv(16), seq(residual(relu)))"
    assert str(space.close({"layers": 0})) == "seq(seq(residual(relu)))"
    assert str(ops.seq(tail, name="all").close({})) == "seq(seq(residual(relu)))"


def test_a_space_without_holes_is_its_own_architecture() -> None:
    tree = ops.seq(ops.conv(8), ops.relu)
    assert tree.close({}) is tree
    assert tree.distributions() == tree.params(tree) == {}


def test_a_number_closes_to_the_type_that_its_argument_has() -> None:
    node = ops.swish(beta=choose(1, 2, name="beta")).close({"beta": 1})
    assert str(ops.swish(beta=choose(1, 2, name="beta")).close({"beta": 2})) == "swish(beta=2.0)"
    assert node == ops.swish()
    assert type(ops.conv(integer(1, 8, name="width")).close({"width": 4.0}).arguments["width"]) is int


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "the parameter 'op' is missing: it takes one of 'conv', 'relu'"),
        ({"op": "conv"}, "the parameter 'width' is missing: it takes 2 to 8"),
        ({"op": "cnv"}, "op = 'cnv' is outside the space: it takes one of 'conv', 'relu'"),
        ({"op": ["conv"]}, "outside the space"),
        ({"op": "conv", "width": 3}, "width = 3 is outside the space: it takes 2 to 8"),
        ({"op": "conv", "width": 10}, "outside the space"),
        ({"op": "conv", "width": 10**400}, "outside the space"),
        ({"op": "conv", "width": "wide"}, "outside the space"),
        ({"op": "conv", "width": None}, "outside the space"),
        ({"op": "conv", "width": float("nan")}, "outside the space"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_by_name(params: dict[str, object], says: str) -> None:
    space = ops.seq(choose(ops.conv(integer(2, 8, step=2, name="width")), ops.relu, name="op"))
    with pytest.raises(SpaceError, match=says):
        space.close(params)


def test_a_seed_samples_the_same_architecture_again() -> None:
    space = ops.seq(repeat(ops.conv(integer(1, 1000)), 1, 4), ops.swish(beta=real(0, 1)))
    assert space.sample(7) == space.sample(7) == space.sample(random.Random(7)) != space.sample(8)
    assert not space.sample().open


def test_sampling_is_uniform_over_each_decision() -> None:
    space = ops.seq(
        ops.conv(choose(2, 4, name="width"), kernel=integer(1, 4, log=True, name="kernel")),
        ops.dropout(rate=real(0, 0.5, step=0.25, name="rate")),
    )
    rng = random.Random(0)
    drawn = [space.params(space.sample(rng)) for _ in range(4000)]
    for name, expected in {
        "width": {2: 0.5, 4: 0.5},
        "rate": {0: 1 / 3, 0.25: 1 / 3, 0.5: 1 / 3},
        # The logarithm of half a step around each: log(3), log(5/3), log(7/5), log(9/7) over log(9).
        "kernel": {1: 0.5, 2: 0.232, 3: 0.153, 4: 0.114},
    }.items():
        shares = {value: n / len(drawn) for value, n in Counter(params[name] for params in drawn).items()}
        assert shares == pytest.approx(expected, abs=0.03)
