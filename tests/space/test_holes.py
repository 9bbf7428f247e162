"""Holes: what may be left open, and how its options are called."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from optnas import choose, integer, ops, real, repeat, shared
from optnas.space import SpaceError


def labels(*options: Any) -> tuple[Any, ...]:
    return ops.seq(choose(*options, name="op")).distributions()["op"].choices


def test_holes_are_suggested_from_the_optuna_distributions_that_people_expect() -> None:
    space = ops.seq(
        ops.conv(choose(8, 16, name="width"), kernel=integer(3, 7, step=2, name="kernel")),
        ops.swish(beta=real(0.5, 2.0, log=True, name="beta")),
        ops.dropout(rate=real(0, 0.5, step=0.25, name="rate")),
        repeat(ops.relu, 0, 2, name="layer"),
    )
    assert space.distributions() == {
        "width": CategoricalDistribution((8, 16)),
        "kernel": IntDistribution(3, 7, step=2),
        "beta": FloatDistribution(0.5, 2.0, log=True),
        "rate": FloatDistribution(0.0, 0.5, step=0.25),
        "layers": IntDistribution(0, 2),
    }


def test_a_closed_option_is_labelled_by_its_text_and_an_open_one_by_its_op() -> None:
    assert labels(ops.conv(8), ops.conv(choose(8, 16)), ops.relu) == ("conv(8)", "conv", "relu")


def test_an_option_that_is_a_hole_is_labelled_by_its_name() -> None:
    assert labels(
        choose(ops.relu, ops.tanh, name="act"), choose(ops.norm, ops.mish), repeat(ops.gelu, 1, 2)
    ) == ("act", "choice", "repeat")


def test_scalar_options_are_labelled_by_themselves() -> None:
    hole = choose(None, True, 3, 0.5, "same", name="padding")
    assert ops.conv(8, padding=hole).distributions()["padding"].choices == (None, True, 3, 0.5, "same")


def test_labels_that_clash_are_told_apart_by_number() -> None:
    assert labels(ops.conv(choose(8, 16)), ops.relu, ops.conv(choose(4, 6))) == ("conv#1", "relu", "conv#2")
    # A text can look like a number that was given; no label may then stand for two options.
    space = ops.conv(choose("conv#1", "conv", ops.conv(choose(8, 16)), name="width"))
    (label_one, label_two, label_three) = space.distributions()["width"].choices
    assert len({label_one, label_two, label_three}) == 3
    assert str(space.close({"width": label_two})) == "conv('conv')"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: choose(), "no options"),
        (lambda: choose(1, 2, 1.0), "1.0 stands there twice"),
        (lambda: choose(ops.conv(8), ops.conv(8, kernel=3)), "twice"),
        (lambda: choose(float("inf"), 1), "finite"),
        (lambda: choose(1, 2, name=""), "a name is a word"),
        (lambda: choose(1, 2, name=3), "a name is a word"),
        (lambda: choose(1, 2, name="a\x1b[2J"), "a name is a word"),
        (lambda: choose(1, 2, name="\ud800"), "a name is a word"),
        (lambda: integer(3, 1), r"integer\(3, 1\)"),
        (lambda: integer(1, 2.5), "whole numbers"),
        (lambda: integer(True, 2), "whole numbers"),
        (lambda: integer(1, 2, step=0), "step"),
        (lambda: integer(0, 8, log=True), r"integer\(0, 8\)"),
        (lambda: integer(1, 10**400), "too large"),
        (lambda: real(2, 1), r"real\(2, 1\)"),
        (lambda: real("a", 1), "must be numbers"),
        (lambda: real(0, 1, step="a"), "must be numbers"),
        (lambda: real(0, float("nan")), "finite"),
        (lambda: real(0, 10**400), "finite"),
        (lambda: real(0, 1, log=True), r"real\(0, 1\)"),
        (lambda: real(1, 2, log="yes"), "True or False"),
        (lambda: repeat(ops.relu, -1, 2), "0 <= low <= high"),
        (lambda: repeat(ops.relu, 3, 2), "0 <= low <= high"),
        (lambda: repeat(ops.relu, 1.5), "whole numbers"),
        (lambda: shared(8), "only a hole"),
        (lambda: shared(choose(8, 16)), "give the hole a name"),
    ],
)
def test_a_hole_that_makes_no_sense_is_refused_where_it_is_written(make: Any, says: str) -> None:
    with pytest.raises(SpaceError, match=says):
        make()


def test_very_many_options_are_checked_in_no_time() -> None:
    hole = choose(*range(50_000))
    assert ops.conv(hole).distributions()["width"].choices[-1] == 49_999
