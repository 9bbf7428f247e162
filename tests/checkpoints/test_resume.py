"""A trial that was begun goes on where it was, or else from its start, and nothing is told twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import FrozenTrial, TrialState

from optnas import Study, Training, choose, data, maximize, minimize, ops, pruners, tasks
from optnas.checkpoints.state import pack, unpack
from optnas.checkpoints.store import Checkpoints
from optnas.interrupts import stopping
from optnas.measure.rounds import Round
from optnas.tasks import Task
from optnas.train.batches import batch_sizes
from optnas.trials.rungs import rungs_of
from tests.faults import Bucket, Killed, full_disk

RUNGS = (1, 2, 3)


def study(**changes: Any) -> Study:
    settings: dict[str, Any] = {
        "name": "resumed",
        "space": ops.seq(ops.conv(choose(4, 8, name="width")), ops.norm(), ops.relu(), ops.head()),
        "task": tasks.classification(data.digits()),
        "objectives": [maximize("accuracy"), minimize("loss")],
        "training": Training(epochs=4, rungs=RUNGS, batch_size=512, lr=1e-2, hopeless_after=0),
        "sampler": "random",
    }
    return Study(**{**settings, **changes})


def searched(study: Study, trials: int = 1) -> list[FrozenTrial]:
    opened = study.open(optuna.storages.InMemoryStorage())
    opened.optimize(study.objective, n_trials=trials, catch=(Exception,))
    return opened.trials


def killed(study: Study, monkeypatch: pytest.MonkeyPatch, at: int, *, told: bool = True) -> optuna.Study:
    """Return the study after its first trial's worker died at a rung, having reported there or not."""
    report = pruners.report

    def deadly(trial: optuna.Trial, step: int, values: Any) -> None:
        if step < at or told:
            report(trial, step, values)
        if step == at:
            raise Killed

    opened = study.open(optuna.storages.InMemoryStorage())
    with monkeypatch.context() as patch:
        patch.setattr("optnas.trial_reports.report", deadly)
        with pytest.raises(Killed):
            study.objective(opened.ask())
    return opened


def gone_on(study: Study, opened: optuna.Study) -> FrozenTrial:
    """Return the first trial after another worker had it."""
    values = study.objective(optuna.Trial(opened, 0))
    return opened.tell(0, values)


