"""Trained weights are kept for the trials that inherit them, and removed when no trial will."""

from __future__ import annotations

import optuna
import pytest
import torch
from torch import nn

from optnas.checkpoints.store import StoreError
from optnas.inherit.keeping import keep_weights, read_weights, remove_weights
from optnas.trials.record import WEIGHTS
from tests.faults import Bucket


def begun(store: Bucket, trials: int) -> optuna.Study:
    """Return a study of so many trials that left their weights, each filled with its number."""
    study = optuna.create_study()
    for number in range(trials):
        trial, layer = study.ask(), nn.BatchNorm1d(2)
        nn.init.constant_(layer.weight, number)
        keep_weights(store, trial, layer)
        study.tell(trial, 0.0)
    return study


def test_weights_and_statistics_are_read_by_whoever_has_the_store():
    store = Bucket()
    study = begun(store, 2)
    found = read_weights(store, study.trials[1])
    assert set(found) == {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
    assert found["weight"].tolist() == [1.0, 1.0]
    assert read_weights(Bucket(), study.trials[1]) is None


def test_only_what_is_wanted_stays():
    store = Bucket()
    study = begun(store, 4)
    remove_weights(store, study, {1, 3})
    assert [read_weights(store, trial) is not None for trial in study.trials] == [False, True, False, True]
    assert len(store.held) == 2


def test_damaged_weights_are_none():
    store = Bucket()
    study = begun(store, 1)
    for name in store.held:
        store.held[name] = store.held[name][:-1]
    assert read_weights(store, study.trials[0]) is None


def test_a_trial_without_weights_has_none():
    study = optuna.create_study()
    study.tell(study.ask(), 0.0)
    assert WEIGHTS.of(study.trials[0]) is None
    assert read_weights(Bucket(), study.trials[0]) is None


def test_a_store_that_fails_says_so():
    store = Bucket()
    store.fails = OSError(28, "No space left on device")
    with pytest.raises(StoreError, match="No space left"):
        keep_weights(store, optuna.create_study().ask(), nn.Linear(1, 1))


def test_weights_written_twice_for_one_trial_are_the_last_ones():
    store, study = Bucket(), optuna.create_study()
    trial = study.ask()
    for value in (1.0, 2.0):
        layer = nn.Linear(1, 1)
        nn.init.constant_(layer.weight, value)
        keep_weights(store, optuna.Trial(study, trial._trial_id), layer)
    assert torch.equal(read_weights(store, study.trials[0])["weight"], torch.tensor([[2.0]]))
    assert len(store.held) == 1
