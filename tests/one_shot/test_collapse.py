"""DARTS collapses to skips on a space that is made for it, unless the guard stops it."""

from __future__ import annotations

import pytest
import torch

from optnas.one_shot.strategies import make_strategy
from optnas.train import fit
from tests.one_shot.problems import collapsing


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def searched(seed, *, guarded):
    """Return the share of skips that DARTS ends with, the accuracy after training that, and what was told."""
    problem = collapsing()
    strategy = make_strategy("darts", problem, epochs=60, seed=seed, guarded=guarded)
    strategy.train()
    derived = strategy.decisions.derived()
    torch.manual_seed(seed)
    network = problem.space.close(derived).build(problem.shape, **problem.context)
    found = fit(network, problem.task, problem.training, device=problem.device, seed=seed)
    return list(derived.values()).count("skip") / len(derived), found["accuracy"], strategy.told


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))])
def test_the_guard_stops_a_collapse_and_what_is_trained_is_better(seed):
    skips, collapsed, told = searched(seed, guarded=False)
    assert (skips, told) == (1.0, [])
    skips, accuracy, (told,) = searched(seed, guarded=True)
    assert skips < 0.5
    assert "the search collapsed to skips in epoch" in told
    assert accuracy > collapsed + 0.1
