"""Depth is the longest path of layers from an input to an output, also where several tensors go by name."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor, nn

from optnas import op, ops, parse
from optnas.space import Node

WIDTH = 3


class Counting(nn.Module):
    """Stands for a linear layer: one more than the largest of its inputs."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        return (x.amax(-1, keepdim=True) + 1).expand(*x.shape[:-1], self.width)


def longest_path(network: Node, shape: object) -> int:
    """Run the built network with layers that count and merges that keep the largest: the longest path.

    What does not depend on a layer comes out as 0, as the inputs are.
    """
    module = network.build(shape)
    for name, layer in list(module.named_modules()):
        if isinstance(layer, nn.Linear):
            above = module.get_submodule(name.rpartition(".")[0])
            if name:
                setattr(above, name.rpartition(".")[2], Counting(layer.out_features))
            else:
                module = Counting(layer.out_features)
    zeros = torch.zeros(1, WIDTH)
    outputs = module(dict.fromkeys(shape, zeros) if isinstance(shape, dict) else zeros)
    leaves = torch.utils._pytree.tree_leaves(outputs)
    return int(max(each.max().item() for each in leaves))


@op
def deeper_of_depth_test(*, layers: int = 2) -> Node:
    """A composite op of several layers, for one tensor."""
    return ops.seq(*[ops.linear(WIDTH)] * layers)


class Drawn:
    """Draws networks in which tensors have names, at random."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def one(self, names: tuple[str, ...], budget: int) -> Node:
        """Return a network to one tensor, of one tensor or of several by name."""
        parts: list[Node] = []
        while True:
            if names:
                kind = self.random.choice(["input", "input", "merge", "update", "update", "fork"])
            else:
                kind = self.random.choice(["layer", "layer", "merge", "fork", "identity", "own"])
            if budget <= 0:
                kind = "input" if names else "layer"
            budget -= 1
            inside = budget // 3
            if kind == "input":
                parts.append(ops.input(self.random.choice(names)))
                names = ()
            elif kind == "merge":
                branches = [self.one(names, inside) for _ in range(self.random.randint(2, 3))]
                parts.append(self.random.choice([ops.maximum, ops.concat])(*branches))
                parts.append(ops.linear(WIDTH))
                names = ()
            elif kind == "fork":
                made = self.random.sample("abcd", self.random.randint(1, 3))
                parts.append(ops.fork(**{name: self.one(names, inside) for name in made}))
                names = tuple(made)
            elif kind == "update":
                made = self.random.sample("abcd", self.random.randint(1, 2))
                parts.append(ops.update(**{name: self.one(names, inside) for name in made}))
                names = tuple(sorted({*names, *made}))
            else:
                layers = {"layer": ops.linear(WIDTH), "identity": ops.identity()}
                parts.append(layers.get(kind) or deeper_of_depth_test(layers=self.random.randint(1, 3)))
            if not names and (budget <= 0 or self.random.random() < 0.3):
                return ops.seq(*parts)

    def several(self, names: tuple[str, ...], budget: int) -> Node:
        """Return a network to several tensors."""
        heads = self.random.sample("xyz", self.random.randint(1, 3))
        return ops.fork(**{name: self.one(names, budget // 2) for name in heads})


@pytest.mark.parametrize("inputs", [(), ("a", "b")])
@pytest.mark.parametrize("heads", [False, True])
def test_depth_is_the_longest_path_of_the_built_network(inputs: tuple[str, ...], heads: bool) -> None:
    shape: object = dict.fromkeys(inputs, (WIDTH,)) or (WIDTH,)
    found = set()
    for seed in range(80):
        drawn = Drawn(seed)
        network = drawn.several(inputs, 24) if heads else drawn.one(inputs, 24)
        depth = network.cost(shape).depth
        assert depth == longest_path(network, shape), str(network)
        found.add(depth)
    assert len(found) > 5


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        # A stage, its lateral and its last convolution; of the second level one stage more.
        ("fpn(conv(4), conv(8, stride=2), width=4)", 4),
        ("seq(fpn(conv(4), conv(8, stride=2), conv(8, stride=2), width=4), input('p2'))", 5),
        # What is computed and then left out is on no path to an output.
        ("seq(fork(a=seq(conv(4), conv(4)), b=conv(4)), input('b'))", 1),
        ("seq(fork(a=seq(conv(4), conv(4)), b=conv(4)), update(b=input('a')), fork(c=input('b')))", 2),
        # Tensors by name within tensors by name.
        ("seq(fork(a=fork(b=conv(4), c=seq(conv(4), conv(4)))), input('a'), input('b'), conv(4))", 2),
        ("seq(fork(a=fork(b=seq(conv(4), conv(4))), d=identity), update(a=input('d')))", 0),
        # Down and up one block each; below one that halves, a block, and the projection to the skip's width.
        ("unet(conv(4), depth=1, merge='add', down=conv(6, kernel=1, stride=2))", 5),
        ("residual(fork(a=conv(4), b=identity), add(input('a'), seq(input('b'), conv(4))))", 1),
    ],
)  # fmt: skip
def test_depths_of_known_networks(text: str, depth: int) -> None:
    assert parse(text).cost((4, 8, 8)).depth == depth


@op
class OneSide(nn.Module):
    """Two layers on what comes second, and none on what comes first."""

    def __init__(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x * self.layers(y)


@op
class ByName(nn.Module):
    """A layer on one of several tensors by name, and none on another; the third is not looked at."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        return torch.maximum(self.branches[0](x), x["b"])


def deep(layers: int) -> Node:
    return ops.seq(*[ops.linear(WIDTH)] * layers)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (2, 1), (4, 1), (5, 4), (7, 3)])
def test_layers_of_an_own_merge_count_on_the_paths_that_they_are_on(first: int, second: int) -> None:
    branches = (deep(first) if first else ops.identity(), deep(second) if second else ops.identity())
    expected = max(first, second + 2)
    assert OneSide(*branches).cost((WIDTH,)).depth == expected
    assert ops.cell(ops.node(*branches, inputs=(0, 0), merge="OneSide")).cost((WIDTH,)).depth == expected
    named = ops.seq(
        ops.fork(a=branches[0], b=branches[1], c=deep(9)), OneSide(ops.input("a"), ops.input("b"))
    )
    assert named.cost((WIDTH,)).depth == expected


@op
class Around(nn.Module):
    """A layer on the first, twice, and a way around both; the shortest way comes first in the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y + self.second(self.first(x))


def test_of_several_paths_through_an_own_merge_the_longest_counts() -> None:
    assert Around(deep(1), deep(2)).cost((WIDTH,)).depth == 3
    assert Around(deep(1), deep(4)).cost((WIDTH,)).depth == 4


@pytest.mark.parametrize(("first", "second", "depth"), [(0, 0, 1), (3, 1, 4), (1, 4, 4)])
def test_a_module_of_one_s_own_follows_what_it_takes_by_name(first: int, second: int, depth: int) -> None:
    fork = ops.fork(
        a=deep(first) if first else ops.identity(), b=deep(second) if second else ops.relu(), c=deep(9)
    )
    network = ops.seq(fork, ByName(ops.seq(ops.input("a"), ops.linear(WIDTH))))
    assert network.cost((WIDTH,)).depth == depth
