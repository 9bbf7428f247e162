"""Trials begin with the weights of their parents, or of the study's supernet."""

from __future__ import annotations

import threading
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import FrozenTrial, TrialState

from optnas import (
    Study,
    Training,
    UserError,
    choose,
    data,
    maximize,
    minimize,
    ops,
    pruners,
    tasks,
    trial_inheriting,
)
from optnas.one_shot.learning import Learning
from optnas.one_shot.strategies import make_strategy
from optnas.samplers import EvolutionSampler, LocalSampler
from optnas.samplers.one_shot import OneShotSampler
from optnas.storages.opening import open_storage
from optnas.train import fit, loop
from optnas.trials.optuna_internals import cache_trials, cached_trials
from optnas.trials.record import INHERITED, ONE_SHOT, PARENT, RESUMED, TWIN, WEIGHTS
from optnas.winner.jobs import TrainOptions, jobs_of
from tests.faults import Bucket, Killed
from tests.files import call
from tests.one_shot.problems import problem

TASK = tasks.classification(data.digits())


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def study(**changes: Any) -> Study:
    settings: dict[str, Any] = {
        "name": "handed-down",
        "space": ops.seq(
            ops.conv(choose(2, 4, 6, 8, name="width"), kernel=choose(3, 5, name="kernel"), stride=2),
            ops.norm(),
            choose(ops.relu(), ops.mish(), name="activation"),
            ops.head(),
        ),
        "task": TASK,
        "objectives": [maximize("accuracy"), minimize("flops")],
        "training": Training(epochs=1, batch_size=256, lr=1e-2, inherit="parent"),
        "sampler": EvolutionSampler(population=3, seed=0),
        "pruner": "none",
        "artifacts": Bucket(),
    }
    return Study(**{**settings, **changes})


def searched(declared: Study, trials: int) -> optuna.Study:
    opened = declared.open(optuna.storages.InMemoryStorage())
    opened.optimize(declared.objective, n_trials=trials)
    return opened


@pytest.mark.parametrize(
    "sampler",
    [EvolutionSampler(population=3, seed=0), LocalSampler(starts=3, seed=0)],
    ids=["evolution", "local"],
)
def test_children_begin_with_the_weights_of_their_parents_and_the_record_says_so(sampler):
    found = searched(study(sampler=sampler), 8).trials
    assert [INHERITED.of(trial) for trial in found[:3]] == [None] * 3  # drawn at random
    for trial in found[3:]:
        record = INHERITED.of(trial)
        assert record["from"] == PARENT.of(trial) < trial.number
        assert record["share"] > 0.5
    same = [set(trial.params.items()) == set(found[PARENT.of(trial)].params.items()) for trial in found[3:]]
    assert not any(same)


def enqueued(declared: Study, *params: dict[str, Any], storage: Any = None) -> optuna.Study:
    """Return a study whose trials have these parameters, each the child of the one before."""
    opened = declared.open(storage or optuna.storages.InMemoryStorage())
    for number, each in enumerate(params):
        opened.enqueue_trial(each)
        trial = opened.ask()
        if number:
            PARENT.put(trial, number - 1)
        opened.tell(trial, declared.objective(trial))
    return opened


SMALL = {"width": 4, "kernel": 3, "activation": "relu"}


def test_a_wider_child_begins_with_the_accuracy_of_its_parent(monkeypatch):
    accuracies = []

    def measured(module, task, training, *, device, **rest):
        parts = task.data.on(device)
        accuracies.append(loop.evaluate(module, task, parts.validation, parts.prepare)["accuracy"])
        return fit(module, task, training, device=device, **rest)

    monkeypatch.setattr("optnas.trial.fit", measured)
    found = enqueued(study(), SMALL, {**SMALL, "width": 8, "kernel": 5}, {**SMALL, "width": 2})
    assert accuracies[1] == pytest.approx(found.trials[0].values[0], abs=1e-6)
    assert INHERITED.of(found.trials[1])["preserved"] is True
    assert INHERITED.of(found.trials[2])["preserved"] is False


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("how", ["parent", "one-shot"])
def test_weights_are_handed_down_on_a_gpu(how):
    device = Training(epochs=1, batch_size=64, device="cuda", inherit=how, hopeless_after=0)
    declared = study(training=device) if how == "parent" else one_shot(training=device)
    found = searched(declared, 6).trials
    assert all(trial.state == TrialState.COMPLETE for trial in found)
    heirs = [trial for trial in found[3:] if TWIN.of(trial) is None]
    assert heirs
    assert all(INHERITED.of(trial)["share"] > 0 for trial in heirs)


