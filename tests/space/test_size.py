"""The size of a space: in how many ways its holes can be closed."""

from __future__ import annotations

import math
from itertools import islice

import optuna
import pytest
from hypothesis import assume, given

from optnas import choose, integer, ops, real, repeat, shared
from optnas.space import Node
from tests.strategies import spaces, ways

_MOST = 400


@given(spaces(depth=2, continuous=False))
def test_the_size_is_the_number_of_different_sets_of_active_parameters(space: Node) -> None:
    found = [frozenset(params.items()) for params, _ in islice(ways(space), _MOST)]
    assume(len(found) < _MOST)
    assert len(set(found)) == len(found) == space.size()
    assert type(space.size()) is int
    # And no parameter is one that no architecture needs.
    assert {name for params in found for name, _ in params} == space.distributions().keys()


@given(spaces())
def test_only_a_continuous_hole_makes_a_space_infinite(space: Node) -> None:
    continuous = any(
        isinstance(d, optuna.distributions.FloatDistribution) and d.step is None
        for d in space.distributions().values()
    )
    assert (space.size() == math.inf) == continuous


WIDTH = choose(8, 16, 32, name="width")


@pytest.mark.parametrize(
    ("space", "size"),
    [
        (ops.seq(ops.conv(8)), 1),
        (ops.conv(WIDTH), 3),
        (ops.seq(ops.conv(WIDTH), ops.conv(WIDTH)), 3),
        (ops.seq(ops.conv(WIDTH), ops.conv(choose(8, 16, 32))), 9),
        (ops.seq(choose(ops.conv(WIDTH), ops.sepconv(WIDTH), ops.identity)), 7),
        (ops.seq(choose(ops.conv(WIDTH), ops.sepconv(WIDTH), ops.identity), ops.conv(WIDTH)), 9),
        (ops.seq(ops.conv(integer(1, 5, name="n")), choose(ops.conv(integer(1, 5, name="n")), ops.relu)), 10),
        (ops.seq(repeat(ops.conv(WIDTH), 0, 3, name="layer")), 1 + 3 + 9 + 27),
        (ops.seq(repeat(ops.conv(shared(WIDTH)), 0, 3, name="layer")), 1 + 3 * 3),
        (ops.seq(repeat(repeat(ops.conv(WIDTH), 0, 1, name="layer"), 1, 2, name="stage")), 4 + 16),
        (ops.seq(repeat(ops.relu, 0, 0), repeat(ops.relu, 2), repeat(ops.relu, 3, 5)), 3),
        (ops.conv(integer(2, 8, step=3), kernel=integer(1, 8, log=True)), 3 * 8),
        (ops.dropout(rate=real(0, 0.5, step=0.1)), 6),
        (ops.dropout(rate=real(0.5, 0.5)), 1),
    ],
)
def test_sizes_worked_out_by_hand(space: Node, size: int) -> None:
    assert space.size() == size


def test_a_continuous_hole_in_any_branch_makes_the_size_infinite() -> None:
    assert ops.seq(choose(ops.relu, ops.swish(beta=real(0.5, 2)))).size() == math.inf
    # Beyond what a float holds, too.
    many = [ops.conv(choose(8, 16)) for _ in range(1100)]
    assert ops.seq(*many).size() == 2**1100
    assert ops.seq(*many, ops.swish(beta=real(0.5, 2))).size() == math.inf


def test_large_spaces_are_counted_without_trying_every_way() -> None:
    width = choose(8, 16, 32, name="width")
    block = choose(ops.conv(width), ops.sepconv(width), ops.identity, name="op")
    assert ops.seq(repeat(block, 20, name="layer")).size() == 7**20
    assert ops.seq(repeat(block, 1, 20, name="layer")).size() == sum(7**n for n in range(1, 21))
    stage = repeat(choose(block, repeat(block, 2, name="pair")), 1, 2, name="stage")
    cell = choose(ops.seq(stage, ops.relu), ops.residual(stage), name="cell")
    assert ops.seq(cell, repeat(cell, 2), stage, cell).size() == 2**3 * ops.seq(stage).size() ** 3
    once = shared(choose(8, 16, 32, name="base"))
    same = choose(ops.conv(once), ops.sepconv(once), name="op")
    assert ops.seq(ops.conv(once), repeat(same, 20, name="layer")).size() == 3 * 2**20
    # Where no layer needs it, it is no decision.
    perhaps = choose(ops.conv(once), ops.identity, name="op")
    assert ops.seq(repeat(perhaps, 20, name="layer")).size() == 3 * (2**20 - 1) + 1


def test_optunas_brute_force_search_ends_after_as_many_trials_as_the_size_says() -> None:
    space = ops.seq(
        choose(ops.conv(WIDTH), ops.sepconv(WIDTH, kernel=integer(3, 5, step=2)), ops.identity, name="op"),
        repeat(choose(ops.relu, ops.tanh), 0, 2, name="act"),
    )
    study = optuna.create_study(sampler=optuna.samplers.BruteForceSampler(seed=1))
    study.optimize(lambda trial: len(str(space.suggest(trial))), n_trials=1000)
    assert len(study.trials) == space.size() == (3 + 6 + 1) * (1 + 2 + 4)
