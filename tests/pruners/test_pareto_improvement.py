"""Trials are stopped that are not going to improve the front, and no others."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from optnas import pruners, report, should_prune
from optnas.pruners.pareto_improvement import ParetoImprovementPruner
from optnas.samplers.domain import FlatDomain
from optnas.trials.region import Region

RNG = np.random.default_rng(0)


def begun(pruner: ParetoImprovementPruner) -> optuna.Study:
    return optuna.create_study(
        directions=["maximize", "minimize"], pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=0)
    )


def complete(study: optuna.Study, rung: float, end: float, cost: float) -> None:
    trial = study.ask()
    report(trial, 1, [rung, cost])
    study.tell(trial, [end, cost])


def stopped(study: optuna.Study, rung: float, cost: float, step: int = 1) -> bool:
    trial = study.ask()
    report(trial, step, [rung, cost])
    pruned = should_prune(trial)
    study.tell(trial, state=TrialState.PRUNED)
    return pruned


def told(
    pruner: ParetoImprovementPruner, noise: float, shift: float = 0.0, unit: float = 1.0
) -> optuna.Study:
    """Return a study of twenty trials whose ends follow from the rung but for ``noise``."""
    study = begun(pruner)
    rng = np.random.default_rng(1)
    for rung in np.linspace(0.2, 0.6, 20):
        end = 0.3 + rung + noise * rng.standard_normal()
        complete(study, shift + unit * rung, shift + unit * end, 1_000.0)
    return study


def test_what_a_rung_tells_to_be_behind_is_stopped() -> None:
    study = told(ParetoImprovementPruner(), noise=0.01)
    assert stopped(study, 0.3, 1_000.0)
    assert stopped(study, 0.3, 5_000.0)
    assert not stopped(study, 0.62, 1_000.0)
    assert not stopped(study, 0.3, 500.0)  # nothing else costs as little


def test_a_rung_that_tells_little_stops_little() -> None:
    sure, unsure = (told(ParetoImprovementPruner(), noise) for noise in (0.01, 1.0))
    behind = np.linspace(0.25, 0.55, 12)
    counts = [sum(stopped(study, rung, 1_000.0) for rung in behind) for study in (sure, unsure)]
    assert counts[0] >= 10
    assert counts[1] <= 3


@pytest.mark.parametrize(("shift", "unit"), [(5.0, 1.0), (0.0, 100.0), (-3.0, 0.01)])
def test_units_and_zeros_make_no_difference(shift: float, unit: float) -> None:
    rungs = RNG.uniform(0.1, 0.7, 30)
    usual, other = told(ParetoImprovementPruner(), 0.05), told(ParetoImprovementPruner(), 0.05, shift, unit)
    decided = [stopped(usual, rung, 1_000.0) for rung in rungs]
    assert decided == [stopped(other, shift + unit * rung, 1_000.0) for rung in rungs]
    assert 0 < sum(decided) < 30


def test_what_will_be_of_no_use_is_stopped_however_cheap_it_is() -> None:
    class About(FlatDomain):
        region = Region(chance=(0.1, None))

    study = told(ParetoImprovementPruner(About({})), noise=0.01)
    assert stopped(study, 0.05, 10.0)
    assert not stopped(study, 0.5, 10.0)
    assert not stopped(told(ParetoImprovementPruner(), noise=0.01), 0.05, 10.0)


def test_nothing_is_stopped_before_enough_is_known_nor_at_the_end() -> None:
    study = begun(ParetoImprovementPruner(warmup=5, max_resource=9))
    for number in range(4):
        complete(study, 0.5, 0.9 + 0.01 * number, 10.0)
        assert not stopped(study, 0.1, 10_000.0)
    complete(study, 0.1, 0.2, 10.0)
    assert stopped(study, 0.1, 10_000.0)
    assert not stopped(study, 0.1, 10_000.0, step=9)
    assert stopped(study, float("nan"), 10_000.0)


@pytest.mark.parametrize("options", [{"threshold": 0.0}, {"threshold": 1.0}, {"warmup": 1}])
def test_arguments_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be|is a share"):
        ParetoImprovementPruner(**options)  # type: ignore[arg-type]
    assert isinstance(pruners.make_pruner("pareto-improvement"), ParetoImprovementPruner)
