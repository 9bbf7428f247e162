"""DARTS: genotypes read and written, and the published network's size."""

from __future__ import annotations

import random

import pytest

from optnas import op, parse, spaces
from optnas.space import SpaceError

# https://github.com/quark0/darts/blob/master/cnn/genotypes.py
V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),"
    " ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)],"
    " normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2),"
    " ('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2),"
    " ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


def cells(architecture):
    (stacked,) = (node for node in architecture.walk() if node.op.name == "stack")
    return stacked.arguments["normal"], stacked.arguments["reduction"]


def test_the_published_network_has_its_published_size():
    network = spaces.darts_network(*cells(parse(V2)), width=36, cells=20)
    # "param size = 3.349342MB", as the authors' training prints.
    assert network.cost((3, 32, 32), outputs=10).params == 3_349_342


def test_a_genotype_reads_as_an_architecture_of_the_space():
    space = spaces.darts()
    architecture = parse(V2)
    assert space.close(space.params(architecture)) == architecture
    assert parse(V2.replace("[2, 3, 4, 5]", "range(2, 6)")) == architecture
    assert parse(V2.replace("[2, 3, 4, 5]", "(2, 3, 4, 5)")) == architecture


def test_genotypes_are_written_back():
    rng = random.Random(0)
    for _ in range(50):
        architecture = spaces.darts().sample(rng)
        genotype = architecture.to("darts")
        assert genotype.startswith("Genotype(normal=[('")
        assert parse(genotype) == architecture
        assert parse(genotype).to("darts") == genotype


def test_a_genotype_keeps_ops_width_and_cells_of_ones_own():
    @op
    def twice_the_input(x):
        return 2 * x

    own = {"'sep_conv_3x3'": "'twice_the_input'", "'skip_connect'": "'seq(conv_norm(\\'same\\'), skip)'"}
    text = V2
    for before, after in own.items():
        text = text.replace(before, after)
    architecture = parse(f"{text[:-1]}, width=24, cells=5)")
    assert architecture.to("darts").endswith("width=24, cells=5)")
    assert parse(architecture.to("darts")) == architecture
    assert twice_the_input() in set(architecture.walk())
    stack = next(part for part in architecture.walk() if part.op.name == "stack")
    assert (stack.arguments["width"], stack.arguments["cells"]) == (24, 5)
    assert architecture.cost((3, 16, 16), outputs=10) != parse(text).cost((3, 16, 16), outputs=10)


@pytest.mark.parametrize(
    ("genotype", "says"),
    [
        ("Genotype()", "each once"),
        ("Genotype(normal=[], normal_concat=[2], reduce=[], reduce_concat=[2])", "two for each node"),
        (V2.replace("'sep_conv_3x3'", "'sepconv'"), "no op 'sepconv'"),
        (V2.replace("('skip_connect', 2)", "('skip_connect', 9)"), "states 0 to"),
        (V2.replace("('skip_connect', 2)", "('skip_connect', -1)"), "lists of"),
        (V2.replace("[2, 3, 4, 5]", "range(10**9)"), "lists of"),
        (V2.replace("[2, 3, 4, 5]", "range(0, 999999999)"), "lists of"),
        (V2.replace("[2, 3, 4, 5]", "[9]"), "numbers of states"),
        (V2.replace("[2, 3, 4, 5]", "__import__('os')"), "lists of"),
        (V2.replace("reduce_concat", "reduced_concat"), "each once"),
        (f"{V2[:-1]}, width=0)", "at least 1"),
        (f"{V2[:-1]}, width='a')", "at least 1"),
        (f"{V2[:-1]}, width=16, width=16)", "each once"),
        (f"{V2[:-1]}, depth=3)", "each once"),
        ("Genotype", "not a genotype"),
        ("Genotype(", "not a genotype"),
    ],
)
def test_what_is_no_genotype_is_refused(genotype, says):
    with pytest.raises(SpaceError, match=says):
        parse(genotype)


def test_other_trees_have_no_genotype():
    for tree in ("conv(8)", "stack(conv(8), conv(8))", "stack(cell(node(skip)), cell(node(skip)))"):
        with pytest.raises(SpaceError, match="genotype"):
            parse(tree).to("darts")


def test_dead_nodes_and_edges_make_no_difference_to_a_key():
    live = parse("cell(node(skip, conv(8), inputs=(0, 1)), inputs=2)")
    dead = parse("cell(node(conv(9), inputs=(1,)), node(none, conv(8), skip, inputs=(2, 1, 0)), inputs=2)")
    other = parse("cell(node(skip, conv(8), inputs=(1, 0)), inputs=2)")
    assert live.key == dead.key
    assert live.key != other.key
