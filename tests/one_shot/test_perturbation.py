"""Of each mixture the option is kept without which the loss is largest, one after the other."""

from __future__ import annotations

import pytest
import torch

from optnas.one_shot.decisions import Decisions
from optnas.one_shot.perturbation import by_perturbation

VALUES = {"first": ["a", "b", "c"], "second": ["a", "b"]}


def test_the_option_that_is_missed_most_is_chosen_not_the_most_probable_one():
    decisions = Decisions(VALUES, weightings=2)
    with torch.no_grad():
        decisions.of("first", 1).copy_(torch.tensor([5.0, 0.0, 0.0]))
    before = [each.detach().clone() for each in decisions.logits]

    def loss():
        return -float(decisions.probabilities("first", 1)[1])

    assert by_perturbation(decisions, ["first"], 1, loss) == {"first": "b"}
    assert all(torch.equal(each, kept) for each, kept in zip(decisions.logits, before, strict=True))


def test_what_is_decided_stays_so_while_the_next_is():
    decisions = Decisions(VALUES)

    def loss():
        # Options of the same name are wanted in both, "c" not at all.
        first, second = decisions.probabilities("first"), decisions.probabilities("second")
        return float(2 * first[2] - 0.1 * first[1] - (first[:2] * second).sum())

    assert by_perturbation(decisions, ["first", "second"], 0, loss) == {"first": "b", "second": "b"}


def test_an_error_leaves_the_probabilities_as_they_were():
    decisions = Decisions(VALUES)
    before = decisions.probabilities("first").detach().clone()
    with pytest.raises(ZeroDivisionError):
        by_perturbation(decisions, ["first"], 0, lambda: 1 / 0)
    assert torch.equal(decisions.probabilities("first"), before)
