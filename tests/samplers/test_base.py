"""What holds of every sampler that proposes whole candidates, shown with one that proposes at random."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study
from optuna.trial import TrialState, create_trial

from optnas.errors import UserError
from optnas.samplers.base import CandidateSampler
from optnas.samplers.domain import Domain, FlatDomain
from optnas.samplers.evolution import EvolutionSampler
from optnas.samplers.history import History, HistoryReader

SPACE = {"op": CategoricalDistribution(["conv", "pool"]), "depth": IntDistribution(1, 4)}


class Stubborn(CandidateSampler):
    """Proposes the same again and again, and keeps the history it was shown."""

    def propose(self, study: Study, domain: Domain, history: History, rng: random.Random) -> dict[str, Any]:
        self.shown = history
        return {"op": "conv", "depth": 1}


def proposals(study: Study, count: int) -> list[dict[str, Any]]:
    found = []
    for _ in range(count):
        trial = study.ask(SPACE)
        study.tell(trial, 1.0)
        found.append(trial.params)
    return found


def test_no_candidate_comes_twice_while_others_are_left() -> None:
    study = optuna.create_study(sampler=Stubborn(FlatDomain(SPACE), seed=0))
    found = proposals(study, 8)
    assert len({tuple(params.values()) for params in found}) == 8
    assert proposals(study, 1) == [{"op": "conv", "depth": 1}]


def test_candidates_are_told_apart_by_their_key_and_not_by_their_parameters() -> None:
    class Depths(FlatDomain):
        def key(self, params: Any) -> Any:
            return params["depth"]

    study = optuna.create_study(sampler=Stubborn(Depths(SPACE), seed=0))
    assert sorted(params["depth"] for params in proposals(study, 4)) == [1, 2, 3, 4]


@pytest.mark.parametrize("seed", ["x", -1, 1.5, True, float("nan")])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(UserError, match=r"Stubborn\(seed=.*\): give a whole number of at least 0"):
        Stubborn(seed=seed)


def test_a_seed_of_numpy_is_one_of_python() -> None:
    found = [
        optuna.create_study(sampler=EvolutionSampler(FlatDomain(SPACE), seed=seed))
        for seed in (7, np.int64(7))
    ]
    assert proposals(found[0], 3) == proposals(found[1], 3)


def test_what_runs_or_failed_is_not_proposed_again_either() -> None:
    study = optuna.create_study(sampler=Stubborn(FlatDomain(SPACE), seed=0))
    study.tell(study.ask(SPACE), state=TrialState.FAIL)
    study.ask(SPACE)
    found = {tuple(trial.params.values()) for trial in (*study.trials, study.ask(SPACE))}
    assert len(found) == 3


def test_what_was_proposed_counts_before_it_is_written() -> None:
    study = optuna.create_study(sampler=Stubborn(FlatDomain(SPACE), seed=0))
    first, other = study.ask(), study.ask()
    assert first.relative_params == {"op": "conv", "depth": 1} != other.relative_params
    study.tell(first, state=TrialState.FAIL)  # it was never tried
    assert study.ask().relative_params == first.relative_params


def test_workers_that_ask_at_the_same_time_propose_different_candidates() -> None:
    storage = optuna.storages.InMemoryStorage()
    studies = [
        optuna.create_study(
            study_name="s", storage=storage, load_if_exists=True, sampler=Stubborn(FlatDomain(SPACE), seed=0)
        )
        for _ in range(3)
    ]
    found = [study.ask().relative_params for study in studies]  # nothing of them is written yet
    assert len({tuple(params.values()) for params in found}) == 3


def test_without_a_domain_it_is_what_the_trials_before_had() -> None:
    sampler = Stubborn(seed=0)
    study = optuna.create_study(sampler=sampler)
    study.add_trial(create_trial(params={"op": "pool", "depth": 2}, distributions=SPACE, value=1.0))
    trial = study.ask({**SPACE, "lr": FloatDistribution(0.0, 1.0)})
    assert {name: trial.params[name] for name in SPACE} == {"op": "conv", "depth": 1}
    assert 0 <= trial.params["lr"] <= 1


def test_the_history_has_values_to_be_minimised_violations_rungs_and_what_runs() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.tell(study.ask(SPACE), (0.9, 10.0))
    broken = study.ask(SPACE)
    broken.set_constraint("params", 3.0)
    broken.set_constraint("depth", -1.0)
    study.tell(broken, state=TrialState.PRUNED)
    stopped = study.ask(SPACE)
    stopped.set_user_attr("rung:3", [0.5, 20.0])
    study.tell(stopped, state=TrialState.PRUNED)
    running = study.ask(SPACE)
    history = HistoryReader().read(study, FlatDomain(SPACE), number=99)
    assert history.values.tolist() == [[-0.9, 10.0]]
    assert [observation.violation for observation in history.finished] == [0, 3, 0]
    assert np.isnan(history.finished[1].values).all()
    assert history.finished[2].rungs[3].tolist() == [-0.5, 20.0]
    assert list(history.running) == [running.params]
    assert len(history.seen) == len({tuple(trial.params.items()) for trial in study.trials})
