"""A study's sampler that searches on shared weights: what it proposes is trained as any trial."""

from __future__ import annotations

import threading

import optuna
import pytest
import torch

from optnas import Study, Training, UserError, choose, data, maximize, minimize, ops, parse, real, tasks
from optnas.one_shot import keeping
from optnas.one_shot.gdas import GDAS
from optnas.reports import terminal
from optnas.samplers import claimed
from optnas.samplers.ehvi import EHVISampler
from optnas.samplers.one_shot import OneShotSampler
from optnas.trials.record import ONE_SHOT, SUPERNET
from tests.one_shot.problems import problem, signs


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _quick_claims(monkeypatch):
    monkeypatch.setattr(claimed, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(claimed, "_GONE_SECONDS", 2.0)
    monkeypatch.setattr(claimed, "_BEAT_SECONDS", 0.2)


def study(sampler, **kwargs):
    given = problem(signs())
    settings = {
        "space": signs(),
        "objectives": [maximize("accuracy"), minimize("flops")],
        "training": Training(epochs=2, batch_size=32, lr=choose(1e-2, 1e-1)),
        **kwargs,
    }
    return Study(name="signs", task=given.task, sampler=sampler, pruner="none", **settings)


def run(declared, trials, storage=None):
    opened = declared.open(storage or optuna.storages.InMemoryStorage())
    opened.optimize(declared.objective, n_trials=trials)
    return opened


@pytest.mark.parametrize("name", ["darts", "gdas", "single-path", "beta-darts"])
def test_by_its_name_in_a_study_the_best_op_comes_first(name):
    found = run(study(name), 3)
    assert [trial.state.name for trial in found.trials] == ["COMPLETE"] * 3
    assert found.trials[0].params["op"] == "linear('same')"
    record = ONE_SHOT.of(found)
    assert record["strategy"] == name
    assert SUPERNET.of(found)["epoch"] == SUPERNET.of(found)["epochs"] == 40
    assert SUPERNET.of(found)["seconds"] > 0


def test_what_was_proposed_is_not_proposed_again_while_others_are_left():
    found = run(study("gdas"), 6)
    assert len({(trial.params["op"], trial.params["lr"]) for trial in found.trials}) == 6


def test_each_architecture_is_proposed_once_and_then_a_model_of_the_trials_proposes():
    training = Training(epochs=1, batch_size=32, lr=real(1e-2, 1e-1, log=True))
    sampler = OneShotSampler("gdas", epochs=10, proposals=2, seed=0)
    found = run(study(sampler, training=training), 5)
    ops_tried = [trial.params["op"] for trial in found.trials]
    assert len(ONE_SHOT.of(found)["proposals"]) == 2
    assert len(set(ops_tried[:2])) == 2
    assert [trial.state.name for trial in found.trials] == ["COMPLETE"] * 5
    proposed = EHVISampler(study(sampler, training=training).domain, seed=0)
    again = optuna.create_study(directions=["maximize", "minimize"], sampler=proposed)
    again.add_trials(found.trials[:4])
    assert again.ask(study(sampler, training=training).distributions()).params == found.trials[4].params


def test_the_supernet_is_trained_once_for_all_workers(monkeypatch):
    trained = []
    search = OneShotSampler._search
    monkeypatch.setattr(
        OneShotSampler, "_search", lambda self, *args: (trained.append(1), search(self, *args))[1]
    )
    storage = optuna.storages.InMemoryStorage()
    declared = study("gdas")
    declared.open(storage)
    workers = [threading.Thread(target=lambda: run(study("gdas"), 2, storage)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = run(declared, 1, storage)
    assert len(trained) == 1
    assert len(found.trials) == 5


class Stopped(Exception):
    """Stands for whatever ends a worker."""


def test_a_supernet_that_was_stopped_is_trained_on_by_the_next_worker(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "_EVERY_SECONDS", 0.0)
    storage = optuna.storages.InMemoryStorage()
    whole = ONE_SHOT.of(run(study("gdas"), 1))
    train, epochs = GDAS.train, []

    def stopped(self, report):
        def stopping(strategy):
            report(strategy)
            epochs.append(strategy.epoch)
            if strategy.epoch == 7:
                raise Stopped

        train(self, stopping)

    monkeypatch.setattr(GDAS, "train", stopped)
    first = study("gdas", artifacts=str(tmp_path))
    with pytest.raises(Stopped):
        run(first, 1, storage)
    assert SUPERNET.of(first.open(storage))["epoch"] == 7
    found = run(study("gdas", artifacts=str(tmp_path)), 1, storage)
    assert epochs == [*range(1, 8), *range(8, 41)]
    assert ONE_SHOT.of(found)["proposals"] == whole["proposals"]


def test_a_constraint_on_known_costs_is_kept():
    space = ops.seq(ops.linear(choose(4, 16, 64, name="width")), ops.relu(), ops.head())
    found = run(study("gdas", space=space, constraints=["params <= 300"]), 3)
    assert {trial.params["width"] for trial in found.trials} <= {4, 16}


def test_outside_of_a_study_with_a_task_it_says_what_it_needs():
    sampler = OneShotSampler("gdas", seed=0)
    plain = optuna.create_study(sampler=sampler)
    plain.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(UserError, match="Study with a task"):
        plain.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)


def test_unknown_strategies_and_epochs_are_refused():
    with pytest.raises(UserError, match="darts"):
        OneShotSampler("dart")
    with pytest.raises(UserError, match="epochs"):
        OneShotSampler("darts", epochs=0)
    with pytest.raises(UserError, match="proposals"):
        OneShotSampler("darts", proposals=0)


def test_settings_of_the_strategy_are_passed_on():
    sampler = OneShotSampler("darts", epochs=3, seed=0, order=3)
    with pytest.raises(ValueError, match="order"):
        run(study(sampler), 1)


def test_digits_run_from_a_study_file():
    declared = Study(
        name="small",
        space=ops.seq(ops.conv(choose(2, 4, name="width")), ops.norm(), ops.relu(), ops.head()),
        task=tasks.classification(data.digits()),
        objectives=[maximize("accuracy"), minimize("flops")],
        training=Training(epochs=1),
        sampler="darts",
    )
    found = run(declared, 2)
    assert {trial.params["width"] for trial in found.trials} == {2, 4}


def test_activations_as_they_were_mixed_are_recorded_and_can_be_trained(capsys):
    activation = choose(ops.absolute(), ops.swish(learnable=True), name="activation")
    space = ops.seq(ops.linear(4), activation, ops.head())
    found = run(study(OneShotSampler("darts", epochs=3, seed=0), space=space), 1)
    text = ONE_SHOT.of(found)["mixtures"][0]
    assert text in " ".join(capsys.readouterr().err.split())
    assert f"mixed activations: {text}" in terminal.mixtures_told(found)
    assert parse(text).build((8,), outputs=4)(torch.zeros(2, 8)).shape == (2, 4)