def reports(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list of the steps that are reported from now on."""
    told: list[int] = []
    report = pruners.report

    def telling(trial: optuna.Trial, step: int, values: Any) -> None:
        told.append(step)
        report(trial, step, values)

    monkeypatch.setattr("optnas.trial_reports.report", telling)
    return told


@pytest.mark.parametrize("told", [True, False], ids=["after the report", "before the report"])
def test_a_trial_goes_on_with_its_next_rung(told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    (undisturbed,) = searched(study())
    interrupted = study(artifacts=Bucket())
    opened = killed(interrupted, monkeypatch, 2, told=told)
    seen = reports(monkeypatch)
    trial = gone_on(interrupted, opened)
    assert seen == ([3] if told else [2, 3])
    assert trial.values == undisturbed.values
    assert rungs_of(trial) == rungs_of(undisturbed)
    assert trial.user_attrs["resumed"] == 2
    assert not interrupted.store.held


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_a_trial_goes_on_with_its_next_rung(monkeypatch: pytest.MonkeyPatch) -> None:
    # So many steps that they are recorded as a graph, before and after.
    training = Training(epochs=4, rungs=RUNGS, batch_size=16, lr=1e-2, hopeless_after=0, device="cuda")
    (undisturbed,) = searched(study(training=training))
    interrupted = study(training=training, artifacts=Bucket())
    opened = killed(interrupted, monkeypatch, 2)
    seen = reports(monkeypatch)
    trial = gone_on(interrupted, opened)
    assert seen == [3]
    assert trial.user_attrs["resumed"] == 2
    assert trial.values == pytest.approx(undisturbed.values, abs=0.05)


def test_seconds_count_what_a_dead_worker_had_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket()
    interrupted = study(artifacts=bucket, objectives=[maximize("accuracy"), minimize("seconds")])
    opened = killed(interrupted, monkeypatch, 2)
    checkpoints = Checkpoints(bucket, next(iter(bucket.held)).split("-")[1])
    last = checkpoints.last()
    assert last is not None
    assert last.seconds < 1000
    checkpoints.keep(last.state, 1000.0)
    trial = gone_on(interrupted, opened)
    assert 1000 < trial.user_attrs["metrics"]["seconds"] < 2000
    assert 1000 < rungs_of(trial)[3][1] < trial.values[1]


@pytest.mark.parametrize("stops", [[1], [4, 1, 3], [11], ["measure"]], ids=str)
def test_a_trial_that_is_stopped_in_an_epoch_goes_on_with_the_next_step(
    stops: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = 2
    rates: list[int] = []

    class Stopped(type(tasks.classification(data.digits()))):
        at: object = None

        def loss(self, output: torch.Tensor, target: torch.Tensor, **rest: float) -> torch.Tensor:
            rates.append(len(output))
            if len(rates) == self.at:
                stopping.stop_soon()
            return super().loss(output, target, **rest)

        def measure(self, output: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
            if self.at == "measure" and len(rates) == 4 * batches:
                stopping.stop_soon()
            return super().measure(output, target)

    (undisturbed,) = searched(study())
    interrupted = study(artifacts=Bucket(), task=Stopped(data.digits()))
    sizes = batch_sizes(len(interrupted.task.data.splits.train), 512)
    batches = len(sizes)
    opened = interrupted.open(optuna.storages.InMemoryStorage())
    opened.ask()
    rates.clear()  # its loss was tried
    told, seen = reports(monkeypatch), 0
    for at in stops:
        Stopped.at = at if at == "measure" else seen + at
        with pytest.raises(KeyboardInterrupt):
            interrupted.objective(optuna.Trial(opened, 0))
        seen = len(rates)
    Stopped.at = None
    trial = gone_on(interrupted, opened)
    assert trial.values == undisturbed.values
    assert rungs_of(trial) == rungs_of(undisturbed)
    assert told == [1, 2, 3]
    assert rates == 4 * sizes, "no step is repeated"
    assert trial.user_attrs["resumed"] == seen // batches
    assert not interrupted.store.held


def test_a_finished_trial_leaves_nothing_however_it_ends(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    kept = []

    class Measured(type(tasks.classification(data.digits()))):
        def measure(self, output: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
            kept.append(len(list(folder.glob("*"))))
            if len(kept) == 7:  # in the second trial's third epoch
                raise RuntimeError("no")
            return super().measure(output, target)

    # One that is complete, one that fails, and then what is pruned.
    searching = study(
        artifacts=folder,
        task=Measured(data.digits()),
        pruner=pruners.ParetoHalvingPruner(warmup=1),
        objectives=[maximize("accuracy")],
    )
    trials = searched(searching, 6)
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED}
    assert max(kept) == 1
    assert not list(folder.iterdir())


def test_a_full_disk_loses_no_trial_and_is_told_once_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (undisturbed,) = searched(study())
    for _ in range(2):  # runs
        capsys.readouterr()
        with full_disk(2_000):
            trial, *others = searched(study(artifacts=tmp_path / "artifacts"), 3)
        assert len(others) == 2
        notices = [line for line in capsys.readouterr().err.splitlines() if line.startswith("optnas: ")]
        assert notices == [
            "optnas: checkpoints cannot be kept: File too large;"
            " a trial that is stopped until then begins anew"
        ]
    assert trial.values == undisturbed.values
    assert trial.user_attrs["checkpoint"] == "could not be kept: File too large"
    assert not list((tmp_path / "artifacts").iterdir())


def test_a_store_that_cannot_be_read_costs_what_it_held_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    (undisturbed,) = searched(study())
    bucket = Bucket()
    interrupted = study(artifacts=bucket)
    opened = killed(interrupted, monkeypatch, 2)
    before = dict(opened.trials[0].user_attrs)
    bucket.fails = ConnectionError("no route to host")
    seen = reports(monkeypatch)
    trial = gone_on(interrupted, opened)
    assert seen == [3], "what was told is not told again"
    assert trial.values == undisturbed.values
    assert {name: trial.user_attrs[name] for name in before if name.startswith("rung:")} == {
        name: values for name, values in before.items() if name.startswith("rung:")
    }
    assert trial.user_attrs["checkpoint"] == "could not be kept: ConnectionError: no route to host"


@pytest.mark.parametrize("earlier", [True, False], ids=["with one before", "the only one"])
def test_a_trial_is_not_trained_on_from_a_damaged_checkpoint_and_its_record_says_so(
    earlier: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (undisturbed,) = searched(study())
    bucket = Bucket()
    interrupted = study(artifacts=bucket)
    opened = killed(interrupted, monkeypatch, 1)
    former = dict(bucket.held)

    def dies(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("optnas.trial_reports.report", dies)
        with pytest.raises(Killed):
            interrupted.objective(optuna.Trial(opened, 0))
    (name,) = bucket.held.keys() - former.keys()
    content = bytearray(bucket.held[name])
    content[-1] ^= 1
    bucket.held[name] = bytes(content)
    if earlier:  # who died as it was to be removed
        bucket.held |= former
    trial = gone_on(interrupted, opened)
    assert trial.values == undisturbed.values
    how = "went on from the one before" if earlier else "trained anew"
    assert trial.user_attrs["checkpoint"].startswith(f"{how}: {name} is damaged")
    assert not interrupted.store.held


def test_the_checkpoint_of_another_network_is_not_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    (undisturbed,) = searched(study())
    bucket = Bucket()
    interrupted = study(artifacts=bucket)
    opened = killed(interrupted, monkeypatch, 2)
    (name,) = bucket.held
    content = unpack(bucket.held[name], name)
    del content["name"]  # as an earlier optnas wrote it
    content["state"]["module"]["0.weight"] = torch.zeros(7)
    bucket.held[name] = pack(content)
    trial = gone_on(interrupted, opened)
    assert trial.values == undisturbed.values
    assert trial.user_attrs["checkpoint"] == "was of another network or training, trained anew"
    assert not interrupted.store.held


def test_on_another_kind_of_device_a_trial_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    (undisturbed,) = searched(study())
    bucket = Bucket()
    interrupted = study(artifacts=bucket)
    opened = killed(interrupted, monkeypatch, 2)
    checkpoints = Checkpoints(bucket, next(iter(bucket.held)).split("-")[1])
    last = checkpoints.last()
    assert last is not None
    on_gpu = {**last.state.generators, "cuda": torch.zeros(16, dtype=torch.uint8)}
    checkpoints.keep(dataclasses.replace(last.state, generators=on_gpu), last.seconds)
    trial = gone_on(interrupted, opened)
    assert trial.values == undisturbed.values
    assert "resumed" not in trial.user_attrs


def test_a_trial_that_was_paused_as_its_worker_died_stays_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket()
    interrupted = study(artifacts=bucket, pruner="pareto-promotion")
    opened = interrupted.open(optuna.storages.InMemoryStorage())
    trial = opened.ask()
    with monkeypatch.context() as patch:
        patch.setattr(
            "optnas.trial_reports.Paused", Killed
        )  # where the pruner has decided and nothing is told
        with pytest.raises(Killed):
            interrupted.objective(trial)
    seen = reports(monkeypatch)
    with pytest.raises(optuna.TrialPruned, match="paused at rung 1"):
        interrupted.objective(optuna.Trial(opened, 0))
    assert not seen
    assert len(bucket.held) == 1


def test_without_a_store_a_trial_begins_anew_and_tells_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted = study()
    opened = killed(interrupted, monkeypatch, 2)
    seen = reports(monkeypatch)
    trial = gone_on(interrupted, opened)
    assert seen == [3]
    assert "resumed" not in trial.user_attrs


def test_a_training_step_of_one_s_own_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    class OwnStep(type(tasks.classification(data.digits()))):
        def own_step(self, module: torch.nn.Module, training: Training) -> Callable[..., torch.Tensor]:
            optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

            def step(inputs: torch.Tensor, targets: torch.Tensor, rate: float) -> torch.Tensor:
                optimizer.zero_grad()
                loss = self.loss(module(inputs), targets)
                loss.backward()
                optimizer.step()
                return loss.detach()

            return step

    task: Task = OwnStep(data.digits())
    training = Training(epochs=4, rungs=RUNGS, batch_size=512, hopeless_after=0)
    (undisturbed,) = searched(study(task=task, training=training))
    bucket = Bucket()
    interrupted = study(task=task, training=training, artifacts=bucket)
    opened = killed(interrupted, monkeypatch, 2)
    assert not bucket.held
    seen = reports(monkeypatch)
    trial = gone_on(interrupted, opened)
    assert seen == [3]
    assert trial.values == undisturbed.values


def test_a_training_that_runs_out_of_memory_goes_on_in_pieces_from_its_last_rung(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = Bucket()
    full = False

    class Hungry(type(tasks.classification(data.digits()))):
        def loss(self, output: torch.Tensor, target: torch.Tensor, **rest: float) -> torch.Tensor:
            if full and len(output) > 256:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80 GiB")
            epochs.append(len(output))
            return super().loss(output, target, **rest)

    epochs: list[int] = []
    searching = study(task=Hungry(data.digits()), artifacts=bucket)
    report = pruners.report
    told = []

    def fills(trial: optuna.Trial, step: int, values: Any) -> None:
        nonlocal full
        full = step >= 2  # from the third epoch on
        told.append(step)
        report(trial, step, values)

    monkeypatch.setattr("optnas.trial_reports.report", fills)
    searching.shape  # noqa: B018 - tries its loss
    epochs.clear()
    (trial,) = searched(searching)
    assert trial.state == TrialState.COMPLETE
    assert trial.user_attrs["pieces"] == 2
    assert told == [1, 2, 3]
    samples = len(searching.task.data.splits.train)
    assert sum(epochs) == 4 * samples, "two epochs with whole batches, two in pieces"
    assert not bucket.held


def test_what_was_measured_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([5.0, 7.0])
    monkeypatch.setattr("optnas.trial_measuring.measure_round", lambda *_: {"latency_ms": Round(next(found))})
    interrupted = study(artifacts=Bucket(), objectives=[maximize("accuracy"), minimize("latency_ms")])
    opened = killed(interrupted, monkeypatch, 2)
    trial = gone_on(interrupted, opened)
    assert trial.values[1] == 5.0
    assert {values[1] for values in rungs_of(trial).values()} == {5.0}
