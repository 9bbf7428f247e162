"""Learning curves and hypervolume of a study with several objectives, drawn."""

from __future__ import annotations

import datetime
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from optnas import UserError
from optnas.reports.figures import curves_figure, front_figure, hypervolume_figure
from optnas.trials.record import ARCHITECTURE, AXES, TRAINING
from optnas.trials.volume import hypervolume

BEGUN = datetime.datetime(2026, 1, 1)


def trial_of(
    seconds: float, values: list[float] | None, rungs: dict[int, list[float]], architecture: str = "conv"
) -> FrozenTrial:
    attributes: dict[str, Any] = {f"rung:{step}": at for step, at in rungs.items()}
    state = TrialState.PRUNED if values is None else TrialState.COMPLETE
    trial = create_trial(
        state=state, values=values, user_attrs={**attributes, ARCHITECTURE.name: architecture}
    )
    trial.datetime_start = BEGUN
    trial.datetime_complete = BEGUN + datetime.timedelta(seconds=seconds)
    return trial


@pytest.fixture
def study() -> optuna.Study:
    """Four trials: 0 and 2 are the front, 1 was pruned, 3 ended before trial 2."""
    made = optuna.create_study(study_name="seen", directions=["maximize", "minimize"])
    made.set_metric_names(["accuracy", "flops"])
    AXES.put(made, [[0.0, 1.0], [1e6, 1e2]])
    TRAINING.put(made, {"epochs": "9"})
    made.add_trials(
        [
            trial_of(60, [0.5, 1e3], {1: [0.2, 1e3], 3: [0.4, 1e3]}),
            trial_of(90, None, {1: [0.1, 1e5]}),
            trial_of(200, [0.9, 1e4], {1: [0.6, 1e4], 3: [0.8, 1e4]}),
            trial_of(180, [0.4, 1e4], {1: [0.3, 1e4]}),
        ]
    )
    return made


def test_learning_curves_end_with_the_trial_s_value_and_prunings_with_a_cross(study: optuna.Study) -> None:
    drawn = {trace.name: trace for trace in curves_figure(study).data}
    assert list(drawn["on the front"].x) == [1, 3, 9, None] * 2
    assert list(drawn["on the front"].y) == [0.2, 0.4, 0.5, None, 0.6, 0.8, 0.9, None]
    assert list(drawn["complete"].y) == [0.3, 0.4, None]
    pruned = drawn["pruned"]
    assert (list(pruned.x), list(pruned.y)) == ([1, None], [0.1, None])
    assert pruned.marker.symbol == "x"
    assert pruned.marker.size[0] > 0
    assert curves_figure(study).layout.yaxis.title.text == "accuracy"


def test_a_trial_that_learned_nothing_ends_with_a_cross_and_is_not_called_pruned(study: optuna.Study) -> None:
    stopped = trial_of(90, None, {1: [0.1, 1e5], 3: [0.11, 1e5]})
    stopped.set_user_attr("hopeless", True)
    study.add_trial(stopped)
    drawn = {trace.name: trace for trace in curves_figure(study).data}
    assert list(drawn["learned nothing"].y) == [0.1, 0.11, None]
    assert drawn["learned nothing"].marker.symbol == "x"
    assert list(drawn["pruned"].y) == [0.1, None]


def curves_of(study: optuna.Study, kind: str) -> list[tuple[Any, Any, str]]:
    (trace,) = [trace for trace in curves_figure(study).data if trace.name == kind]
    return list(zip(trace.x, trace.y, trace.text, strict=True))


@pytest.mark.parametrize("setting", ["choose(4, 9)", "choose(4, 9, name='passes')"])
def test_a_curve_ends_after_as_many_epochs_as_the_trial_chose(study: optuna.Study, setting: str) -> None:
    TRAINING.put(study, {"epochs": setting})
    name = "passes" if "passes" in setting else "epochs"
    trial = trial_of(210, [0.95, 1e5], {1: [0.6, 1e5]})
    trial.distributions = {name: optuna.distributions.CategoricalDistribution((4, 9))}
    trial.params = {name: 4}
    study.add_trial(trial)
    assert curves_of(study, "on the front")[-3:-1] == [
        (1, 0.6, "trial 4, on the front, after 1"),
        (4, 0.95, "trial 4, on the front, after 4"),
    ]


def test_a_curve_whose_length_is_unknown_ends_with_the_trial_s_value_said_to_be_its_end(
    study: optuna.Study,
) -> None:
    TRAINING.put(study, {})
    found = curves_of(study, "on the front")
    assert found[:4] == [
        (1, 0.2, "trial 0, on the front, after 1"),
        (3, 0.4, "trial 0, on the front, after 3"),
        (4, 0.5, "trial 0, on the front, at its end"),
        (None, None, ""),
    ]
    # One that reported its value at its end is whole.
    study.add_trial(trial_of(300, [0.99, 1e6], {1: [0.5, 1e6], 5: [0.99, 1e6]}))
    assert [x for x, *_ in curves_of(study, "on the front")[-3:]] == [1, 5, None]
    assert [x for x, *_ in curves_of(study, "pruned")] == [1, None]


def test_a_study_without_reports_has_no_learning_curves() -> None:
    made = optuna.create_study(directions=["maximize", "minimize"])
    made.add_trial(create_trial(values=[1.0, 2.0]))
    with pytest.raises(UserError, match="reported at two steps"):
        curves_figure(made)


def test_the_hypervolume_is_drawn_over_the_trials_in_the_order_they_ended(study: optuna.Study) -> None:
    trials = study.get_trials(deepcopy=False)
    by_trial, by_time = hypervolume_figure(study).data
    assert list(by_trial.x) == [0, 1, 4, 4]
    assert [round(each * 60) for each in by_time.x] == [0, 60, 200, 200]
    assert list(by_trial.y) == list(by_time.y)
    assert by_trial.y[1] == pytest.approx(hypervolume(study, trials[:1]), abs=1e-4)
    assert by_trial.y[-1] == pytest.approx(hypervolume(study, trials), abs=1e-4)
    assert sorted(by_trial.y) == list(by_trial.y)


def test_the_hover_of_every_trial_is_short_also_of_an_architecture_with_60_parameters() -> None:
    made = optuna.create_study(directions=["maximize", "minimize"])
    long = f"seq({', '.join(f'swish(beta={i / 7})' for i in range(60))}, <script>)"
    made.add_trials([trial_of(i, [0.5, 1e3 + i], {}, long) for i in range(300)])
    for trace in front_figure(made).data:
        for text in trace.text:
            lines = text.split("<br>")
            assert lines[0].startswith("trial ")
            assert len(lines) <= 7
            assert max(map(len, lines)) <= 70
            assert "swish" in text
            assert "<script>" not in text


def test_of_many_trials_the_front_and_a_thousand_others_are_drawn() -> None:
    made = optuna.create_study(directions=["maximize", "minimize"])
    made.add_trials([trial_of(i, [1.0 / (i + 1), 1e3 + i], {}) for i in range(2500)])
    every, best = front_figure(made).data
    assert len(every.x) <= 1000
    assert every.name == f"{len(every.x)} of all trials"
    assert list(best.y) == [1.0]
