"""The expected cost of what learned probabilities draw, and its gradient."""

from __future__ import annotations

import random

import pytest
import torch

from optnas.one_shot import expected_cost
from optnas.one_shot.decisions import Decisions
from optnas.one_shot.expected_cost import ExpectedCost

VALUES = {"width": (1, 10, 100), "depth": (1, 10)}


def cost_of(params):
    return float(params["width"] * params["depth"])


def leaning():
    decisions = Decisions(VALUES, seed=1)
    with torch.no_grad():
        decisions.logits[0][0] = torch.tensor([0.0, 1.0, 2.0])
    return decisions


def test_it_is_the_mean_of_the_logarithms_between_the_cheapest_and_the_dearest():
    decisions = leaning()
    logs = torch.tensor([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]) / 3
    shares = decisions.probabilities("width")[:, None] * decisions.probabilities("depth")
    expected = ExpectedCost(cost_of, decisions, random.Random(0))(0)
    torch.testing.assert_close(expected, (shares * logs).sum())


def test_an_estimate_from_draws_has_the_same_mean_and_gradient(monkeypatch):
    decisions = leaning()
    exact_value = ExpectedCost(cost_of, decisions, random.Random(0))(0)
    exact_value.backward()
    exact = decisions.logits[0].grad.clone()
    monkeypatch.setattr(expected_cost, "_MOST_COUNTED", 1)
    estimate = ExpectedCost(cost_of, decisions, random.Random(0))
    decisions.zero_grad()
    values = [estimate(0) for _ in range(300)]
    torch.stack(values).mean().backward()
    assert float(torch.stack(values).mean().detach()) == pytest.approx(float(exact_value.detach()), abs=0.02)
    torch.testing.assert_close(decisions.logits[0].grad, exact, rtol=0.1, atol=0.01)


def test_what_cannot_be_built_costs_as_much_as_the_dearest():
    decisions = Decisions({"width": (1, 10, 100)})
    found = ExpectedCost(
        lambda params: None if params["width"] == 1 else cost_of({**params, "depth": 1}),
        decisions,
        random.Random(0),
    )
    with torch.no_grad():
        decisions.logits[0][0] = torch.tensor([50.0, 0.0, 0.0])
    assert float(found(0).detach()) == pytest.approx(1.0)
