"""What may be proposed, and how one candidate leads to others, on spaces drawn at random."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optnas import Study, choose, maximize, ops, repeat
from optnas.samplers.domain import Domain, FlatDomain, crossed, enumerated, mutated, neighbours, sampled
from optnas.space import Node
from optnas.space.closing import active
from optnas.study_domain import StudyDomain
from tests.strategies import seeds, spaces


def domain_of(space: Node) -> StudyDomain:
    return StudyDomain(
        Study("any", space, evaluate=lambda candidate, report: {"score": 0}, objectives=[maximize("score")])
    )


def contained(domain: Domain, params: Mapping[str, Any]) -> bool:
    """Whether ``params`` is a candidate: what it has is what is asked for, and allowed."""
    distributions = domain.distributions
    asked = domain.decided(lambda name, _: params[name])
    return asked == params and all(
        distributions[n]._contains(distributions[n].to_internal_repr(v)) for n, v in params.items()
    )


@given(spaces(continuous=True), seeds)
def test_what_is_sampled_mutated_and_crossed_are_candidates(space: Node, seed: int) -> None:
    domain, rng = domain_of(space), random.Random(seed)
    one, other = sampled(domain, rng), sampled(domain, rng)
    for params in (one, mutated(domain, one, rng, steps=2), crossed(domain, one, other, rng)):
        assert contained(domain, params)
        assert active(space, params) == params


@given(spaces(continuous=True), seeds)
def test_a_mutation_differs_and_a_neighbour_differs_in_one_decision(space: Node, seed: int) -> None:
    domain, rng = domain_of(space), random.Random(seed)
    params = sampled(domain, rng)
    beside = list(neighbours(domain, params, rng))
    if any(not domain.distributions[name].single() for name in params):
        assert mutated(domain, params, rng) != params
        assert beside
    for other in beside:
        assert contained(domain, other)
        assert sum(other[name] != value for name, value in params.items() if name in other) >= 1


@given(spaces(continuous=False), seeds)
def test_everything_is_every_candidate_once(space: Node, seed: int) -> None:
    domain = domain_of(space)
    found = enumerated(domain, 300)
    if found is None:
        return
    told = {tuple(sorted(params.items(), key=str)) for params in found}
    assert len(told) == len(found)
    assert all(contained(domain, params) for params in found)
    rng = random.Random(seed)
    for _ in range(20):
        assert tuple(sorted(sampled(domain, rng).items(), key=str)) in told


def test_a_space_too_large_is_not_enumerated_at_all() -> None:
    asked = 0

    class Counting(FlatDomain):
        def decided(self, decide: Any) -> dict[str, Any]:
            nonlocal asked
            asked += 1
            return super().decided(decide)

    ops_of = CategoricalDistribution(["conv", "pool", "skip"])
    assert enumerated(Counting({f"layer{i}.op": ops_of for i in range(20)}), 10_000) is None
    assert asked < 20
    assert len(enumerated(Counting({f"layer{i}.op": ops_of for i in range(5)}), 10_000) or ()) == 243


def test_a_deep_narrow_space_is_enumerated_however_improbable_its_depths() -> None:
    class Caterpillar(FlatDomain):
        def decided(self, decide: Any) -> dict[str, Any]:
            params = {}
            for name, distribution in self.distributions.items():
                params[name] = decide(name, distribution)
                if params[name] == "stop":
                    break
            return params

    more = CategoricalDistribution(["stop", "more"])
    found = enumerated(Caterpillar({f"layer{i}": more for i in range(30)}), 31)
    assert found is not None
    assert len(found) == 31


@pytest.mark.parametrize(
    ("distribution", "value", "beside"),
    [
        (CategoricalDistribution(["a", "b", "c"]), "a", {"b", "c"}),
        (IntDistribution(2, 8, step=2), 4, {2, 6}),
        (IntDistribution(2, 8, step=2), 8, {6}),
        (FloatDistribution(0.0, 1.0, step=0.25), 0.5, {0.25, 0.75}),
        (IntDistribution(3, 3), 3, set()),
    ],
)
def test_neighbours_are_one_step_away(distribution: BaseDistribution, value: Any, beside: set[Any]) -> None:
    found = neighbours(FlatDomain({"x": distribution}), {"x": value}, random.Random(0))
    assert {params["x"] for params in found} == beside


@given(st.floats(1e-4, 1e-1), seeds, st.booleans())
def test_neighbours_of_a_real_number_lie_on_either_side(value: float, seed: int, log: bool) -> None:
    domain = FlatDomain({"lr": FloatDistribution(1e-4, 1e-1, log=log)})
    found = [params["lr"] for params in neighbours(domain, {"lr": value}, random.Random(seed))]
    assert all(1e-4 <= other <= 1e-1 and other != value for other in found)
    assert len({other < value for other in found}) == len(found)


def test_a_child_has_each_part_from_one_parent() -> None:
    space = ops.seq(
        repeat(ops.conv(choose(8, 16, name="width"), choose(3, 5, name="kernel")), 2, 3, name="layer")
    )
    domain = domain_of(space)
    one = {"layers": 2, **{f"layer{i}.{n}": v for i in (0, 1) for n, v in (("width", 8), ("kernel", 3))}}
    other = {"layers": 2, **{f"layer{i}.{n}": v for i in (0, 1) for n, v in (("width", 16), ("kernel", 5))}}
    children = [crossed(domain, one, other, random.Random(seed)) for seed in range(20)]
    for child in children:
        for i in (0, 1):
            assert (child[f"layer{i}.width"], child[f"layer{i}.kernel"]) in ((8, 3), (16, 5))
    assert any(child["layer0.width"] != child["layer1.width"] for child in children)


def test_operands_of_a_formula_are_exchanged_as_a_whole() -> None:
    def operand(unary: Node) -> Any:
        inner = ops.add(choose(ops.x(), ops.sin()), choose(ops.x(), ops.tanh()))
        return choose(inner, unary)

    formula = ops.mul(operand(ops.square()), operand(ops.cube()))
    domain = domain_of(ops.seq(repeat(ops.seq(ops.conv(4), ops.act(formula)), 1, name="layer"), ops.head()))
    places = [f"layer0.act.of.choice{i}" for i in (0, 1)]
    one = {place + end: value for place in places for end, value in (("", "add"), *_leaves("x", "x"))}
    other = {place + end: value for place in places for end, value in (("", "add"), *_leaves("sin", "tanh"))}
    assert contained(domain, one)
    children = [crossed(domain, one, other, random.Random(seed)) for seed in range(60)]
    seen = set()
    for child in children:
        operands = [tuple(child[place + end] for end, _ in _leaves("", "")) for place in places]
        assert set(operands) <= {("x", "x"), ("sin", "tanh")}
        seen.add(tuple(operands))
    assert len(seen) == 4


def _leaves(left: str, right: str) -> tuple[tuple[str, str], ...]:
    return (".add.choice0", left), (".add.choice1", right)


def test_parts_without_parts_of_their_own_are_inherited_as_a_whole() -> None:
    names = {
        f"layer{i}.{word}": CategoricalDistribution(range(9)) for i in range(3) for word in ("op", "width")
    }
    one, other = dict.fromkeys(names, 1), dict.fromkeys(names, 2)
    for seed in range(40):
        child = crossed(FlatDomain(names), one, other, random.Random(seed))
        assert all(child[f"layer{i}.op"] == child[f"layer{i}.width"] for i in range(3))
