"""Searches that begin with the best of screened candidates, whichever sampler and however many workers."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from optnas import Study, Training, UserError, ZeroCost, choose, data, maximize, minimize, ops, tasks
from optnas.reports.running import done_first
from optnas.samplers import SAMPLERS, claimed, screening
from optnas.samplers.screening import screened
from optnas.tables import Table
from optnas.trials.record import SCREENED, SCREENING, WARM_START

ROOT = Path(__file__).resolve().parents[2]
BOTH = [maximize("accuracy"), minimize("flops")]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr(claimed, "_POLL_SECONDS", 0.05)


def study(sampler="random", *, objectives=None, candidates=64, proposals=4, **kwargs) -> Study:
    """Return a study of small networks that train in a few milliseconds."""
    x = torch.randn(96, 6, generator=torch.Generator().manual_seed(0))
    width = choose(2, 3, 4, 6, 8, 12, 16, name="width")
    act = choose(ops.relu(), ops.tanh(), ops.identity(), name="act")
    layer = ops.seq(ops.linear(width), act)
    return Study(
        name="warm",
        space=ops.seq(layer, ops.linear(choose(4, 8, name="last")), ops.relu(), ops.head()),
        task=tasks.classification(data.tensors(x, (x.sum(1) > 0).long())),
        objectives=objectives or BOTH,
        training=Training(epochs=1, batch_size=32, lr=choose(1e-2, 1e-1)),
        sampler=sampler,
        pruner="none",
        warm_start="zero-cost",
        zero_cost=ZeroCost(scores=("naswot", "synflow"), candidates=candidates, proposals=proposals),
        **kwargs,
    )


def run(declared: Study, trials: int, storage=None) -> optuna.Study:
    opened = declared.open(storage or optuna.storages.InMemoryStorage())
    opened.optimize(declared.objective, n_trials=trials)
    return opened


def warm(found: optuna.Study) -> list[dict]:
    """Return the parameters of the trials that tried a screened candidate."""
    proposed = [(trial.params, WARM_START.of(trial)) for trial in found.trials]
    assert all(params == given for params, given in proposed if given is not None)
    return [params for params, given in proposed if given is not None]


def keys(declared: Study, some: list[dict]) -> set:
    return {declared.domain.key(params) for params in some}


@pytest.mark.parametrize(
    "name", [name for name in SAMPLERS if "-" not in name and name not in ("gdas", "darts")]
)
def test_any_sampler_begins_with_the_screened_candidates(name):
    objectives = BOTH if name != "gp" else BOTH[:1]
    declared = study(name, objectives=objectives, candidates=40)
    found = run(declared, 6)
    assert all(trial.state == TrialState.COMPLETE for trial in found.trials)
    assert [WARM_START.of(trial) is not None for trial in found.trials] == [True] * 4 + [False] * 2
    assert len(keys(declared, warm(found))) == 4


def test_a_sampler_of_optuna_s_begins_with_them_as_well_and_learns_of_them():
    sampler = TPESampler(seed=0, n_startup_trials=4)
    found = run(study(sampler), 6)
    assert len(warm(found)) == 4
    assert warm(found) == warm(run(study("random"), 6))


def test_they_are_those_that_no_other_beats_in_cost_and_score():
    declared = study(proposals=5)
    found = run(declared, 5)
    of = screened(found, declared.domain, declared.domain.screening)
    assert of.scores.shape == (42, 2)  # all architectures of the space
    assert of.scores.std(axis=0).min() > 0
    flops = np.array([declared.domain.known(params)[1] for params in of.candidates])
    beaten = [
        ((flops <= cost) & (of.aggregate >= score) & ((flops < cost) | (of.aggregate > score))).any()
        for cost, score in zip(flops, of.aggregate, strict=True)
    ]
    front = [of.candidates[i] for i in np.flatnonzero(np.logical_not(beaten))]
    assert len(front) > 5
    assert keys(declared, warm(found)) < keys(declared, front)
    tried = sorted(trial.values[1] for trial in found.trials)
    unbeaten = sorted(flops[i] for i in np.flatnonzero(np.logical_not(beaten)))
    assert (tried[0], tried[-1]) == (unbeaten[0], unbeaten[-1])


def test_at_most_one_in_eight_of_the_scored_candidates_is_proposed():
    assert len(warm(run(study(candidates=16, proposals=10), 4))) == 2


def test_with_one_unknown_objective_the_best_are_proposed():
    declared = study(objectives=[maximize("accuracy")])
    found = run(declared, 5)
    of = screened(found, declared.domain, declared.domain.screening)
    best = np.argsort(-of.aggregate, kind="stable")[:4]
    assert warm(found) == [of.candidates[i] for i in best]


def test_constraints_are_kept_texts_and_functions():
    declared = study(constraints=["params <= 150", lambda candidate: candidate.costs["flops"] >= 60])
    found = run(declared, 3)
    assert len(warm(found)) == 3
    assert {trial.state for trial in found.trials} == {TrialState.COMPLETE}
    of = screened(found, declared.domain, declared.domain.screening)
    for params in of.candidates:
        costs = declared.costs(declared.candidate(params))
        assert costs["params"] <= 150
        assert costs["flops"] >= 60
    assert 24 <= len(of.candidates) < 42


def test_enqueued_trials_take_none_of_them():
    declared = study()
    opened = declared.open(optuna.storages.InMemoryStorage())
    opened.enqueue_trial({"width": 2, "last": 4, "act": "identity", "lr": 1e-2})
    opened.optimize(declared.objective, n_trials=6)
    assert WARM_START.of(opened.trials[0]) is None
    assert len(warm(opened)) == 4


def test_three_workers_on_one_database_try_each_candidate_once(tmp_path, capsys):
    storage = f"sqlite:///{tmp_path / 'warm.db'}"
    declared = study()
    declared.open(storage)
    workers = [threading.Thread(target=lambda: run(study(), 3, storage)) for _ in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    found = optuna.load_study(study_name="warm", storage=storage)
    assert [trial.state.name for trial in found.trials] == ["COMPLETE"] * 9
    assert capsys.readouterr().err.count("were scored in") == 1  # one of them screens
    assert len(warm(found)) == 4
    assert len(keys(declared, warm(found))) == 4


def test_two_workers_that_decide_at_the_same_time_take_different_ones(monkeypatch):
    storage = optuna.storages.InMemoryStorage()
    one, other = study(), study()
    trials = [one.open(storage).ask(), other.open(storage).ask()]
    put, decided = type(WARM_START).put_in, []

    def meanwhile(self, *args):
        if not decided:  # the other one reads the trials before this one is written
            decided.append(None)
            decided[0] = other.suggest(trials[1]).params
        put(self, *args)

    monkeypatch.setattr(type(WARM_START), "put_in", meanwhile)
    decided.append(one.suggest(trials[0]).params)
    assert len(keys(one, decided)) == 2
    monkeypatch.undo()
    assert len(warm(run(study(), 2, storage))) == 4


_SLOW = """
import sys, time, torch
from optnas.samplers import screening
from optnas.storages.opening import open_storage
from tests.samplers.test_warm_start import study
torch.set_num_threads(1)
screening._WRITTEN_SECONDS = 0.0
declared = study()
scored = declared.domain.screening.scores_of
class Slow(type(scored)):
    def __call__(self, params):
        time.sleep(0.05)
        return super().__call__(params)
