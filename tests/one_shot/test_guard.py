"""The guard against a collapse to skips."""

from __future__ import annotations

import pytest
import torch

from optnas import choose, ops
from optnas.one_shot.decisions import Decisions
from optnas.one_shot.guard import Guard
from optnas.one_shot.supernet import supernet


@pytest.fixture(name="net")
def _net():
    """Return a supernet of three edges."""
    torch.set_num_threads(1)
    edges = [choose(ops.skip(), ops.relu_conv_bn(3), name=f"edge{index}") for index in range(3)]
    cell = ops.cell(ops.node(edges[0]), ops.node(*edges[1:]))
    return supernet(ops.seq(cell, ops.head()), (4, 8, 8), outputs=3)


def leaning(net, skips):
    """Return probabilities of which the first ``skips`` choices are skips."""
    decisions = Decisions(net.values)
    with torch.no_grad():
        for index, logits in enumerate(decisions.logits):
            logits[0] = torch.tensor([3.0, 0.0] if index < skips else [0.0, 3.0])
    return decisions


def test_all_skips_that_are_worse_than_before_are_stopped_and_what_was_before_comes_back(net):
    guard, decisions = Guard(net), leaning(net, 0)
    assert guard.look(decisions, 0, 1, lambda params: 1.0) is None
    collapsed = leaning(net, 3)
    decisions.load_state_dict(collapsed.state_dict())
    told = guard.look(decisions, 0, 2, lambda params: 2.0)
    assert "collapsed to skips in epoch 2 (100%" in told
    assert guard.stopped == {0}
    assert guard.share(decisions.derived()) == 0


def test_skips_that_are_as_good_are_left_alone(net):
    guard, decisions = Guard(net), leaning(net, 0)
    guard.look(decisions, 0, 1, lambda params: 1.0)
    assert guard.look(leaning(net, 3), 0, 2, lambda params: 1.05) is None
    assert not guard.stopped


def test_a_collapse_before_the_first_look_is_seen_by_what_fewer_skips_reach(net):
    guard, collapsed = Guard(net), leaning(net, 3)
    told = guard.look(collapsed, 0, 1, lambda params: 1.0 + list(params.values()).count("skip"))
    assert "100% of the choices that offer one; loss 4, 1 with fewer" in told
    assert guard.share(collapsed.derived()) == 0


def test_half_of_the_choices_may_be_skips(net):
    guard, decisions = Guard(net), leaning(net, 0)
    guard.look(decisions, 0, 1, lambda params: 1.0)
    assert guard.look(leaning(net, 1), 0, 2, lambda params: 5.0) is None


def test_its_state_goes_on(net):
    guard = Guard(net)
    guard.look(leaning(net, 0), 0, 1, lambda params: 1.0)
    again = Guard(net)
    again.restore(guard.state())
    assert again.look(leaning(net, 3), 0, 2, lambda params: 2.0) is not None
