"""NAS-Bench-201: every cell once, costs exactly the benchmark's, keys no two cells of other accuracy."""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter, defaultdict

import numpy as np
import pytest

from optnas import ops, parse, spaces
from optnas.space import SpaceError
from optnas.spaces.nasbench201 import OPS
from tests.tables import read_table

TABLE = "nasbench201_cifar10"
SEEDS = ("val200_seed777", "val200_seed888", "val200_seed999")


@pytest.fixture(scope="module")
def rows():
    return read_table(TABLE)


@pytest.fixture(scope="module")
def groups(rows):
    """The accuracies of each cell's seeds, by the cell's key."""
    groups = defaultdict(list)
    for row in rows:
        groups[parse(row["arch_str"]).key].append([float(row[seed]) for seed in SEEDS if row[seed]])
    return groups


def every_architecture():
    space = spaces.nasbench201()
    choices = {name: hole.choices for name, hole in space.distributions().items()}
    for labels in itertools.product(*choices.values()):
        yield space.close(dict(zip(choices, labels, strict=True)))


def test_every_cell_is_enumerated_once_and_its_string_reads_back():
    strings = set()
    for architecture in every_architecture():
        string = architecture.to("nasbench201")
        assert parse(string) == architecture
        strings.add(string)
    assert len(strings) == spaces.nasbench201().size() == 15_625


def test_parameters_and_macs_are_the_benchmarks(rows):
    """Of every fifth cell, or of all with ``OPTNAS_TEST_ARCHITECTURES``."""
    assert len({row["arch_str"] for row in rows}) == 15_625
    for row in rows[:: 1 if "OPTNAS_TEST_ARCHITECTURES" in os.environ else 5]:
        cost = parse(row["arch_str"]).cost((3, 32, 32), outputs=10)
        # The table holds parameters in millions to five places. MACs it holds so too, rounded to
        # float32 before, and counts the classifier's ten biases.
        assert round(cost.params / 1e6, 5) == pytest.approx(int(row["params"]) / 1e6, abs=1e-9)
        macs = round(float(np.float32((cost.macs + 10) / 1e6)), 5)
        assert macs == pytest.approx(int(row["macs"]) / 1e6, abs=1e-9)


@pytest.mark.slow
def test_keys_tell_cells_of_different_accuracy_apart(groups):
    """Cells of one key differ as one cell's seeds do; and few keys are left."""
    # 6,466 by the authors' count, which writes a sum with and without what adds nothing apart, but
    # takes two convolutions that learn apart for one that is used twice.
    assert len(groups) == 5_875
    pairs = separated = 0
    for seeds in groups.values():
        for one, other in itertools.combinations(seeds, 2):
            if len(one) == len(other) == len(SEEDS):
                pairs += 1
                separated += min(one) > max(other) or min(other) > max(one)
    # Of two triples of the same distribution, one lies wholly above the other in 2 of 20 orders.
    assert pairs > 10_000
    assert separated / pairs < 0.1


@pytest.mark.slow
def test_accuracies_of_one_key_spread_no_more_than_seeds(groups):
    complete = [[seeds for seeds in group if len(seeds) == len(SEEDS)] for group in groups.values()]
    within = np.mean([np.var(seeds, ddof=1) for group in complete for seeds in group])
    between = [len(SEEDS) * np.var(np.mean(group, axis=1), ddof=1) for group in complete if len(group) > 1]
    # The ratio of variances of a one-way analysis; it would be 1 on average if keys were perfect.
    assert np.mean(between) / within < 1.5


def test_weights_used_twice_are_not_two_convolutions():
    conv, skip, none = ops.relu_conv_bn(3), ops.skip(), ops.none()
    twice = ops.cell(ops.node(conv), ops.node(none, skip), ops.node(none, skip, skip))
    two = ops.cell(ops.node(conv), ops.node(conv, none), ops.node(none, skip, skip))
    assert twice.key != two.key
    pool = ops.avgpool(3, stride=1)
    same = ops.cell(ops.node(pool), ops.node(none, skip), ops.node(none, skip, skip))
    too = ops.cell(ops.node(pool), ops.node(pool, none), ops.node(none, skip, skip))
    assert same.key == too.key


@pytest.mark.parametrize(
    ("string", "says"),
    [
        ("|conv~0|", "no op 'conv'"),
        ("|none~0|+|none~1|none~0|", "in order"),
        ("|none~0|+|none~0|", "in order"),
        ("|none~0", "is written"),
        ("||", "is written"),
        ("|none~0|+", "is written"),
        ("|none|", "in order"),
    ],
)
def test_a_string_that_is_none_is_refused(string, says):
    with pytest.raises(SpaceError, match=says):
        parse(string)


def test_other_trees_have_no_string():
    for tree in ("conv(8)", "cell(node(conv(8)))", "seq(cell(node(none)), cell(node(skip)))"):
        with pytest.raises(SpaceError, match="NAS-Bench-201"):
            parse(tree).to("nasbench201")
    with pytest.raises(SpaceError, match="still has holes"):
        spaces.nasbench201().to("nasbench201")
    with pytest.raises(SpaceError, match="did you mean 'nasbench201'"):
        parse("|none~0|").to("nasbench101")


def test_bodies_of_any_number_of_nodes_have_strings():
    string = "|none~0|+|skip_connect~0|avg_pool_3x3~1|"
    assert parse(string).to("nasbench201") == string
    assert Counter(node.op.name for node in parse(string).walk())["node"] == 2


def brute_force(cell):
    """Return the smallest way to write the cell's function, over every numbering of its weights."""
    edges = [((source, target), op) for target, ops_ in enumerate(cell, 1) for source, op in enumerate(ops_)]
    weighted = [pair for pair, op in edges if "conv" in op]
    written = []
    for numbers in itertools.permutations(range(len(weighted))):
        number = dict(zip(weighted, numbers, strict=True))
        sums = {0: ["x"], 1: [], 2: [], 3: []}
        for (source, target), op in edges:
            if op == "skip_connect":
                sums[target] = sums[target] + sums[source]
            elif op == "avg_pool_3x3" and sums[source]:
                sums[target] = [*sums[target], f"pool({'+'.join(sorted(sums[source]))})"]
            elif "conv" in op:
                term = f"{op}#{number[source, target]}({'+'.join(sorted(sums[source]))})"
                sums[target] = [*sums[target], term]
        written.append("+".join(sorted(sums[3])))
    return min(written)


def test_keys_are_exactly_the_isomorphisms():
    names = list(OPS)
    rng = random.Random(0)
    cells = [[[rng.choice(names) for _ in range(target)] for target in (1, 2, 3)] for _ in range(1_500)]
    strings = [
        "+".join("|" + "".join(f"{op}~{i}|" for i, op in enumerate(ops_)) for ops_ in c) for c in cells
    ]
    by_key, by_force = defaultdict(set), defaultdict(set)
    for cell, string in zip(cells, strings, strict=True):
        by_key[parse(string).key].add(string)
        by_force[brute_force(cell)].add(string)
    assert sorted(map(sorted, by_key.values())) == sorted(map(sorted, by_force.values()))
