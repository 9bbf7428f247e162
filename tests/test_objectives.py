from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from optnas import UserError, maximize, minimize
from optnas.objectives import Constraint, Expression, Objective


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("flops", 1e6),
        ("loss + 0.1 * log10(flops)", 1.1),
        ("-loss ** 2 / 2", -0.125),
        ("max(loss, 0.7, min(flops, 3))", 3.0),
        ("sqrt(abs(-4)) % 2", 0.0),
    ],
)
def test_an_expression_has_the_value_that_python_gives(text: str, value: float) -> None:
    assert Expression(text)({"loss": 0.5, "flops": 1e6}) == pytest.approx(value)


def test_an_expression_knows_what_it_needs() -> None:
    assert Expression("loss + 0.1 * log10(flops)").names == {"loss", "flops"}


@pytest.mark.parametrize(
    "text",
    [
        *("", "a b", "__import__('os')", "a.b", "a[0]", "f(a)", "log()", "log(a, base=2)", "True", "'a'"),
        *("a < 1", "lambda: 1", "[a]", "a if b else c", "(" * 300, "1" * 1001, "-" * 900 + "a", None, 3),
    ],
)
def test_what_is_not_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        maximize(text)


@pytest.mark.parametrize("text", ["1 / loss", "log(loss)", "9 ** 9 ** 9", "(-1) ** 0.5", "exp(1e9)"])
def test_a_value_that_does_not_exist_is_an_arithmetic_error(text: str) -> None:
    with pytest.raises(ArithmeticError):
        Expression(text)({"loss": 0.0})


@given(st.text(max_size=40))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with contextlib.suppress(UserError):
        Expression(text)


@pytest.mark.parametrize(
    ("limit", "params", "violation"),
    [
        ("params <= 100", 100, 0.0),
        ("params <= 100", 150, 0.5),
        ("params <= 100", 50, -0.5),
        ("params >= 100", 50, 0.5),
        ("params < 100", 100, math.ulp(1.0)),
        ("50 <= params <= 100", 40, 0.2),
        ("2 * params <= 100", 100, 1.0),
    ],
)
def test_a_violation_is_how_far_the_limit_is_passed_as_a_share_of_it(
    limit: str, params: float, violation: float
) -> None:
    assert Constraint.of(limit).violation({"params": params}) == pytest.approx(violation)


def test_a_function_may_say_whether_or_how_far() -> None:
    assert Constraint.of(lambda candidate: candidate > 3).violation(2) == 1.0
    assert Constraint.of(lambda candidate: candidate > 3).violation(4) == 0.0
    assert Constraint.of(lambda candidate: candidate - 3).violation(5) == 2.0


@pytest.mark.parametrize("kept", [np.bool_, torch.tensor])
def test_a_function_may_say_it_with_numpy_or_a_tensor(kept: Callable[[bool], Any]) -> None:
    assert Constraint.of(lambda candidate: kept(True)).violation(None) == 0.0
    assert Constraint.of(lambda candidate: kept(False)).violation(None) == 1.0


@pytest.mark.parametrize("answer", [None, math.nan, "yes"])
def test_a_function_that_answers_neither_is_told(answer: object) -> None:
    with pytest.raises(TypeError, match="return whether a candidate is kept"):
        Constraint.of(lambda candidate: answer).violation(None)


@pytest.mark.parametrize("limit", ["params", "params == 3", "params <=", 5, "f(params) < 2"])
def test_what_is_no_limit_is_refused(limit: object) -> None:
    with pytest.raises(UserError):
        Constraint.of(limit)


def test_objectives_are_read_as_written() -> None:
    assert repr(minimize("flops")) == "minimize('flops')"
    assert (maximize("accuracy").sign, minimize("flops").sign) == (-1, 1)


@pytest.mark.parametrize(("make", "word"), [(maximize, "above"), (minimize, "below")])
def test_a_formula_may_have_a_name(make: Callable[..., Objective], word: str) -> None:
    objective = make("loss + 0.1 * log10(flops)", **{word: 2.0}, name="score")
    assert objective.name == "score"
    assert objective.metric({"loss": 1.0, "flops": 100.0}) == pytest.approx(1.2)
    assert objective.bound is not None
    assert objective.bound.needs == {"loss", "flops"}
    assert eval(repr(objective), {"maximize": maximize, "minimize": minimize}) == objective
    for name in ("", "  ", "two\nlines", 3):
        with pytest.raises(UserError, match="give it a name"):
            make("loss", name=name)