def test_without_inheriting_nothing_is_kept():
    store = Bucket()
    found = searched(study(training=Training(epochs=1, batch_size=256), artifacts=store), 5)
    assert {WEIGHTS.of(trial) for trial in found.trials} == {None}
    assert {INHERITED.of(trial) for trial in found.trials} == {None}
    assert not store.held


def test_weights_that_are_gone_are_told_and_the_trial_begins_with_fresh_ones():
    store = Bucket()
    declared = study(artifacts=store)
    alone = enqueued(study(), {**SMALL, "width": 8})
    opened = enqueued(declared, SMALL)
    store.held.clear()
    opened.enqueue_trial({**SMALL, "width": 8})
    trial = opened.ask()
    PARENT.put(trial, 0)
    values = declared.objective(trial)
    record = INHERITED.of(opened.trials[1])
    assert record == {"from": 0, "missing": "are not in the store, or no longer"}
    assert values[1] == alone.trials[0].values[1]


def test_space_is_bounded_by_those_that_may_be_parents():
    store = Bucket()
    declared = study(artifacts=store)
    found = searched(declared, 16)
    kept = [
        trial.number
        for trial in found.trials
        if f"optnas-weights-{WEIGHTS.of(trial)}-0.safetensors" in store.held
    ]
    assert len(store.held) == len(kept) <= 2 * 3 + 1
    assert set(found.sampler.parents_in(found)) & set(kept)


def test_a_lane_that_read_fewer_trials_than_the_sampler_of_all_lanes_leaves_weights_as_well(monkeypatch):
    keep = trial_inheriting.keep_weights

    def late(store: Any, trial: optuna.Trial, module: Any) -> None:
        keep(store, trial, module)
        cache_trials(trial.study, cached_trials(trial.study)[:2])

    monkeypatch.setattr(trial_inheriting, "keep_weights", late)
    found = searched(study(), 10)
    assert {trial.state for trial in found.trials} == {TrialState.COMPLETE}


def test_a_search_that_begins_with_screened_candidates_hands_weights_down():
    store = Bucket()
    found = searched(study(artifacts=store, warm_start="zero-cost"), 9)
    assert any(INHERITED.of(trial) is not None for trial in found.trials)
    assert len(store.held) <= 2 * 3 + 1


def test_a_trial_that_was_killed_goes_on_from_its_checkpoint_and_not_from_its_parent(monkeypatch):
    training = Training(epochs=3, rungs=(1, 2), batch_size=256, lr=1e-2, inherit="parent", hopeless_after=0)
    wide = {**SMALL, "width": 8}
    undisturbed = enqueued(study(training=training), SMALL, wide).trials[1]

    store = Bucket()
    declared = study(training=training, artifacts=store)
    opened = enqueued(declared, SMALL)
    opened.enqueue_trial(wide)
    trial = opened.ask()
    PARENT.put(trial, 0)
    report = pruners.report

    def deadly(trial: optuna.Trial, step: int, values: Any) -> None:
        report(trial, step, values)
        if step == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("optnas.trial_reports.report", deadly)
        with pytest.raises(Killed):
            declared.objective(trial)
    for name in [name for name in store.held if "weights" in name]:
        del store.held[name]  # of the parent, which is not asked any more
    resumed = opened.tell(1, declared.objective(optuna.Trial(opened, opened.trials[1]._trial_id)))
    assert RESUMED.of(resumed) == 2
    assert INHERITED.of(resumed) == INHERITED.of(undisturbed)
    assert resumed.values == undisturbed.values


def test_a_pruned_trial_leaves_its_weights_and_one_that_failed_does_not():
    training = Training(epochs=3, rungs=(1,), batch_size=256, inherit="parent", hopeless_after=0)
    declared = study(training=training, pruner=Never())
    opened = declared.open(optuna.storages.InMemoryStorage())
    opened.optimize(declared.objective, n_trials=1)
    assert opened.trials[0].state == TrialState.PRUNED
    assert WEIGHTS.of(opened.trials[0]) is not None


class Never(optuna.pruners.BasePruner):
    """Pruner that lets nothing go on."""

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return True


# The supernet.


def one_shot(**changes: Any) -> Study:
    given = problem(SPACE)
    return study(
        space=SPACE,
        task=given.task,
        **{
            "training": Training(epochs=1, batch_size=32, inherit="one-shot"),
            "sampler": OneShotSampler("single-path", epochs=3, seed=0, evaluations=20, population=5),
            **changes,
        },
    )


