"""A study's file that says something else than its record, and an Optuna study that was made otherwise."""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from optnas import Study, Training, UserError, choose, data, integer, maximize, minimize, ops, real, tasks
from optnas.space import Node, Op, register
from optnas.storages.opening import open_storage
from optnas.trials.progress import ProgressReader
from optnas.trials.record import SPACE, TRAINING

ROW = register(Op("holding", Signature([Parameter("width", Parameter.KEYWORD_ONLY)])))


def study(width: Any, body: Any = None, **changes: Any) -> Study:
    inner = ops.seq(ops.conv(width), ops.relu()) if body is None else body
    settings: dict[str, Any] = {
        "name": "recorded",
        "space": ops.seq(choose(inner, ops.identity(), name="body"), ops.norm()),
        "evaluate": lambda candidate, report: {"score": float(len(candidate.params)), "size": 1.0},
        "objectives": [maximize("score"), minimize("size")],
        "sampler": "random",
    }
    return Study(**{**settings, **changes})


def holding(hole: Any) -> Node:
    """A space of one decision, between values of any type."""
    return ROW(width=hole)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (choose(1, 2, name="width"), choose("1", "2", name="width")),
        (choose(1, 2, name="width"), choose(1.0, 2.0, name="width")),
        (choose(1, 2, name="width"), choose(2, 1, name="width")),
        (choose(1, 2, name="width"), choose(1, 2, 3, name="width")),
        (choose(0, 1, name="width"), choose(False, True, name="width")),
        (choose("None", 1, name="width"), choose(None, 1, name="width")),
        (choose("a | b", "c", name="width"), choose("a", "b | c", name="width")),
        (integer(1, 2, name="width"), choose(1, 2, name="width")),
        (integer(1, 8, name="width"), integer(1, 8, log=True, name="width")),
        (integer(1, 9, name="width"), integer(1, 9, step=2, name="width")),
        (integer(1, 8, name="width"), real(1, 8, name="width")),
        (real(1, 8, name="width"), real(1, 8, step=1, name="width")),
        (real(1, 8, name="width"), real(1, 8.5, name="width")),
    ],
)
def test_a_parameter_that_changed_is_refused_and_named(before: Any, now: Any) -> None:
    place = optuna.storages.InMemoryStorage()
    first, second = (study(None, space=holding(width)) for width in (before, now))
    first.open(place)
    first.open(place)
    with pytest.raises(UserError, match=r"changed: 'width' was .+ and is now"):
        second.open(place)


def test_what_an_earlier_version_wrote_is_told_apart_by_its_trials() -> None:
    place = optuna.storages.InMemoryStorage()
    numbers, texts = (
        study(None, space=holding(choose(*options, name="width"))) for options in ((1, 2), ("1", "2"))
    )
    opened = numbers.open(place)
    SPACE.put(opened, {"width": "1 | 2"})
    TRAINING.put(opened, None)  # type: ignore[arg-type] - as if it had none
    opened.optimize(numbers.objective, n_trials=1)
    assert len(numbers.open(place).trials) == 1
    with pytest.raises(UserError, match=r"'width' was 1 \| 2 and is now '1' \| '2'"):
        texts.open(place)


WIDTH = integer(1, 4, name="width")


@pytest.mark.parametrize(
    "now",
    [
        study(WIDTH, ops.seq(ops.conv(WIDTH), ops.mish())),
        study(WIDTH, ops.seq(ops.conv(2), ops.conv(WIDTH))),
        study(
            WIDTH, space=ops.seq(choose(ops.seq(ops.conv(WIDTH), ops.relu()), ops.identity(), name="body"))
        ),
    ],
)
def test_parameters_that_stand_for_another_architecture_are_refused_with_both(now: Study) -> None:
    place = optuna.storages.InMemoryStorage()
    before = study(WIDTH)
    opened = before.open(place)
    opened.enqueue_trial({"body": "seq", "width": 3})
    opened.optimize(before.objective, n_trials=1)
    before.open(place)
    with pytest.raises(UserError) as error:
        now.open(place)
    assert "trial 0 was seq(seq(conv(3), relu), norm) and would now be seq(" in str(error.value)