object.__setattr__(declared.domain.screening, "scores_of", Slow(declared))
opened = declared.open(open_storage(sys.argv[1]))
opened.optimize(declared.objective, n_trials=1)
"""


def test_a_screening_that_was_stopped_is_gone_on_with(monkeypatch):
    monkeypatch.setattr(screening, "_WRITTEN_SECONDS", 0.0)
    declared, storage, built = study(), optuna.storages.InMemoryStorage(), []
    scored = type(declared.domain.screening.scores_of)
    score = scored._score

    def stopped(self, node):
        built.append(node.key)
        if len(built) == 6:
            raise KeyboardInterrupt
        return score(self, node)

    monkeypatch.setattr(scored, "_score", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(declared, 1, storage)
    found = run(study(), 2, storage)
    assert len(SCREENED.of(found)["numbers"]) == 42
    assert len(built) == 43  # the one that was under way again
    assert len(warm(found)) == 2


@pytest.mark.slow
def test_a_screening_that_was_killed_is_gone_on_with(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(claimed, "_GONE_SECONDS", 1e9)  # it is seen that its process has ended
    storage = f"sqlite:///{tmp_path / 'warm.db'}"
    declared = study()
    opened = declared.open(storage)
    killed = subprocess.Popen(
        [sys.executable, "-c", _SLOW, storage], cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    until = time.monotonic() + 300  # for a machine that is busy
    while (SCREENING.of(opened) or {"scored": 0})["scored"] < 5:
        assert time.monotonic() < until
        assert killed.poll() is None
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    before = SCREENED.of(opened)
    assert not before["done"]
    count, built = len(before["numbers"]), []
    scores_of = type(declared.domain.screening.scores_of)
    score = scores_of._score
    monkeypatch.setattr(
        scores_of, "_score", lambda self, node: (built.append(node.key), score(self, node))[1]
    )
    opened.optimize(declared.objective, n_trials=5)
    record = SCREENED.of(opened)
    assert record["done"]
    assert record["numbers"][:count] == before["numbers"]
    assert len(built) == len(record["numbers"]) - count
    assert f"from the {count} of before on" in capsys.readouterr().err
    whole = SCREENED.of(run(study(), 1))
    assert (record["numbers"], record["scores"]) == (whole["numbers"], whole["scores"])
    assert keys(declared, warm(opened)) <= keys(declared, warm(run(study(), 4)))


def test_a_worker_that_comes_later_goes_on_with_the_next_candidate():
    storage = optuna.storages.InMemoryStorage()
    run(study(), 2, storage)
    found = run(study(), 3, storage)
    assert warm(found) == warm(run(study(), 5))


def test_slow_networks_are_not_all_scored():
    declared = study()
    fast = declared.zero_cost
    declared.zero_cost = ZeroCost(scores=fast.scores, candidates=64, seconds=0.02, proposals=4)
    found = run(declared, 2)
    assert 0 < SCREENING.of(found)["scored"] < 42
    assert len(warm(found)) >= 1


def test_networks_that_cannot_be_scored_are_tried_without(capsys, monkeypatch):
    declared = study()
    monkeypatch.setattr(type(declared.domain.screening.scores_of), "_score", lambda self, node: None)
    found = run(declared, 2)
    assert not warm(found)
    assert [trial.state.name for trial in found.trials] == ["COMPLETE"] * 2
    assert "no candidate could be scored" in capsys.readouterr().err


def test_displays_say_how_far_the_screening_is():
    found = run(study(), 1)
    assert next(done_first(found)).startswith("screening: 42 candidates, ")


def table() -> Table:
    rows = {
        (a, b): {"accuracy": 10.0 * a + b, "flops": 1e3 * (1 + a), "published": 1.0 * a + b}
        for a in range(8)
        for b in range(8)
    }
    return Table(rows, {"a": range(8), "b": range(8)}, known=("flops", "published"))


def table_study(**kwargs) -> Study:
    recorded = table()
    scored = ZeroCost(scores=["published"], candidates=64, proposals=4)
    return Study(
        name="table",
        space=recorded.space,
        evaluate=recorded,
        costs=recorded.costs,
        objectives=BOTH,
        **{"warm_start": "zero-cost", "zero_cost": scored, **kwargs},
    )


def test_published_scores_of_a_table_stand_in_for_computed_ones():
    found = run(table_study(), 4)
    assert {trial.params["b"] for trial in found.trials} == {7}
    assert {trial.params["a"] for trial in found.trials} == {0, 2, 5, 7}


def test_scores_that_costs_lack_are_named():
    declared = table_study(zero_cost=ZeroCost(scores=["publishd"]))
    with pytest.raises(UserError, match=r"publishd.*published"):
        run(declared, 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"warm_start": "zero_cost"}, "give 'zero-cost'"),
        ({"warm_start": None}, "zero_cost= is for warm_start"),
        ({"zero_cost": {"candidates": 3}}, "give ZeroCost"),
        ({"zero_cost": None}, "say zero_cost=ZeroCost"),
        ({"features": "zero-cost", "sampler": "tpe"}, "ehvi"),
    ],
)
def test_what_does_not_fit_together_is_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        table_study(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": 0},
        {"candidates": 501},
        {"proposals": 0},
        {"seconds": 0},
        {"scores": ()},
        {"scores": "snip"},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError, match="ZeroCost"):
        ZeroCost(**wrong)


def test_a_score_that_nobody_computes_is_refused():
    with pytest.raises(UserError, match="naswot"):
        Study(
            name="wrong",
            space=ops.seq(ops.head()),
            task=tasks.classification(data.digits()),
            objectives=BOTH,
            warm_start="zero-cost",
            zero_cost=ZeroCost(scores=["naswott"]),
        )


def test_it_is_done_by_the_time_that_was_spent_before():
    declared = study()
    opened = declared.open(optuna.storages.InMemoryStorage())
    opened.optimize(declared.objective, n_trials=1)
    record = SCREENED.of(opened)
    SCREENED.put(opened, {**record, "done": False, "seconds": 1e6})
    again = screened(opened, declared.domain, declared.domain.screening)
    assert again.seconds >= 1e6
    assert len(again.candidates) == 42
