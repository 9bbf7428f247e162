"""A study's sampler that searches on shared weights: what it proposes is trained as any trial."""

from __future__ import annotations

import dataclasses
import threading
import types

import optuna
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from optnas import Study, Training, UserError, choose, data, maximize, minimize, ops, parse, real, tasks
from optnas.checkpoints.store import artifact_store
from optnas.one_shot import keeping, strategy
from optnas.one_shot.gdas import GDAS
from optnas.one_shot.strategies import STRATEGIES, make_strategy
from optnas.reports import terminal
from optnas.reports.running import done_first
from optnas.samplers import claimed
from optnas.samplers.ehvi import EHVISampler
from optnas.samplers.one_shot import OneShotSampler
from optnas.trials.record import ONE_SHOT, SUPERNET
from tests.one_shot.problems import problem, signs


class Stopped(Exception):
    """Stands for whatever ends a worker."""


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _quick_claims(monkeypatch):
    monkeypatch.setattr(claimed, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(claimed, "_GONE_SECONDS", 2.0)
    monkeypatch.setattr(claimed, "_BEAT_SECONDS", 0.2)


TRAINING = Training(epochs=2, batch_size=32, lr=choose(1e-2, 1e-1))


def study(sampler, **kwargs):
    given = problem(signs())
    settings = {
        "space": signs(),
        "objectives": [maximize("accuracy"), minimize("flops")],
        "training": TRAINING,
        **kwargs,
    }
    return Study(name="signs", task=given.task, sampler=sampler, pruner="none", **settings)


def run(declared, trials, storage=None):
    opened = declared.open(storage or optuna.storages.InMemoryStorage())
    opened.optimize(declared.objective, n_trials=trials)
    return opened


@pytest.mark.parametrize("name", ["darts", "gdas", "single-path", "beta-darts"])
def test_by_its_name_in_a_study_the_best_op_comes_first(name, monkeypatch):
    monkeypatch.setattr(STRATEGIES[name], "slowness", lambda self: 1.0)
    found = run(study(name), 3)
    assert [trial.state.name for trial in found.trials] == ["COMPLETE"] * 3
    assert found.trials[0].params["op"] == "linear('same')"
    record = ONE_SHOT.of(found)
    assert record["strategy"] == name
    assert SUPERNET.of(found)["epoch"] == SUPERNET.of(found)["epochs"] == 40
    assert SUPERNET.of(found)["seconds"] > 0


def test_the_supernet_takes_the_time_of_twenty_trainings_and_whoever_goes_on_as_many_epochs(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(GDAS, "slowness", lambda self: 4.0)
    storage = optuna.storages.InMemoryStorage()
    declared = study("gdas", artifacts=str(tmp_path))

    def stops(self, report):
        train(self, lambda strategy: (report(strategy), (_ for _ in ()).throw(Stopped))[0])

    train = GDAS.train
    with monkeypatch.context() as patched:
        patched.setattr(GDAS, "train", stops)
        with pytest.raises(Stopped):
            run(declared, 1, storage)
    begun = SUPERNET.of(declared.open(storage))
    assert (begun["strategy"], begun["epoch"], begun["epochs"]) == ("gdas", 1, 10)
    monkeypatch.setattr(GDAS, "slowness", lambda self: 1.0)  # as on another machine
    found = run(study("gdas", artifacts=str(tmp_path)), 1, storage)
    assert SUPERNET.of(found)["epoch"] == SUPERNET.of(found)["epochs"] == 10


@pytest.mark.parametrize(("slowness", "epochs"), [(100.0, 2), (0.5, 40)])
def test_it_is_at_least_one_training_and_at_most_the_epochs_of_twenty(slowness, epochs, monkeypatch):
    monkeypatch.setattr(GDAS, "slowness", lambda self: slowness)
    assert SUPERNET.of(run(study("gdas"), 1))["epochs"] == epochs


class Operations(TorchDispatchMode):
    """Counts what PyTorch computes, which stands for the time it takes."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += 1
        return function(*args, **(kwargs or {}))


def test_a_mixture_of_many_options_is_told_to_be_slower_than_a_path(monkeypatch):
    def counted(call):
        with Operations() as operations:
            call()
        return operations.count

    monkeypatch.setattr(strategy, "_seconds", counted)
    space = ops.seq(
        *[choose(*(ops.linear(width, bias=True) for width in range(60, 72)), name=f"l{i}") for i in range(3)],
        ops.head(),
    )
    given = dataclasses.replace(problem(signs()), space=space)
    slow, fast = (make_strategy(name, given, epochs=20).slowness() for name in ("darts", "single-path"))
    assert slow > 4 * fast > 0


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


def test_a_supernet_that_was_stopped_is_trained_on_by_the_next_worker(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(GDAS, "slowness", lambda self: 1.0)
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


@pytest.fixture
def stopped_after_three(tmp_path, monkeypatch):
    """Return a folder with the state of a supernet after three of six epochs."""
    monkeypatch.setattr(keeping, "_EVERY_SECONDS", 0.0)
    train = GDAS.train

    def stopped(self, report):
        def stopping(strategy):
            report(strategy)
            if strategy.epoch == 3:
                raise Stopped

        train(self, stopping)

    with monkeypatch.context() as patch:
        patch.setattr(GDAS, "train", stopped)
        with pytest.raises(Stopped):
            run(study(OneShotSampler("gdas", epochs=6, seed=0), artifacts=str(tmp_path)), 1)
    return str(tmp_path)


@pytest.mark.parametrize(("takes", "written"), [(0.0, [1, 2, 3, 4]), (0.05, [1, 3, 4]), (1e3, [1, 3, 4])])
def test_states_are_kept_as_often_as_takes_little_of_the_time(tmp_path, monkeypatch, takes, written):
    # An epoch takes 1.5 seconds, or 15 where writing would take longer than all else.
    clock, epochs = [0.0], []

    def keep(self, content):
        clock[0] += takes
        epochs.append(content["epoch"])

    monkeypatch.setattr(keeping.Kept, "keep", keep)
    monkeypatch.setattr(keeping, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))
    given = dataclasses.replace(problem(signs()), store=artifact_store(str(tmp_path)))
    kept, strategy = keeping.Keeping(given, ""), make_strategy("gdas", given, epochs=4)
    for epoch in range(1, 5):
        clock[0] += 1.5 if takes < 1 else 15.0
        strategy.epoch = epoch
        kept.keep(strategy, 0.0, at_once=epoch == 4)
    assert epochs == written


@pytest.mark.parametrize(
    ("settings", "training", "first"),
    [
        ({}, {}, 3),
        ({"weightings": (0.0, 0.1)}, {}, 0),  # as many choices' probabilities, but of something else
        ({}, {"optimizer": "adamw"}, 0),
        ({}, {"weight_decay": 0.5}, 0),
    ],
)
def test_a_supernet_goes_on_only_as_it_began(stopped_after_three, monkeypatch, settings, training, first):
    train, began = GDAS.train, []
    monkeypatch.setattr(GDAS, "train", lambda self, report: began.append(self.epoch) or train(self, report))
    declared = study(
        OneShotSampler("gdas", epochs=6, seed=0, **settings),
        training=Training(epochs=2, batch_size=32, **training) if training else TRAINING,
        artifacts=stopped_after_three,
    )
    found = run(declared, 1)
    assert began == [first]
    assert SUPERNET.of(found)["epoch"] == 6


def test_of_a_state_that_cannot_be_used_nothing_is_taken_over(stopped_after_three, monkeypatch, capsys):
    train, began = GDAS.train, []
    monkeypatch.setattr(GDAS, "train", lambda self, report: began.append(self.epoch) or train(self, report))
    restore = GDAS.restore

    def in_part(self, state):
        restore(self, state)
        raise RuntimeError("what comes last\n\tdoes not fit")

    monkeypatch.setattr(GDAS, "restore", in_part)
    fresh = run(study(OneShotSampler("gdas", epochs=6, seed=0)), 1)
    found = run(study(OneShotSampler("gdas", epochs=6, seed=0), artifacts=stopped_after_three), 1)
    assert began == [0, 0]
    assert ONE_SHOT.of(found)["proposals"] == ONE_SHOT.of(fresh)["proposals"]
    assert "begins anew, as its state cannot be used: what comes last does not fit" in " ".join(
        capsys.readouterr().err.split()
    )


def test_another_strategy_in_the_same_study_is_told_whose_proposals_it_has(capsys):
    storage = optuna.storages.InMemoryStorage()
    run(study(OneShotSampler("gdas", epochs=2, seed=0)), 1, storage)
    found = run(study(OneShotSampler("darts", epochs=2, seed=0)), 2, storage)
    assert ONE_SHOT.of(found)["strategy"] == "gdas"
    told = " ".join(capsys.readouterr().err.split())
    assert told.count("has the proposals of 'gdas'") == 1


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
    sampler = OneShotSampler("gdas", epochs=3, seed=0, weightings=(0.0, 0.5))
    strategies = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GDAS, "_end_epoch", lambda self: strategies.append(self))
        run(study(sampler), 1)
    assert strategies[0].weightings == [0.0, 0.5]


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


def test_what_cannot_be_searched_on_shared_weights_is_refused_before_a_trial():
    with pytest.raises(
        UserError, match=r"'signs': the sampler 'darts' chooses between architectures.*'ehvi'"
    ):
        study("darts", space=ops.seq(ops.linear(8), ops.head()))
    with pytest.raises(UserError, match="'signs': its sampler chooses between architectures"):
        study(OneShotSampler("gdas"), space=ops.seq(ops.linear(8), ops.head()))
    with pytest.raises(
        UserError, match="'of values': the sampler 'gdas' trains networks itself: give a task"
    ):
        Study("of values", signs(), objectives=[maximize("a")], evaluate=lambda *_: {"a": 1}, sampler="gdas")
    noise = torch.randn(64, 2)
    with pytest.raises(UserError, match="needs the usual training step, and adversarial has its own"):
        Study(
            "gan",
            ops.seq(ops.linear(choose(4, 8, name="width")), ops.head()),
            task=tasks.adversarial(data.tensors(noise, noise)),
            objectives=[minimize("frechet")],
            sampler="darts",
        )


def test_the_comparison_after_the_training_is_shown_as_such():
    found = optuna.create_study()
    SUPERNET.put(found, {"epoch": 39, "epochs": 40, "seconds": 5.0})
    assert list(done_first(found)) == ["supernet: epoch 39 of 40, 0:00:05"]
    SUPERNET.put(found, {"epoch": 40, "epochs": 40, "seconds": 5.0})
    assert list(done_first(found)) == ["supernet: trained, its architectures are compared, 0:00:05"]
    ONE_SHOT.put(found, {"strategy": "darts", "told": [], "weights": None, "proposals": []})
    assert list(done_first(found)) == ["supernet: trained, 0:00:05"]
