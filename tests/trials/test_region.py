"""Which values a study is about, and what that does to a search."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from optnas import Study, Training, UserError, choose, data, maximize, minimize, ops, tasks
from optnas.trials.region import Region

SIGNS = np.array([-1.0, 1.0])


def study(*objectives: object, **options: object) -> Study:
    space = ops.seq(ops.conv(choose(4, 64, name="width")), ops.relu(), ops.head())
    settings = {
        "task": tasks.classification(data.digits()),
        "training": Training(epochs=1, lr=1e-2),
        "sampler": "random",
        **options,
    }
    return Study("region", space, objectives=objectives, **settings)  # type: ignore[arg-type]


def test_what_was_said_counts_and_else_a_fifth_of_the_way_to_chance() -> None:
    best = np.array([-0.95, 10.0])
    stated = Region(limits=(0.9, 1e6), chance=(0.1, None))
    assert stated.worst(best, SIGNS).tolist() == [-0.9, 1e6]
    usual = Region(limits=(None, None), chance=(0.1, None)).worst(best, SIGNS)
    assert usual[0] == pytest.approx(-0.95 + 0.2 * 0.85)
    assert np.isnan(usual[1])
    # Nothing has been learned yet.
    assert np.isnan(Region(chance=(0.1, None)).worst(np.array([-0.08, 1.0]), SIGNS)).all()
    assert not Region()
    assert Region(chance=(0.1, None))


def test_a_study_knows_chance_and_the_best_there_can_be() -> None:
    region = study(maximize("accuracy", above=0.9), minimize("flops", below=1e6)).domain.region
    assert region.limits == (0.9, 1e6)
    assert region.chance[0] == pytest.approx(0.1, abs=0.02)
    assert region.ideal == (1.0, None)
    arithmetic = study(minimize("error + 0.1 * loss"), minimize("flops")).domain.region
    assert arithmetic.ideal == (0.0, None)
    assert 0.9 < arithmetic.chance[0] < 1.2  # type: ignore[operator]


def test_what_is_known_to_be_outside_is_not_trained_and_not_proposed() -> None:
    searching = study(maximize("accuracy"), minimize("flops", below=20_000), sampler="ehvi")
    opened = searching.open(optuna.storages.InMemoryStorage())
    opened.enqueue_trial({"width": 64})
    opened.optimize(searching.objective, n_trials=3, catch=())
    first, *others = opened.trials
    assert first.state == TrialState.PRUNED
    assert first.user_attrs["reason"].startswith("breaks 'flops <= 20000'")
    assert first.constraints["flops <= 20000"] > 0
    assert "run" not in first.user_attrs
    assert {trial.params["width"] for trial in others} == {4}
    assert searching.domain.known({"width": 64}) is None


@pytest.mark.parametrize("value", [float("nan"), "0.9", True])
def test_a_limit_is_a_number(value: object) -> None:
    with pytest.raises(UserError, match="give a number"):
        maximize("accuracy", above=value)  # type: ignore[arg-type]
    assert repr(minimize("flops", below=1e6)) == "minimize('flops', below=1e+06)"


def test_chance_is_what_a_constant_answer_has() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    held = data.tensors(rng.random((100, 3)).astype("float32"), labels, validation=0.5, test=0)
    task = tasks.classification(held, metrics=["f1"])
    targets = held.splits.validation.y.long()
    import torch

    share = targets.bincount().float() / len(targets)
    always = torch.nn.functional.one_hot(torch.full_like(targets, int(share.argmax())), 3).float()
    found = task.measure(100 * always, targets)
    assert task.chance["accuracy"] == pytest.approx(found["accuracy"])
    assert task.chance["f1"] == pytest.approx(found["f1"], abs=1e-5)
    by_share = task.measure(share.log().expand(len(targets), 3), targets)
    assert task.chance["loss"] == pytest.approx(by_share["loss"], abs=1e-5)

    values = data.tensors(rng.random((100, 3)).astype("float32"), rng.random(100).astype("float32"))
    regression = tasks.regression(values)
    y = values.splits.validation.y
    assert regression.chance["rmse"] == pytest.approx(float((y - y.mean()).square().mean().sqrt()), rel=1e-4)
