"""Names: what people read in the dashboard, the same in every run and on every machine."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys

import pytest
from hypothesis import given, settings

from optnas import choose, integer, ops, parse, real, repeat, shared
from optnas.space import Node, SpaceError
from optnas.space.closing import visit
from optnas.space.names import ROOT
from tests.files import REPOSITORY
from tests.strategies import spaces


def names(space: Node) -> list[str]:
    return list(space.distributions())


def digits() -> Node:
    """Return the space of ``studies/digits.py``, with two layers at most."""
    block = runpy.run_path(str(REPOSITORY / "studies" / "digits.py"))["block"]
    return ops.seq(repeat(block, 1, 2, name="layer"), ops.maxpool(2), ops.head())


DIGITS_NAMES = ["layers"] + [
    f"layer{i}.{name}"
    for i in (0, 1)
    for name in ("op", "width", "kernel", "activation", "activation.swish.beta")
]


def test_each_copy_of_a_repeat_has_decisions_of_its_own() -> None:
    assert names(digits()) == DIGITS_NAMES


def test_options_have_the_labels_that_people_read() -> None:
    found = digits().distributions()
    assert found["layer0.op"].choices == ("conv", "sepconv", "identity")
    assert found["layer1.activation"].choices == ("relu", "mish", "swish")


def test_a_hole_without_a_name_is_called_by_its_path() -> None:
    space = ops.seq(
        ops.conv(choose(8, 16), kernel=choose(3, 5)),
        choose(ops.relu, ops.swish(beta=real(0, 1))),
        ops.residual(ops.conv(choose(8, 16))),
        ops.conv(choose(8, 16)),
    )
    assert names(space) == [
        "conv0.width",
        "conv0.kernel",
        "choice",
        "choice.swish.beta",
        "residual.conv.width",
        "conv1.width",
    ]
    assert names(ops.conv(choose(8, 16))) == ["width"]
    assert names(ops.seq(repeat(choose(ops.relu, ops.tanh), 1, 2))) == ["repeats", "repeat0", "repeat1"]


def test_a_hole_in_a_tree_among_the_arguments_is_called_by_its_path() -> None:
    space = ops.conv(choose(4, integer(6, 9)), padding=choose(0, 1, name="padding"))
    assert names(space) == ["width", "width.choice", "padding"]


def test_the_name_of_a_part_stands_before_the_names_of_its_holes() -> None:
    stem = ops.seq(ops.conv(choose(8, 16, name="width")), ops.conv(choose(8, 16)), name="stem")
    assert names(ops.seq(stem, ops.residual(stem))) == ["stem.width", "stem.conv1.width"]
    layer = repeat(ops.seq(stem, ops.relu), 1, 2, name="layer")
    assert "layer1.stem.width" in names(ops.seq(layer))


def test_nested_repeats_count_their_copies_within_each_other() -> None:
    cell = repeat(ops.conv(choose(8, 16, name="width")), 1, 2, name="layer")
    assert names(ops.seq(repeat(ops.seq(cell), 1, name="stage"))) == [
        "stage0.layers",
        "stage0.layer0.width",
        "stage0.layer1.width",
    ]


def test_one_name_in_several_options_is_one_decision() -> None:
    width = choose(8, 16, name="width")
    space = ops.seq(choose(ops.conv(width), ops.sepconv(width), name="op"), ops.conv(width))
    assert names(space) == ["op", "width"]
    assert str(space.close({"op": "sepconv", "width": 16})) == "seq(sepconv(16), conv(16))"


def test_a_shared_hole_is_one_decision_for_the_whole_study() -> None:
    width = shared(choose(8, 16, name="width"))
    part = ops.seq(ops.conv(width), ops.conv(choose(8, 16)), name="stem")
    space = ops.seq(repeat(part, 1, 2, name="layer"), ops.conv(width))
    assert names(space) == ["layers", "width", "layer0.stem.conv1.width", "layer1.stem.conv1.width"]
    block = shared(choose(ops.conv(choose(8, 16, name="width")), ops.relu, name="op"))
    assert names(ops.seq(repeat(block, 2, name="layer"))) == ["op", "width"]


@pytest.mark.parametrize(
    "space",
    [
        ops.seq(ops.conv(choose(8, 16, name="n")), ops.conv(choose(8, 32, name="n"))),
        ops.seq(ops.conv(choose(8, 16, name="n")), ops.conv(shared(choose(8, 32, name="n")))),
        ops.seq(repeat(ops.relu, 1, 2, name="n"), ops.conv(choose(8, 16, name="ns"))),
        ops.seq(choose(ops.conv(integer(1, 2, name="n")), ops.conv(integer(1, 3, name="n")), name="op")),
    ],
)
def test_two_decisions_of_one_name_are_an_error_that_shows_both(space: Node) -> None:
    with pytest.raises(
        SpaceError, match=r"two decisions are called 'ns?', .*name='ns?'\).* and .*name='ns?'"
    ):
        space.distributions()
    with pytest.raises(SpaceError, match="two decisions"):
        space.size()


def test_two_decisions_of_one_name_are_an_error_wherever_they_meet() -> None:
    space = ops.seq(ops.conv(choose(8, 16, name="n")), ops.conv(choose(8, 32, name="n")))
    for meeting in (
        lambda: space.close({"n": 8}),
        space.sample,
        lambda: space.params(parse("seq(conv(8), conv(32))")),
    ):
        with pytest.raises(SpaceError, match="two decisions are called 'n'"):
            meeting()


@given(spaces(reuse=False))
def test_every_hole_without_a_name_is_called_differently(space: Node) -> None:
    found = [hole.parameter(place.name(hole)) for hole, place in visit(space, ROOT) if hole.name is None]
    assert len(found) == len(set(found))


@given(spaces())
def test_names_depend_only_on_what_the_space_says(space: Node) -> None:
    again = parse(str(space))
    assert again is not space
    assert list(again.distributions().items()) == list(space.distributions().items())


@settings(max_examples=20)
@given(spaces())
def test_a_repeat_twice_as_long_keeps_the_names_of_its_first_copies(space: Node) -> None:
    short, long = (names(ops.seq(repeat(space, 1, high, name="layer"))) for high in (2, 4))
    assert [name for name in long if not name.startswith(("layer2.", "layer3."))] == short


def test_names_are_the_same_in_another_process() -> None:
    program = "from tests.space.test_names import digits, names; print(*names(digits()))"
    printed = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.split() == DIGITS_NAMES
