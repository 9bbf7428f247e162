"""What the front prefers, counted against all trials and against chance."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import create_trial

from optnas import UserError
from optnas.reports.figures import preferences_figure
from optnas.reports.preferences import preferences

OPS = CategoricalDistribution(("conv", "sepconv", "identity"))


def study_of(*chosen: tuple[str, str, float]) -> optuna.Study:
    """A study of two layers: their ops, and the accuracy."""
    study = optuna.create_study(study_name="chosen", directions=["maximize", "minimize"])
    for i, (first, second, accuracy) in enumerate(chosen):
        params = {"layer0.op": first, "layer1.op": second, "lr": 0.1, "layers": 2}
        known = {
            "layer0.op": OPS,
            "layer1.op": OPS,
            "lr": FloatDistribution(0.01, 1.0, log=True),
            "layers": IntDistribution(1, 4),
        }
        values = [accuracy, 10.0 + i]
        study.add_trial(create_trial(params=params, distributions=known, values=values))
    return study


def test_copies_of_a_layer_are_counted_together_and_learning_rates_not_at_all() -> None:
    study = study_of(("conv", "conv", 0.9), ("sepconv", "conv", 0.95), ("identity", "identity", 0.1))
    found = {(each.name, each.value): each for each in preferences(study, study.trials)}
    assert {name for name, _ in found} == {"layer*.op", "layers"}
    conv = found["layer*.op", "conv"]
    assert conv.on_front == pytest.approx(3 / 4)  # trials 0 and 1 are the front
    assert conv.in_all == pytest.approx(3 / 6)
    assert conv.chance == pytest.approx(1 / 3)
    assert conv.trials == 2
    assert conv.low < 3 / 4 < conv.high
    assert found["layer*.op", "identity"].on_front == 0


def test_what_is_most_unlike_chance_comes_first() -> None:
    chosen = [("conv", ("conv", "sepconv", "identity")[i % 3], 0.5 + i / 100) for i in range(30)]
    study = study_of(*chosen)
    first = preferences(study, study.trials)[0]
    assert (first.name, first.value) in {("layers", 2), ("layer*.op", "conv")}
    drawn = preferences_figure(study)
    assert [trace.name for trace in drawn.data] == ["by chance", "all trials", "front, 95 % interval"]
    assert drawn.data[2].y[-1] == f"{first.name} = {first.value}"


def test_a_study_without_choices_has_no_such_figure() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trial(create_trial(values=[1.0, 2.0]))
    with pytest.raises(UserError, match="no front with choices"):
        preferences_figure(study)