SPACE = ops.seq(
    ops.linear(choose(4, 8, name="width")), ops.norm(), choose(ops.relu(), ops.mish(), name="f"), ops.head()
)


def test_trials_begin_with_what_the_supernet_has_for_them(monkeypatch):
    first = []

    def measured(module, task, training, *, device, seed, **rest):
        parts = task.data.on(device)
        first.append(loop.evaluate(module, task, parts.validation, parts.prepare))
        return fit(module, task, training, device=device, seed=seed, **rest)

    monkeypatch.setattr("optnas.trial.fit", measured)
    declared = one_shot()
    found = searched(declared, 3)
    strategy = make_strategy("single-path", declared.domain.problem, epochs=3, seed=0)
    strategy.train()
    for trial, metrics in zip(found.trials, first, strict=True):
        assert INHERITED.of(trial) == {"from": "supernet", "share": 1.0}
        path = strategy.net.path(trial.params)
        candidate = declared.candidate(trial.params, trial.number)
        learning = Learning(declared.task, candidate.training, torch.device("cpu"), candidate.seed)
        assert metrics == pytest.approx(learning.metrics(path), abs=1e-5)


def test_a_worker_that_did_not_train_the_supernet_reads_it_from_the_store(monkeypatch):
    store, storage = Bucket(), optuna.storages.InMemoryStorage()
    declared = one_shot(artifacts=store)
    opened = declared.open(storage)
    opened.optimize(declared.objective, n_trials=1)
    monkeypatch.setattr("optnas.inherit.shared._last", [])
    monkeypatch.setattr(OneShotSampler, "_search", None)
    other = one_shot(artifacts=store)
    again = other.open(storage)
    again.optimize(other.objective, n_trials=1)
    assert ONE_SHOT.of(again)["weights"] is not None
    assert INHERITED.of(again.trials[1]) == {"from": "supernet", "share": 1.0}


# What is refused.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampler": "ehvi"}, "needs a sampler that changes earlier trials"),
        ({"training": Training(inherit="one-shot")}, "needs a sampler that trains a supernet"),
        ({"sampler": "random"}, "sampler='evolution' or 'local'"),
        ({"task": None, "evaluate": lambda candidate, report: {}}, "needs a task"),
    ],
)
def test_a_study_without_such_weights_is_refused_when_it_is_declared(changes, message):
    with pytest.raises(UserError, match=message):
        study(**changes)


@pytest.mark.parametrize("artifacts", [None, "none"])
def test_a_study_without_a_store_is_refused_when_it_is_opened(artifacts):
    declared = study(artifacts=artifacts)
    with pytest.raises(UserError, match="artifacts='folder'"):
        declared.open(optuna.storages.InMemoryStorage())
    with pytest.raises(UserError, match="artifacts='folder'"):
        _ = declared.objective


def test_an_unknown_way_to_inherit_is_refused():
    with pytest.raises(UserError, match="one-shot"):
        Training(inherit="oneshot")


# Two workers, and what is shown.


def test_what_was_inherited_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    enqueued(study(), SMALL, {**SMALL, "width": 8}, storage=open_storage("sqlite:///optnas.db"))
    shown = " ".join(call("show", 1).output.split())
    assert "inherited 100% of the weights from trial 0, function preserved" in shown


def test_two_threads_hand_weights_down_through_one_database(tmp_path):
    declared = study(artifacts=str(tmp_path / "store"))
    storage = open_storage(f"sqlite:///{tmp_path}/optnas.db")
    declared.open(storage)

    def work() -> None:
        own = study(artifacts=str(tmp_path / "store"))
        own.open(storage).optimize(own.objective, n_trials=5)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = optuna.load_study(study_name=declared.name, storage=storage).trials
    assert [trial.state.name for trial in found] == ["COMPLETE"] * 10
    heirs = [trial for trial in found if PARENT.of(trial) is not None]
    assert len(heirs) >= 5
    assert all(INHERITED.of(trial)["share"] > 0 for trial in heirs)


def test_a_winner_is_trained_in_full_from_fresh_weights(tmp_path):
    url = f"sqlite:///{tmp_path}/optnas.db"
    declared = study()
    enqueued(declared, SMALL, storage=open_storage(url))
    (job,) = jobs_of(declared, url, TrainOptions(trial=0, out=tmp_path / "run"))
    assert job.plan.training.inherit is None
    assert "inherit" not in str(job.plan.training.tree)