def test_a_training_that_changed_is_refused() -> None:
    place = optuna.storages.InMemoryStorage()
    study(WIDTH, training=Training(epochs=2)).open(place)
    study(WIDTH, training=Training(epochs=2, device="cpu")).open(place)
    with pytest.raises(
        UserError, match="the training of study 'recorded' changed: 'epochs' was 2 and is now 3"
    ):
        study(WIDTH, training=Training(epochs=3)).open(place)


TRAINED = Study(
    "trained",
    ops.seq(ops.conv(integer(1, 8, name="width")), ops.head()),
    task=tasks.classification(data.digits()),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=1),
)


@pytest.mark.parametrize(
    "directions",
    [["minimize"], ["minimize", "minimize"], ["minimize", "maximize"], ["maximize", "minimize", "minimize"]],
)
def test_an_optuna_study_with_other_directions_is_refused_before_training(directions: list[str]) -> None:
    plain = optuna.create_study(directions=directions)
    with pytest.raises(UserError) as error:
        plain.optimize(TRAINED.objective, n_trials=1)
    assert str(directions) in str(error.value)
    assert "maximize('accuracy'), minimize('flops')" in str(error.value)
    assert "optuna.create_study(directions=study.directions)" in str(error.value)
    assert (plain.trials[0].params, plain.trials[0].user_attrs) == ({}, {})


def test_a_study_with_one_objective_is_refused_the_other_direction() -> None:
    one = study(WIDTH, objectives=[maximize("score")])
    with pytest.raises(UserError, match=r"directions are \['minimize'\]"):
        optuna.create_study().optimize(one.objective, n_trials=1)
    optuna.create_study(direction="maximize").optimize(one.objective, n_trials=1)


def test_metric_names_of_an_optuna_study_may_be_others_but_not_in_another_order() -> None:
    two = study(WIDTH, objectives=[minimize("score"), minimize("size")])
    plain = optuna.create_study(directions=two.directions)
    plain.set_metric_names(["mine", "theirs"])
    plain.optimize(two.objective, n_trials=1)
    plain.set_metric_names(["size", "score"])
    with pytest.raises(UserError, match=r"metric names are \['size', 'score'\]"):
        plain.optimize(two.objective, n_trials=1)


FOREIGN = [
    ({"width": 500}, {"width": IntDistribution(0, 1000)}),
    ({"width": 99}, {"width": IntDistribution(0, 99)}),
    ({"depth": 1}, {"depth": IntDistribution(0, 3)}),
    ({}, {}),
]


@pytest.mark.parametrize(("params", "distributions"), FOREIGN)
@pytest.mark.parametrize(
    "sampler", ["random", "tpe", "ehvi", "evolution", "local", "reinforce", "cmaes", "nsga2"]
)
def test_trials_added_from_another_space_stop_no_sampler(
    sampler: str, params: dict[str, Any], distributions: dict[str, Any]
) -> None:
    mine = study(
        None,
        space=ops.seq(ops.conv(integer(8, 64, step=8, name="width")), ops.swish(real(0.5, 2.0, name="beta"))),
        objectives=[maximize("score"), minimize("diversity")],
        sampler=sampler,
        shape=(3, 8, 8),
    )
    opened = mine.open(optuna.storages.InMemoryStorage())
    for score in (0.5, 1.5):
        opened.add_trial(create_trial(params=params, distributions=distributions, values=[score, 0.1]))
        opened.optimize(mine.objective, n_trials=3)
    assert all(trial.state == TrialState.COMPLETE for trial in opened.trials)
    assert (
        ProgressReader(mine.open(optuna.storages.InMemoryStorage()), 9, since=0, finished_before=0)
        .read()
        .front
        == []
    )
    assert ProgressReader(opened, 9, since=0, finished_before=0).read().front


@pytest.mark.parametrize(
    ("value", "distribution"),
    [("x", CategoricalDistribution(["x", "y"])), (8.5, FloatDistribution(0, 10))],
)
def test_an_added_trial_that_optuna_cannot_bear_is_named(
    tmp_path: Any, value: Any, distribution: Any
) -> None:
    mine = study(None, space=holding(integer(1, 8, name="width")))
    opened = mine.open(open_storage(f"sqlite:///{tmp_path}/a.db"))
    opened.add_trial(
        create_trial(params={"width": value}, distributions={"width": distribution}, values=[1.0, 1.0])
    )
    with pytest.raises(UserError, match=r"trial 0 was added with width from .*, and the space has 1 to 8"):
        opened.optimize(mine.objective, n_trials=1)
