"""What a study declares, and what Optuna makes of it."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.pruners import MedianPruner, NopPruner

from optnas import Study, Training, UserError, choose, data, integer, maximize, minimize, ops, real, tasks
from optnas.pruners import ParetoHalvingPruner
from optnas.samplers.ehvi import EHVISampler
from optnas.samplers.imputing import ImputingSampler

SPACE = ops.seq(ops.conv(integer(1, 8, name="width")), ops.relu())


def declared(**changes: Any) -> Study:
    settings: dict[str, Any] = {
        "name": "declared",
        "space": SPACE,
        "evaluate": lambda candidate, report: {"score": candidate.params["width"], "size": 1.0},
        "objectives": [maximize("score"), minimize("size")],
    }
    return Study(**{**settings, **changes})


def storage() -> optuna.storages.BaseStorage:
    return optuna.storages.InMemoryStorage()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": " "}, "give it a name"),
        ({"name": "\ud800"}, "it has characters that no storage can hold"),
        ({"name": "a\0"}, "it has characters that no storage can hold"),
        ({"space": "conv"}, "the space must be an op's node"),
        ({"evaluate": None}, "give either a task or evaluate="),
        ({"evaluate": 3}, "evaluate= takes a function"),
        ({"objectives": maximize("score")}, "objectives are a list"),
        ({"objectives": []}, "objectives are a list"),
        ({"objectives": [maximize("score"), minimize("score")]}, "two objectives are called 'score'"),
        ({"constraints": "score <= 1"}, "constraints are a list"),
        ({"costs": 1}, "costs= takes a function"),
        ({"shape": (0, 8)}, "study 'declared':"),
        ({"seed": -1}, "the seed -1"),
        ({"sampler": "tpee"}, "did you mean 'tpe'"),
        ({"sampler": 1}, "the sampler must be a name or an Optuna sampler"),
        ({"pruner": "medain"}, "did you mean 'median'"),
        ({"pruner": 1}, "the pruner must be a name, an Optuna pruner or None"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        declared(**change)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_the_default_sampler_and_pruner_follow_the_number_of_objectives() -> None:
    two = declared()
    assert isinstance(two.make_sampler(), EHVISampler)
    assert isinstance(two.make_pruner(), NopPruner)
    three = declared(objectives=[maximize("score"), minimize("size"), minimize("seconds")])
    assert isinstance(three.make_sampler(), ImputingSampler)
    assert isinstance(three.make_pruner(), ParetoHalvingPruner)


def test_what_is_optuna_s_own_is_taken_as_it_is() -> None:
    sampler, pruner = optuna.samplers.RandomSampler(seed=0), MedianPruner()
    study = declared(sampler=sampler, pruner=pruner)
    assert study.make_sampler() is sampler
    assert study.make_pruner() is pruner
    assert isinstance(declared(pruner=None).make_pruner(), NopPruner)


def test_parameters_of_the_architecture_come_before_those_of_the_training() -> None:
    study = declared(training=Training(lr=real(1e-3, 1e-1, log=True), optimizer=choose("adam", "sgd")))
    assert list(study.distributions()) == ["width", "optimizer", "lr"]
    params = {"width": 4, "optimizer": "sgd", "lr": 0.01}
    candidate = study.candidate(params, number=3)
    assert str(candidate.architecture) == "seq(conv(4), relu)"
    assert (candidate.training.lr, candidate.training.optimizer) == (0.01, "sgd")
    assert (candidate.params, candidate.seed) == (params, 3)


def test_a_study_is_opened_again_with_its_trials_names_and_directions() -> None:
    place = storage()
    declared(sampler="random").open(place).optimize(declared().objective, n_trials=3)
    again = declared().open(place)
    assert len(again.trials) == 3
    assert again.metric_names == ["score", "size"]
    assert [direction.name for direction in again.directions] == ["MAXIMIZE", "MINIMIZE"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"objectives": [minimize("score"), minimize("size")]}, "is there with other objectives"),
        (
            {"space": ops.seq(ops.conv(integer(1, 9, name="width")), ops.relu())},
            "'width' was 1 to 8 and is now",
        ),
        ({"space": ops.seq(ops.conv(integer(1, 8)), ops.relu())}, "'width' was 1 to 8 and is now no longer"),
    ],
)
def test_a_study_that_changed_under_its_name_is_refused(change: dict[str, Any], said: str) -> None:
    place = storage()
    declared().open(place)
    with pytest.raises(UserError) as error:
        declared(**change).open(place)
    assert said in str(error.value)


def test_costs_are_those_of_the_tree_where_the_shape_is_known() -> None:
    task = tasks.classification(data.digits())
    study = declared(
        space=ops.seq(ops.conv(integer(1, 8, name="width")), ops.head()),
        evaluate=None,
        task=task,
        objectives=[maximize("accuracy"), minimize("flops")],
    )
    candidate = study.candidate({"width": 2})
    assert study.costs(candidate)["flops"] == candidate.architecture.cost((1, 8, 8), outputs=10).flops
    assert declared().costs(declared().candidate({"width": 2})) == {}
    with pytest.raises(TypeError, match="costs= returns a dict"):
        declared(costs=lambda candidate: 3).costs(candidate)
