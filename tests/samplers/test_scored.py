"""Zero-cost scores as features of ``ehvi``'s model."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
import torch

from optnas import Study, Training, UserError, ZeroCost, choose, data, maximize, minimize, ops, tasks
from optnas.samplers import claimed
from optnas.samplers.ehvi import _FEWEST_SCORED, _MOST_SCORED, EHVISampler, _Scored
from optnas.samplers.scored import ScoredDomain
from optnas.samplers.screening import Screened
from optnas.tables import Table
from optnas.trials.record import SCORES

BOTH = [maximize("accuracy"), minimize("flops")]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr(claimed, "_POLL_SECONDS", 0.05)


def study(**kwargs) -> Study:
    """Return a study of small networks, whose scores are computed."""
    x = torch.randn(96, 6, generator=torch.Generator().manual_seed(0))
    layers = [
        ops.seq(
            ops.linear(choose(2, 4, 8, 16, name=f"width{i}")), choose(ops.relu(), ops.tanh(), name=f"act{i}")
        )
        for i in range(3)
    ]
    settings = {
        "sampler": "ehvi",
        "features": "zero-cost",
        "zero_cost": ZeroCost(scores=("naswot", "synflow"), candidates=16),
        **kwargs,
    }
    return Study(
        name="scored",
        space=ops.seq(*layers, ops.head()),
        task=tasks.classification(data.tensors(x, (x.sum(1) > 0).long())),
        objectives=BOTH,
        training=Training(epochs=1, batch_size=32),
        **settings,
    )


def run(declared: Study, trials: int, storage=None) -> optuna.Study:
    opened = declared.open(storage or optuna.storages.InMemoryStorage())
    opened.optimize(declared.objective, n_trials=trials)
    return opened


def counted(monkeypatch, declared: Study) -> Counter:
    """Return how often the networks of each architecture are scored from now on."""
    scored = type(declared.domain.screening.scores_of)
    score, built = scored._score, Counter()
    monkeypatch.setattr(scored, "_score", lambda self, node: (built.update([node.key]), score(self, node))[1])
    return built


def proposed(found: optuna.Study) -> list[dict]:
    return [trial.params for trial in found.trials]


def test_scores_change_what_is_proposed_and_are_computed_once_an_architecture(monkeypatch):
    monkeypatch.setattr(_Scored, "most", lambda self, history: 4)
    declared = study()
    built = counted(monkeypatch, declared)
    found = run(declared, 8)
    assert len(built) > 16
    assert set(built.values()) == {1}
    without = run(study(features=None, zero_cost=None), 8)
    # The same until there is a model.
    assert proposed(found)[:4] == proposed(without)[:4]
    assert proposed(found) != proposed(without)
    assert all(SCORES.of(trial).keys() == {"naswot", "synflow"} for trial in found.trials)
    assert not any(SCORES.of(trial) for trial in without.trials)


def test_another_worker_builds_no_network_of_trials_again(monkeypatch):
    monkeypatch.setattr(_Scored, "most", lambda self, history: 4)
    storage = optuna.storages.InMemoryStorage()
    trials = run(study(), 6, storage).trials
    later = study()
    built = counted(monkeypatch, later)
    run(later, 1, storage)
    assert built
    tried = {later.candidate(trial.params).architecture.key for trial in trials}
    assert not tried & built.keys()


def test_a_feature_is_a_rank_however_far_a_score_is_from_others():
    declared = study()
    domain, screening = declared.domain, declared.domain.screening
    scores = np.array([[-1e6, 1.0], [3.0, 1.0], [5.0, 2.0]])
    candidates = [domain.decided(lambda name, d, i=i: d.choices[i % len(d.choices)]) for i in range(3)]
    scored = ScoredDomain(domain, screening, Screened(candidates, scores, 1.0))
    own = len(domain.features(candidates[0]))
    ranks = [scored.features(params)[own:] for params in candidates]
    assert [row[0] for row in ranks] == [0.25, 0.5, 0.75]
    assert [row[1] for row in ranks] == [0.375, 0.375, 0.75]
    assert ranks[0][2] == pytest.approx((math.log(0.25) + math.log(0.375)) / 2)
    assert scored.features(candidates[0])[:own] == [*domain.features(candidates[0])]


def test_what_cannot_be_scored_is_in_the_middle(monkeypatch):
    declared = study()
    found = run(declared, 1)
    sampler = found.sampler
    assert isinstance(sampler, EHVISampler)
    monkeypatch.setattr(type(declared.domain.screening.scores_of), "_score", lambda self, node: None)
    scored = ScoredDomain(declared.domain, declared.domain.screening, Screened([], np.zeros((0, 2)), 1.0))
    params = found.trials[0].params | {"width0": 16, "width1": 16, "width2": 16}
    declared.domain.screening.scores_of._found.clear()
    assert scored.features(params)[-3:-1] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("seconds", "most"), [(None, _MOST_SCORED), (0.01, _FEWEST_SCORED), (20.0, 4), (1e6, _MOST_SCORED)]
)
def test_scoring_takes_a_tenth_of_a_trial_s_time(seconds, most):
    # Of ten candidates in five seconds.
    scored = _Scored(None, SimpleNamespace(seconds=5.0, candidates=[{}] * 10), True)
    complete = [SimpleNamespace(seconds=seconds)] * 3
    assert scored.most(SimpleNamespace(complete=complete)) == most


def test_looked_up_scores_that_tell_the_accuracy_lead_to_the_best_at_once():
    choices = range(5)
    rng = np.random.default_rng(0)
    rows = {
        key: {"accuracy": float(value), "flops": 1e3 * (1 + sum(key)), "published": float(value)}
        for key, value in zip(itertools.product(choices, repeat=4), rng.normal(80, 5, 625), strict=True)
    }

    def best_of(*known, **kwargs) -> float:
        table = Table(rows, dict.fromkeys("abcd", choices), known=known)
        declared = Study(
            name="table",
            space=table.space,
            evaluate=table,
            costs=table.costs,
            objectives=[maximize("accuracy")],
            sampler="ehvi",
            **kwargs,
        )
        return run(declared, 10).best_value

    top = max(row["accuracy"] for row in rows.values())
    assert (
        best_of("flops", "published", features="zero-cost", zero_cost=ZeroCost(scores=["published"])) == top
    )
    assert best_of("flops") < top


def test_features_are_for_ehvi_by_name_or_object():
    study(sampler=EHVISampler(seed=0))
    study(sampler="auto")
    with pytest.raises(UserError, match="ehvi"):
        study(sampler=optuna.samplers.RandomSampler())
