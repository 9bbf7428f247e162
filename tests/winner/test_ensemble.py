"""Networks of several seeds kept as one, and trainings on all data."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_digits

import optnas
from optnas import Training, UserError, data, minimize, parse, tasks
from optnas.winner.all_data import refit_plan, with_all_data
from optnas.winner.ensemble import Ensemble
from optnas.winner.full_training import Plan, train_seed
from tests.files import assert_refused, call

STUDY = """
from optnas import *

study = Study(
    name="small",
    space=ops.seq(ops.flatten(), ops.linear(choose(16, 32, name="width")), ops.relu(), ops.head()),
    task=tasks.classification(data.digits()),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=4, lr=1e-2),
)
"""
NETWORK = "seq(flatten, linear(32), relu, linear(10))"


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    Path("small.py").write_text(STUDY)


def test_the_ensemble_of_all_seeds_is_loaded_as_one_model_whose_probabilities_are_their_mean() -> None:
    options = ("--seeds", 3, "--ensemble", "--all-data", "--out", "net")
    result = call("train", "small.py", "-a", NETWORK, *options)
    assert result.exit_code == 0, result.output
    record = json.loads(Path("net/metrics.json").read_text())
    model, images = optnas.load("net"), load_digits().images[:, None]
    assert isinstance(model.network, Ensemble)
    assert len(list(Path("net/members").iterdir())) == 3

    # By hand from the weights of each seed.
    prepared, likely = model[0](torch.from_numpy(images)), []
    for seed in (0, 1, 2):
        weights = load_file(f"net/members/seed-{seed}.safetensors")
        member = parse(NETWORK).build((1, 8, 8), outputs=10)
        member.load_state_dict(weights)
        with torch.inference_mode():
            likely.append(member.eval()(prepared).softmax(dim=1))
    mean = torch.stack(likely).mean(dim=0)
    with torch.inference_mode():
        assert torch.allclose(model.network(prepared).softmax(dim=1), mean, atol=1e-5)
    found = model.predict(images)
    assert (found["class"].astype(int) == mean.argmax(dim=1).numpy()).all()
    # What the temperature makes of the mean.
    scaled = (mean.log() / record["calibration"]["temperature"]).softmax(dim=1)
    assert np.allclose(found["probability"], scaled.max(dim=1).values, atol=1e-4)

    # It is measured on the very test part, by the second training, which had the validation part too.
    splits = data.digits().splits
    with torch.inference_mode():
        right = model.network(splits.test.x.float()).argmax(dim=1) == splits.test.y
    assert record["ensemble"]["test"]["accuracy"] == pytest.approx(right.float().mean().item())
    assert record["all_data"]["samples"] == len(splits.train) + len(splits.validation)
    chosen = [each["epoch"] for each in record["trainings"]]
    assert [each["epochs"] for each in record["all_data"]["trainings"]] == chosen
    assert [len(each["losses"]) for each in record["all_data"]["trainings"]] == chosen
    card = Path("net/README.md").read_text()
    assert "The model is the mean of 3 networks" in card
    assert "in `members`: of their probabilities. It" in card
    assert f"{record['all_data']['samples']:,} samples of training and validation part together" in card
    (code,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    with contextlib.chdir("net"):
        exec(code, {})  # as its reader would

    assert_refused(
        call("train", "small.py", "-a", NETWORK, "--seeds", 3, "--out", "net"), "all_data was True"
    )
    for wrong in ([0, 0], ["../../model"], [0, 9]):
        changed = {**record, "ensemble": {**record["ensemble"], "seeds": wrong}}
        Path("net/metrics.json").write_text(json.dumps(changed))
        with pytest.raises(UserError):
            optnas.load("net")


def test_a_link_out_of_the_folder_is_no_member() -> None:
    assert call("train", "small.py", "-a", NETWORK, "--seeds", 2, "--ensemble", "--out", "net").exit_code == 0
    Path("net/members").rename("elsewhere")
    Path("net/members").symlink_to(Path("elsewhere").resolve())
    with pytest.raises(UserError, match="leads out of the folder"):
        optnas.load("net")


def test_an_ensemble_of_values_is_their_mean() -> None:
    members = [torch.nn.Linear(3, 1) for _ in range(3)]
    x = torch.randn(5, 3)
    expected = torch.stack([member(x) for member in members]).mean(dim=0)
    assert torch.allclose(Ensemble(members, classes=False)(x), expected)


def test_what_has_no_mean_is_refused_before_it_is_trained() -> None:
    ensemble = ("train", "small.py", "-a", NETWORK, "--ensemble")
    assert_refused(call(*ensemble), "give --seeds 2 or more")
    text = STUDY.replace("classification(data.digits())", "language(data.text('t.txt'))")
    Path("small.py").write_text(text.replace('maximize("accuracy")', 'minimize("perplexity")'))
    Path("t.txt").write_text("to be or not to be, that is the question. " * 60)
    assert_refused(call(*ensemble, "--seeds", 2), "Language answers with neither a class nor values")
    assert not Path("runs").exists()


def test_the_second_training_is_by_both_parts_and_ends_where_the_first_was_best(tmp_path: Path) -> None:
    task = tasks.regression(data.sklearn("diabetes"))
    training = Training(epochs=12, lr=0.05, schedule="constant")
    plan = Plan(parse("seq(linear(16), relu, linear(1))"), task, training, minimize("rmse"), {})
    first = train_seed(plan, 0, tmp_path / "first")
    assert first.best < 12
    joined = with_all_data(task)
    splits, both = task.data.splits, joined.data.splits
    assert torch.equal(both.train.x, torch.cat([splits.train.x, splits.validation.x]))
    # What the task computes of its data is of all of it.
    assert joined.output_scale[1] == pytest.approx(both.train.y.mean().item(), rel=1e-5)
    assert joined.output_scale[1] != task.output_scale[1]
    refit = refit_plan(plan, joined, first)
    second = train_seed(refit, 0, tmp_path / "second")
    assert (second.best, len(second.curve)) == (first.best, first.best)
    # As by hand: a training on these samples, whose last epoch is kept.
    by_hand = data.Data("diabetes", lambda: dataclasses.replace(splits, train=both.train))
    again = dataclasses.replace(refit, task=tasks.regression(by_hand))
    third = train_seed(again, 0, tmp_path / "third")
    assert all(torch.equal(second.weights[name], third.weights[name]) for name in third.weights)
    assert not torch.equal(*(next(iter(each.weights.values())) for each in (first, second)))


def test_a_task_that_makes_its_data_itself_has_no_more_of_it() -> None:
    class Made(tasks.Classification):
        batches_per_epoch = 3

    from optnas.winner.all_data import check_all_data

    with pytest.raises(UserError, match="Made makes what it learns from itself"):
        check_all_data(Made(data.digits()))
