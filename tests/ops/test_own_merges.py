"""Merges of one's own: functions and classes of several tensors, made ops by the same decorator."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from optnas import Cost, choose, op, ops, parse
from optnas.space import BuildError, Node, OpError, Shape, SpaceError
from optnas.space.own_ops import own_ops
from tests.ops.helpers import assert_cost_is_counted, assert_runs


@op
def tilted(x: Tensor, y: Tensor, by: float = 1.0) -> Tensor:
    """The first branch, tilted by the second."""
    return x * (by * y).sigmoid()


@op
def root_of_squares(*branches: Tensor) -> Tensor:
    """The root of the sum of the squares of its branches."""
    return torch.stack(branches).square().sum(0).sqrt()


@op
class Mixed(nn.Module):
    """A 1×1 convolution of each of two branches, summed."""

    def __init__(self, shapes: tuple[Shape, ...], in_channels: int, width: int, bias: bool = False) -> None:
        super().__init__()
        assert in_channels == shapes[0][0]
        self.one = nn.Conv2d(shapes[0][0], width, 1, bias=bias)
        self.two = nn.Conv2d(shapes[1][0], width, 1, bias=bias)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.one(x) + self.two(y)


@op
class Longest(nn.Module):
    """A linear layer of all branches side by side."""

    def __init__(self, shapes: tuple[Shape, ...], width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(sum(shape[-1] for shape in shapes), width)

    def forward(self, *tensors: Tensor) -> Tensor:
        return self.layer(torch.cat(tensors, -1))


@op
class Routed(nn.Module):
    """A sum of its branches, weighted by a softmax of one weight each."""

    def __init__(self, *branches: nn.Module, sharpness: float = 1.0) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.weights = nn.Parameter(torch.zeros(len(branches)))
        self.sharpness = sharpness

    def forward(self, x: Tensor) -> Tensor:
        shares = (self.sharpness * self.weights).softmax(0)
        return sum(share * branch(x) for share, branch in zip(shares, self.branches, strict=True))


bilinear = op(nn.Bilinear, name="bilinear_of_merge_test")
IMAGE = (4, 6, 6)


@pytest.mark.parametrize(
    ("text", "shape", "out"),
    [
        ("tilted(conv(3), conv(3, kernel=1))", IMAGE, (3, 6, 6)),
        ("tilted(relu, seq(conv(4), norm), by=2.5)", IMAGE, IMAGE),
        ("root_of_squares(conv(3), conv(3), conv(3, kernel=1))", IMAGE, (3, 6, 6)),
        ("Mixed(conv(3), conv(5), width=2)", IMAGE, (2, 6, 6)),
        ("Longest(linear(3), linear(4), relu, width=2)", (5,), (2,)),
        ("Routed(conv(3), conv(3, kernel=1), sharpness=2.0)", IMAGE, (3, 6, 6)),
    ],
)
def test_its_costs_are_exact_and_it_reads_back_from_its_text(text: str, shape: Shape, out: Shape) -> None:
    architecture = parse(text)
    assert str(architecture) == text
    assert architecture.cost(shape).shape == out
    assert_cost_is_counted(architecture, shape)
    module = assert_runs(architecture, shape)
    x = torch.randn(2, *shape)
    for again in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert torch.equal(again.eval()(x), module.eval()(x))


def test_it_computes_what_its_function_does_of_its_branches() -> None:
    x = torch.randn(2, 5)
    given = tilted(ops.tanh(), ops.relu(), by=3.0).build((5,))(x)
    torch.testing.assert_close(given, x.tanh() * (3 * x.relu()).sigmoid())
    assert tilted.__doc__ == "The first branch, tilted by the second."


def test_a_module_of_pytorch_with_two_inputs_is_a_merge() -> None:
    tree = bilinear(ops.linear(3), ops.linear(4), in1_features=3, in2_features=4, out_features=2)
    cost = tree.cost((5,))
    assert (cost.shape, cost.params) == ((2,), 3 * 6 + 4 * 6 + 2 * 3 * 4 + 2)
    # PyTorch's own counter passes over the bilinear map: 3·4·2 products, then 4·2 of what is left.
    assert cost.flops == 2 * (3 * 5 + 4 * 5) + 2 * 3 * 4 * 2 + 2 * 4 * 2


def test_its_costs_are_those_of_a_merge_of_optnas_that_computes_the_same() -> None:
    @op(name="sum_of_merge_test")
    def summed(one: Tensor, other: Tensor) -> Tensor:
        return one + other

    paths = (ops.conv(3), ops.seq(ops.conv(8), ops.relu(), ops.conv(3)))
    assert summed(*paths).cost(IMAGE) == ops.add(*paths).cost(IMAGE)


def test_branch_and_fork_find_it_by_its_name_or_with_its_arguments() -> None:
    space = ops.branch(
        ops.conv(3), ops.conv(3), merge=choose("add", "tilted", tilted(by=2.0), Mixed(width=7), name="merge")
    )
    found = {str(each): each for each in (space.sample(seed) for seed in range(30))}
    assert len(found) == 4
    assert {each.cost(IMAGE).shape for each in found.values()} == {(3, 6, 6), (7, 6, 6)}
    named = ops.branch(ops.conv(3), ops.conv(3), merge="tilted")
    assert named.key == tilted(ops.conv(3), ops.conv(3)).key
    assert parse(str(named)) == named
    several = tilted(ops.input("a"), ops.input("b"))
    assert several.cost({"a": (3,), "b": (3,)}).shape == (3,)


def test_an_op_that_stands_only_as_the_name_of_a_merge_is_known_as_ones_own() -> None:
    space = ops.branch(ops.conv(3), ops.conv(3), merge=choose("add", "tilted"))
    assert own_ops(space) == {"tilted": tilted.identity}
    assert own_ops(ops.branch(ops.relu(), ops.tanh(), merge="mul")) == {}


def test_the_order_of_branches_makes_another_key_unless_it_is_commutative() -> None:
    one, other = ops.conv(3), ops.conv(3, kernel=1)
    assert tilted(one, other).key != tilted(other, one).key

    @op(name="product_of_merge_test", commutative=True)
    def product(x: Tensor, y: Tensor) -> Tensor:
        return x * y

    assert product(one, other).key == product(other, one).key


def test_a_cost_of_ones_own_takes_the_shapes_of_the_branches() -> None:
    @op(name="priced_of_merge_test", cost=lambda shapes, by: Cost(shapes[0], flops=int(by) * len(shapes)))
    def priced(x: Tensor, y: Tensor, by: float = 3.0) -> Tensor:
        return x * y.sum().item() * by

    assert priced(ops.relu(), ops.tanh()).cost((5,)).flops == 6
    assert priced(ops.linear(5), ops.tanh(), by=1).cost((5,)).flops == 50 + 2


def test_lazy_layers_of_a_merge_get_their_weights() -> None:
    @op(name="lazy_of_merge_test")
    class Lazy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LazyLinear(2)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.layer(torch.cat((x, y), 1))

    assert Lazy(ops.linear(3), ops.linear(4)).cost((5,)).params == 3 * 6 + 4 * 6 + 2 * 8


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (lambda: tilted(ops.relu()), "tilted merges 2 branches, not 1"),
        (lambda: root_of_squares(), "at least 1"),
        (lambda: ops.branch(ops.relu(), merge="linear"), "is no merge"),
        (lambda: ops.branch(ops.relu(), merge=ops.relu()), "is no merge"),
        (lambda: tilted(ops.fork(a=ops.relu()), ops.relu()), r"branch 0 returns several.*ops.input\('a'\)"),
    ],
)
def test_what_does_not_fit_is_one_line(tree: object, said: str) -> None:
    with pytest.raises(BuildError, match=said) as refused:
        tree().cost((4,))  # type: ignore[operator]
    assert "\n" not in str(refused.value)


def test_a_mistake_in_it_says_where_it_is() -> None:
    @op(name="wrong_of_merge_test")
    def wrong(x: Tensor, y: Tensor) -> Tensor:
        return x.nothing(y)

    with pytest.raises(OpError, match=r"test_own_merges.py:\d+"):
        wrong(ops.relu(), ops.tanh()).cost((4,))


def test_branches_that_are_both_modules_and_tensors_are_refused_in_a_line_that_says_what_to_write() -> None:
    class Both(nn.Module):
        def __init__(self, *branches: nn.Module) -> None:
            super().__init__()

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    with pytest.raises(SpaceError, match=r"leave out \*branches of __init__, or write forward\(self, x\)"):
        op(Both, name="both_of_merge_test")
    with pytest.raises(SpaceError, match="commutative=True is for merges"):
        op(commutative=True, name="alone_of_merge_test")(lambda x: x)


def test_functions_of_one_tensor_and_of_trees_are_no_merges() -> None:
    @op(name="with_module_of_merge_test")
    def with_module(x: Tensor, gate: nn.Module, by: float = 1.0) -> Tensor:
        return by * x * gate(x)

    @op(name="composite_of_merge_test")
    def composite(*paths: Node) -> Node:
        return ops.add(*paths)

    encoder = op(nn.TransformerEncoderLayer, name="encoder_of_merge_test")
    assert with_module(ops.tanh()).cost((4,)).shape == (4,)
    assert composite(ops.relu(), ops.tanh()).key == ops.add(ops.relu(), ops.tanh()).key
    assert encoder(8, 2).cost((5, 8)).shape == (5, 8)


def test_a_merge_of_ones_own_is_drawn_as_branches() -> None:
    svg = tilted(ops.conv(3), ops.conv(3, kernel=1)).draw(IMAGE).svg
    assert svg.count("conv") >= 2
    assert "tilted" in svg
