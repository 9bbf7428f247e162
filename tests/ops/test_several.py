"""Networks of several inputs and outputs: their shapes, exact costs and what they compute."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from optnas import choose, ops, parse
from optnas.space import BuildError, Shapes

SHAPE = {"user": (), "picture": (1, 8, 8)}
TWO = ops.seq(
    ops.branch(
        ops.seq(ops.input("user"), ops.embedding(8, vocabulary=40)),
        ops.seq(ops.input("picture"), ops.conv(4), ops.relu(), ops.head(8)),
        merge=choose("concat", "mul"),
    ),
    ops.linear(16),
    ops.relu(),
    ops.fork(kind=ops.linear(3), value=ops.linear(1)),
)


def given(device: str = "cpu") -> dict[str, Any]:
    return {
        "user": torch.zeros(1, dtype=torch.long, device=device),
        "picture": torch.zeros(1, 1, 8, 8, device=device),
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_costs_of_several_inputs_and_heads_are_exact(seed: int) -> None:
    network = TWO.sample(seed)
    cost = network.cost(SHAPE)
    with torch.device("meta"):
        module = network.build(SHAPE).eval()
    with FlopCounterMode(display=False) as counter:
        outputs = module(given("meta"))
    assert cost.flops == counter.get_total_flops()
    assert cost.params == sum(parameter.numel() for parameter in module.parameters())
    assert cost.shape == Shapes({name: tuple(each.shape[1:]) for name, each in outputs.items()})
    assert cost.depth == 4


def test_the_text_and_the_key_say_the_same_network() -> None:
    network = TWO.sample(0)
    assert parse(str(network)) == network
    turned = ops.seq(*network.children[:-1], ops.fork(value=ops.linear(1), kind=ops.linear(3)))
    assert turned.key == network.key
    assert ops.fork(kind=ops.linear(3)).key != ops.fork(sort=ops.linear(3)).key


def test_holes_in_branches_by_name_are_choices_of_the_space() -> None:
    space = ops.fork(a=ops.linear(choose(2, 4, name="width")), b=choose(ops.relu(), ops.tanh()))
    assert len(space.distributions()) == 2
    assert len({str(space.sample(seed)) for seed in range(30)}) == 4


def test_update_replaces_what_it_names_and_keeps_the_rest() -> None:
    encoder = ops.fork(memory=ops.linear(4), x=ops.identity())
    network = ops.seq(encoder, ops.update(x=ops.add(ops.input("x"), ops.input("memory"))), ops.input("x"))
    module = network.build((4,))
    x = torch.randn(5, 4)
    assert torch.equal(module(x), x + module[0](x)["memory"])
    assert network.cost((4,)).params == 20


def test_inputs_in_a_tuple_are_taken_by_place() -> None:
    network = ops.mul(ops.input(0), ops.input(1))
    module = network.build({"0": (3,), "1": (3,)})
    assert module((torch.full((2, 3), 2.0), torch.full((2, 3), 4.0))).unique().tolist() == [8.0]


@pytest.mark.parametrize(
    ("network", "shape", "said"),
    [
        (ops.conv(8), SHAPE, r"take one before it by ops.input\('user'\)"),
        (
            ops.seq(ops.input("item"), ops.relu()),
            SHAPE,
            "there is no .item. among what comes in",
        ),
        (ops.input("user"), (4,), "one tensor comes in"),
        (ops.update(x=ops.relu()), (4,), "make several by fork first"),
        (ops.fork(), (4,), "name at least one branch"),
        (ops.fork(x=3), (4,), "x=3 is no op"),
        (ops.relu(), {}, "name at least one tensor"),
        (ops.input("a"), {"a": (0,)}, "every size must be at least 1"),
    ],
)
def test_what_does_not_fit_is_one_line(network: Any, shape: Any, said: str) -> None:
    with pytest.raises(BuildError, match=said) as refused:
        network.cost(shape)
    assert "\n" not in str(refused.value)
