"""What the trials say to samplers."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from optnas import report
from optnas.samplers.domain import FlatDomain
from optnas.samplers.evolution import EvolutionSampler
from optnas.samplers.history import History, HistoryReader, in_order
from optnas.samplers.reinforce import ReinforceSampler
from optnas.trials.region import Region

SPACE = {"op": CategoricalDistribution(["good", "bad"])}


def told(study: optuna.Study) -> History:
    return HistoryReader().read(study, FlatDomain(SPACE), -1)


def tell(
    study: optuna.Study,
    rungs: dict[int, float],
    value: float | None = None,
    *,
    op: str = "bad",
    violation: float = 0,
) -> None:
    study.enqueue_trial({"op": op})
    trial = study.ask(SPACE)
    for rung, loss in rungs.items():
        report(trial, rung, (loss, 1.0))
    if violation:
        trial.set_constraint("too large", violation)
    if value is None:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, (value, 1.0))


def test_complete_trials_come_first_and_pruned_ones_from_the_last_rung_down() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    tell(study, {1: 5.0})
    tell(study, {1: 4.0, 3: 3.0})
    tell(study, {})
    tell(study, {1: 9.0, 3: 9.0}, 2.5)
    tell(study, {1: 0.0}, violation=1.0)
    tell(study, {1: 1.0})
    tell(study, {1: 1.0, 3: 1.0}, 1.5)
    assert [observation.number for observation in in_order(told(study).finished, told(study))] == [
        6,
        3,
        1,
        5,
        0,
    ]


def test_what_was_not_a_number_at_its_rung_is_worst_and_leaves_the_others_in_their_order() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    for values in ((1.0, 5.0), (2.0, math.nan), (2.5, 6.0), (3.0, 3.0), (4.0, 2.0)):
        trial = study.ask(SPACE)
        report(trial, 1, values)
        study.tell(trial, state=TrialState.PRUNED)
    numbers = [observation.number for observation in in_order(told(study).finished, told(study))]
    assert set(numbers[:3]) == {0, 3, 4}
    assert set(numbers[3:]) == {1, 2}


@pytest.mark.parametrize("sampler", [EvolutionSampler(seed=0), ReinforceSampler(seed=0, learning_rate=0.5)])
def test_pruned_trials_tell_good_from_bad(sampler: optuna.samplers.BaseSampler) -> None:
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    for _ in range(20):
        for op, loss in (("good", 1.0), ("bad", 2.0)):
            tell(study, {1: loss}, op=op)
    proposed = []
    for _ in range(20):
        trial = study.ask()
        proposed.append(trial.suggest_categorical("op", ["good", "bad"]))
        study.tell(trial, state=TrialState.FAIL)
    assert proposed.count("good") >= 13


def test_what_is_of_no_use_to_the_study_comes_last() -> None:
    found = np.array([[-0.9, 5.0], [-0.1, 1.0], [-0.8, 3.0], [-0.2, 2.0], [-0.95, 9.0]])
    signs = np.array([-1.0, 1.0])
    history = History((), (), frozenset(), signs)
    assert set(history.best_first(found)) == set(range(5))
    about = History((), (), frozenset(), signs, Region(chance=(0.1, None)))
    # Of use is what has more than 0.95 - 0.2 · 0.85 = 0.78; of the rest the nearest to that comes first.
    assert set(about.best_first(found)[:3]) == {0, 2, 4}
    assert about.best_first(found)[3:] == [3, 1]
    assert about.best_first(found[:0]) == []


def test_the_front_is_of_what_is_of_use_if_there_is_any() -> None:
    def history(*values: tuple[float, float]) -> History:
        study = optuna.create_study(directions=["maximize", "minimize"])
        for i, pair in enumerate(values):
            distributions = {"x": IntDistribution(0, 99)}
            study.add_trial(create_trial(params={"x": i}, distributions=distributions, values=pair))
        read = HistoryReader().read(study, FlatDomain({"x": IntDistribution(0, 99)}), 99)
        return dataclasses.replace(read, region=Region(limits=(0.8, None)))

    assert history((0.9, 5.0), (0.1, 1.0), (0.85, 3.0), (0.7, 4.0)).front() == [0, 2]
    assert history((0.5, 5.0), (0.1, 1.0), (0.1, 3.0)).front() == [0, 1]
    assert history().front() == []
