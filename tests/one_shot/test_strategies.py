"""Strategies on shared weights find what is best by construction, and go on where they were stopped."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import itertools
import math
import random

import pytest
import torch

from optnas import UserError, choose, data, ops, repeat, tasks
from optnas.one_shot import Supernet
from optnas.one_shot.strategies import STRATEGIES, make_strategy
from optnas.samplers.one_shot import OneShotSampler
from optnas.train.task import Task
from tests.one_shot.problems import problem, signs


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


class OwnStep(Task):
    """A task that trains in its own way."""

    metrics = ("loss",)

    def __init__(self, data):
        self.data = data

    def own_step(self, module, training):
        return lambda x, y, rate: torch.zeros(())


def first(strategy, seed=0):
    return next(strategy.proposals(random.Random(seed)))


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_one_option_that_keeps_the_signs_is_found_with_every_seed(name):
    for seed in range(10):
        strategy = make_strategy(name, problem(signs()), epochs=20, seed=seed)
        strategy.train()
        assert first(strategy) == {"op": "linear('same')"}, f"seed {seed}"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", STRATEGIES)
def test_on_cuda_it_is_found_as_well(name):
    on_cuda = dataclasses.replace(problem(signs()), device=torch.device("cuda"))
    strategy = make_strategy(name, on_cuda, epochs=20)
    strategy.train()
    assert first(strategy) == {"op": "linear('same')"}


@pytest.mark.parametrize("name", ["darts", "gdas", "single-path"])
def test_widths_are_searched_as_ops_are(name):
    space = ops.seq(ops.linear(choose(1, 16, name="width")), ops.relu(), ops.head())
    strategy = make_strategy(name, problem(space), epochs=12)
    strategy.train()
    assert first(strategy) == {"width": 16}


@pytest.mark.parametrize("name", ["darts", "gdas"])
def test_a_weight_of_the_cost_makes_the_architecture_cheaper(name):
    space = ops.seq(ops.linear(choose(4, 16, 64, name="width")), ops.relu(), ops.head())
    strategy = make_strategy(name, problem(space, cost="flops"), epochs=12, weightings=(0.0, 10.0))
    strategy.train()
    accurate, cheap = itertools.islice(strategy.proposals(random.Random(0)), 2)
    assert cheap == {"width": 4}
    assert accurate["width"] > 4


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(name):
    make = lambda: make_strategy(name, problem(signs(), cost="flops"), epochs=4)  # noqa: E731
    whole = make()
    states = []
    whole.train(lambda strategy: states.append(copy.deepcopy(strategy.state())))
    again = make()
    again.restore(states[1])
    again.train()
    assert again.epoch == 4
    for key, weight in whole.net.weights.values().items():
        assert torch.equal(weight, again.net.weights[key]), key
    some = [list(itertools.islice(each.proposals(random.Random(0)), 6)) for each in (whole, again)]
    assert some[0] == some[1]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_weights_that_come_or_grow_in_training_learn_as_the_others(name, optimizer, monkeypatch):
    monkeypatch.setitem(Supernet._see.__globals__, "_NOTHING_NEW", 1)  # one architecture tells them
    width = choose(4, 8, 16, name="width")
    block = ops.seq(choose(ops.linear(width), ops.identity(), ops.square(), name="op"), ops.tanh())
    given = problem(ops.seq(repeat(block, 1, 4, name="layer"), ops.head()), cost="flops", optimizer=optimizer)
    make = lambda: make_strategy(name, given, epochs=3)  # noqa: E731
    whole, states = make(), []
    sizes = [weight.numel() for weight in whole.net.parameters()]
    whole.train(lambda strategy: states.append(copy.deepcopy(strategy.state())))
    after = [weight.numel() for weight in whole.net.parameters()]
    assert len(after) > len(sizes)
    assert any(now > before for now, before in zip(after, sizes, strict=False))
    (group,) = states[-1]["optimizer"]["param_groups"]
    assert len(group["params"]) == len(after)
    again = make()
    again.restore(states[1])
    again.train()
    for key, weight in whole.net.weights.values().items():
        assert torch.equal(weight, again.net.weights[key]), key


def test_all_architectures_are_proposed_in_the_end():
    strategy = make_strategy("gdas", problem(signs()), epochs=1)
    strategy.train()
    proposed = {params["op"] for params in itertools.islice(strategy.proposals(random.Random(0)), 200)}
    assert proposed == set(strategy.net.values["op"])


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(UserError, match="gdas"):
        make_strategy("gda", problem(signs()), epochs=1)


@pytest.mark.parametrize("name", ["darts", "gdas"])
def test_a_space_without_choices_is_refused(name):
    with pytest.raises(UserError, match="nothing open"):
        make_strategy(name, problem(ops.seq(ops.linear(4), ops.head())), epochs=1)


@pytest.mark.parametrize(
    ("name", "settings", "word"),
    [
        *(
            ("darts", {"weightings": each}, "weightings")
            for each in ((), (-1,), (math.nan,), ("a",), "0.1", 1)
        ),
        ("darts", {"order": 3}, "1 or 2"),
        ("gdas", {"order": 2}, "no setting 'order'"),
        ("gdas", {"weighting": (0,)}, "did you mean 'weightings'"),
        ("gdas", {"guarded": "no"}, "True or False"),
        ("beta-darts", {"decay": math.nan}, "decay=nan"),
        ("single-path", {"evaluations": 0}, "evaluations=0"),
        ("single-path", {"population": 2.5}, "population=2.5"),
        (None, {}, "no one-shot strategy"),
    ],
)
def test_settings_of_no_use_are_refused_at_once(name, settings, word):
    with pytest.raises(UserError, match=word):
        make_strategy(name, problem(signs()), epochs=1, **settings)
    with pytest.raises(UserError, match=word):
        OneShotSampler(name, **settings)


def test_every_setting_is_checked():
    for name in STRATEGIES:
        given = problem(signs(), cost="flops")
        settings = {
            each.name: each.default
            for each in inspect.signature(STRATEGIES[name]).parameters.values()
            if each.kind is each.KEYWORD_ONLY
        }
        assert settings
        make_strategy(name, given, epochs=1, **settings)


def test_tasks_with_a_step_of_their_own_are_refused():
    given = problem(signs())
    own = dataclasses.replace(given, task=OwnStep(given.task.data))
    with pytest.raises(UserError, match="its own"):
        make_strategy("gdas", own, epochs=1)


def test_evolution_of_a_small_space_ends_once_nothing_is_new_in_it(monkeypatch):
    tries = []
    space = ops.seq(ops.linear(choose(4, 8, 16, name="width")), ops.relu(), ops.head())
    strategy = make_strategy("single-path", problem(space), epochs=1)
    evaluate = strategy._inherited.evaluate
    monkeypatch.setattr(
        strategy._inherited, "evaluate", lambda params: (tries.append(params), evaluate(params))
    )
    proposed = list(itertools.islice(strategy.proposals(random.Random(0)), 3))
    assert sorted(params["width"] for params in proposed) == [4, 8, 16]
    assert len(tries) < 300


def test_evolution_whose_first_architectures_are_all_infeasible_draws_more():
    options = tuple(range(2, 202))
    space = ops.seq(ops.linear(choose(*options, name="width")), ops.relu(), ops.head())
    given = problem(space)
    only = dataclasses.replace(
        given, losses_of=lambda params, metrics: [0.0] if params["width"] == options[-1] else None
    )
    strategy = make_strategy("single-path", only, epochs=1)
    assert first(strategy) == {"width": options[-1]}


def of_series(space):
    """Return the problem of telling the sign of the last of six positions."""
    x = torch.randn(64, 6, 3, generator=torch.Generator().manual_seed(0))
    task = tasks.classification(data.tensors(x, (x[:, -1, 0] > 0).long(), layout="channels_last"))
    space = ops.seq(space, ops.last(), ops.head())
    return dataclasses.replace(problem(signs()), space=space, task=task, shape=(6, 3), context=task.context)


@pytest.mark.parametrize("name", STRATEGIES)
def test_recurrent_layers_are_searched(name):
    layers = choose(ops.conv1d(8), ops.lstm(choose(4, 8, name="width")), ops.gru(8), name="layer")
    strategy = make_strategy(name, of_series(layers), epochs=3)
    strategy.train()
    assert first(strategy)["layer"] in strategy.net.values["layer"]


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_option_that_no_architecture_can_have_is_not_proposed(name):
    space = choose(ops.conv(8), ops.conv1d(8), name="op")
    strategy = make_strategy(name, of_series(space), epochs=20)
    strategy.train()
    assert first(strategy) == {"op": "conv1d(8)"}


@pytest.mark.parametrize("name", STRATEGIES)
def test_choices_that_do_not_fit_together_are_passed_over(name):
    width, groups = choose(4, 6, name="width"), choose(4, 6, name="groups")
    space = ops.seq(ops.conv1d(width), ops.conv1d(12, groups=groups))
    strategy = make_strategy(name, of_series(space), epochs=20)
    strategy.train()
    proposed = first(strategy)
    assert proposed["width"] == proposed["groups"]
