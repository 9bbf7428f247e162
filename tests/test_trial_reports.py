"""A training goes on while its storage is away, and what it has to report is written later."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState

from optnas import Study, Training, choose, data, maximize, minimize, ops, tasks
from optnas.interrupts import stopping
from optnas.storages import waiting
from optnas.storages.fence import LeaseLost, fenced
from optnas.storages.opening import open_storage
from optnas.trials.optuna_internals import storage_of
from optnas.trials.rungs import rungs_of
from tests.faults import Bucket

EPOCHS = 5


class Away:
    """A lock that another program has on the database: nobody else reads or writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._other: sqlite3.Connection | None = None

    def begin(self) -> None:
        self._other = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._other.execute("BEGIN EXCLUSIVE")

    def end(self) -> None:
        if self._other is not None:
            self._other.close()


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Away]:
    monkeypatch.setattr("optnas.storages.opening._BUSY_SECONDS", 0)
    monkeypatch.setattr(waiting, "_IMPATIENT_SECONDS", 0.05)
    lock = Away(tmp_path / "optnas.db")
    yield lock
    lock.end()


class Acting(type(tasks.classification(data.digits()))):
    """Digits, where something happens as an epoch is evaluated: by its number, what."""

    acts: dict[int, Any]
    epochs: int

    def measure(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        type(self).epochs += 1
        self.acts.get(self.epochs, lambda: None)()
        return super().measure(outputs, targets)


def study(acts: dict[int, Any], **changes: Any) -> Study:
    rungs = tuple(range(1, EPOCHS))
    settings: dict[str, Any] = {
        "name": "reports",
        "space": ops.seq(ops.conv(choose(4, 8, name="width")), ops.relu(), ops.head()),
        "task": Acting(data.digits()),
        "objectives": [maximize("accuracy"), minimize("loss")],
        "training": Training(epochs=EPOCHS, rungs=rungs, batch_size=512, lr=1e-2, hopeless_after=0),
        "sampler": "random",
        "artifacts": Bucket(),
    }
    made = Study(**{**settings, **changes})
    Acting.acts, Acting.epochs = {}, 0
    made.shape  # noqa: B018 - before the first trial a task's own measure is tried
    Acting.acts, Acting.epochs = acts, 0
    return made


def opened(searching: Study, folder: Path) -> optuna.Study:
    return searching.open(open_storage(f"sqlite:///{folder}/optnas.db"))


def finished(searching: Study, search: optuna.Study, trial: optuna.Trial) -> optuna.trial.FrozenTrial:
    return search.tell(trial, searching.objective(trial))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> optuna.trial.FrozenTrial:
    searching = study({})
    search = opened(searching, tmp_path_factory.mktemp("undisturbed"))
    return finished(searching, search, search.ask())


@pytest.mark.parametrize("back", [1, 2, 4, EPOCHS])
def test_what_could_not_be_reported_is_reported_in_order_at_the_next_rung_or_at_the_end(
    back: int, away: Away, undisturbed: optuna.trial.FrozenTrial, tmp_path: Path
) -> None:
    def soon() -> None:
        threading.Timer(0.3, away.end).start()

    searching = study({1: away.begin, back: soon if back == EPOCHS else away.end} if back > 1 else {})
    search = opened(searching, tmp_path)
    trial = finished(searching, search, search.ask())
    assert trial.state == TrialState.COMPLETE
    assert trial.values == undisturbed.values
    assert rungs_of(trial) == rungs_of(undisturbed)
    assert Acting.epochs == EPOCHS
    assert not searching.store.held


def test_the_pruner_is_asked_when_the_storage_is_back(away: Away, tmp_path: Path) -> None:
    asked: list[list[int]] = []

    class Asked(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            asked.append(list(rungs_of(trial)))
            return len(asked) == 2

    searching = study({2: away.begin, 4: away.end}, pruner=Asked())
    search = opened(searching, tmp_path)
    with pytest.raises(optuna.TrialPruned, match="not among the best at rung 4"):
        searching.objective(search.ask())
    assert asked == [[1], [1, 2, 3, 4]]


def test_reports_that_a_stopped_worker_could_not_write_are_written_by_the_next(
    away: Away, undisturbed: optuna.trial.FrozenTrial, tmp_path: Path
) -> None:
    searching = study(
        {2: away.begin, 4: stopping.stop_soon}, objectives=[maximize("accuracy"), minimize("seconds")]
    )
    search = opened(searching, tmp_path)
    trial = search.ask()
    with pytest.raises(KeyboardInterrupt):
        searching.objective(trial)
    away.end()
    assert list(rungs_of(search.trials[0])) == [1]
    Acting.acts = {}
    found = finished(searching, search, optuna.Trial(search, trial._trial_id))
    assert Acting.epochs == EPOCHS, "no epoch is repeated"
    assert list(rungs_of(found)) == [1, 2, 3, 4]
    assert found.values[0] == undisturbed.values[0]
    seconds = [values[1] for values in rungs_of(found).values()]
    assert seconds == sorted(seconds)
    assert seconds[1] < seconds[2], "as of when they were reached"


def test_who_lost_the_trial_neither_fails_it_nor_removes_its_checkpoint(tmp_path: Path) -> None:
    lost: list[bool] = []

    def check() -> None:
        if lost:
            raise LeaseLost("trial 0 is another worker's now")

    searching = study({3: lambda: lost.append(True)})
    search = opened(searching, tmp_path)
    trial = search.ask()
    with fenced(storage_of(search), trial._trial_id, check), pytest.raises(LeaseLost):
        searching.objective(trial)
    (record,) = search.trials
    assert record.state == TrialState.RUNNING
    assert list(rungs_of(record)) == [1, 2]
    assert "reason" not in record.user_attrs
    assert len(searching.store.held) == 1
    assert Acting.epochs == 3, "it stops where it notices"
    lost.clear()
    found = finished(searching, search, optuna.Trial(search, trial._trial_id))
    assert found.state == TrialState.COMPLETE
    assert Acting.epochs == EPOCHS


def test_a_storage_that_stays_away_ends_the_worker_and_keeps_the_checkpoint(
    away: Away, undisturbed: optuna.trial.FrozenTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.1)
    searching = study({3: away.begin})
    search = opened(searching, tmp_path)
    trial = search.ask()
    with pytest.raises(waiting.StorageError, match="locked by another program"):
        searching.objective(trial)
    away.end()
    assert len(searching.store.held) == 1
    Acting.acts = {}
    found = finished(searching, search, optuna.Trial(search, trial._trial_id))
    assert found.values == undisturbed.values
    assert rungs_of(found) == rungs_of(undisturbed)
    assert Acting.epochs == EPOCHS + 1, "the last epoch alone is repeated"


def test_a_trial_whose_worker_died_with_its_metrics_written_is_not_trained_again(
    undisturbed: optuna.trial.FrozenTrial, tmp_path: Path
) -> None:
    searching = study({})
    search = opened(searching, tmp_path)
    trial = search.ask()
    searching.objective(trial)  # and it dies before it can tell
    found = finished(searching, search, optuna.Trial(search, trial._trial_id))
    assert found.values == undisturbed.values
    assert Acting.epochs == EPOCHS
