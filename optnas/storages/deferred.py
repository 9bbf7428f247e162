"""Writes to a trial that are collected while it is decided, and written in one transaction."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, cast

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.storages import BaseStorage
from optuna.trial import Trial, TrialState

from optnas.errors import StorageError
from optnas.storages.guarded import Guarded
from optnas.trials.optuna_internals import (
    after_trial,
    cached_trials,
    final_values,
    frozen,
    id_of,
    identity,
    read_before,
)
from optnas.trials.writes import Writes

__all__ = ["at_once", "deciding", "defer", "finish", "write_collected"]


class Deferred:
    """Stand-in for the storage of a running trial, which collects the writes to the trial.

    Everything else goes to the storage. What is not written yet is lost with the process.

    Args:
        trial: The trial.
        storage: Its storage.
    """

    def __init__(self, trial: Trial, storage: Guarded) -> None:
        self.storage = storage
        self._trial = trial
        self._writes = Writes()
        self._is_through = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def set_trial_param(self, trial_id: int, name: str, value: float, distribution: BaseDistribution) -> None:
        self._check(name, distribution)
        self._writes.params[name] = value, distribution
        self._collected()

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._writes.user_attrs[key] = copy.deepcopy(value)
        self._collected()

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._writes.system_attrs[key] = copy.deepcopy(value)
        self._collected()

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        self._writes.intermediate_values[step] = intermediate_value
        self.write()

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        stored = cast(BaseStorage, self.storage).get_trial_system_attrs(trial_id)
        return {**stored, **self._writes.system_attrs}

    def write(self, state: TrialState | None = None, values: Sequence[float] | None = None) -> None:
        """Write what was collected, together with the state that the trial ends in, if one is given."""
        trial_id, collected = id_of(self._trial), self._writes
        writes = dataclasses.replace(collected, state=state, values=values)
        try:
            if writes:
                self.storage.write_together(trial_id, writes)
        except StorageError:
            raise  # it is written with what comes next
        except Exception:
            # The database does not take one of them, such as too long a text: those before it are written.
            self._writes = Writes()
            with suppress(Exception):
                collected.one_by_one(cast(BaseStorage, self.storage), trial_id)
            raise
        self._writes = Writes()

    @contextmanager
    def through(self) -> Iterator[None]:
        """See :func:`at_once`."""
        self.write()
        before, self._is_through = self._is_through, True
        try:
            yield
        finally:
            self._is_through = before

    def _collected(self) -> None:
        if self._is_through:
            self.write()

    def _check(self, name: str, distribution: BaseDistribution) -> None:
        """Raise ``ValueError``, as storages do, if another trial has another kind of values."""
        study = self._trial.study
        known = self.storage.distributions.setdefault(identity(study)[1], {})
        if name not in known:
            others = (trial.distributions for trial in cached_trials(study))
            known[name] = next((each[name] for each in others if name in each), distribution)
        check_distribution_compatibility(known[name], distribution)


def defer(trial: Trial) -> bool:
    """Collect what is written to a running trial from now on; return whether its storage can.

    It is written by :func:`write_collected`, :func:`at_once`, with each intermediate value and by
    :func:`finish`.
    """
    storage = trial.storage
    if isinstance(storage, Guarded):
        trial.storage = cast(BaseStorage, Deferred(trial, storage))
        return True
    return False


@contextmanager
def deciding(trial: Trial) -> Iterator[None]:
    """Collect what is written to a trial, and read the study's trials once.

    They are those that :func:`~optnas.trials.optuna_internals.cache_trials` was given, and are read anew once
    something is written. What is still collected in the end is written then, unless the caller had begun to
    collect before.
    """
    storage = trial.storage
    begun = defer(trial)
    _keep_read(trial)
    try:
        yield
    except (StorageError, KeyboardInterrupt):
        raise  # the trial is taken over, or put back
    except BaseException:
        if begun:
            write_collected(trial)
        raise
    else:
        if begun:
            write_collected(trial)
    finally:
        _read_anew(trial)
        if begun:
            trial.storage = storage


def write_collected(trial: Trial) -> None:
    """Write to the storage what was collected; other workers see it, and this one what others wrote."""
    _read_anew(trial)
    storage: Any = trial.storage
    if isinstance(storage, Deferred):
        storage.write()


@contextmanager
def at_once(trial: Trial) -> Iterator[None]:
    """Write what was collected, and inside the context everything when it comes."""
    _read_anew(trial)
    storage: Any = trial.storage
    if isinstance(storage, Deferred):
        with storage.through():
            yield
    else:
        yield


def finish(trial: Trial, state: TrialState, values: Sequence[float] | None) -> None:
    """End a trial as ``study.tell`` does, but with all that was collected in one transaction.

    Raises:
        UpdateFinishedTrialError: If it is finished already.
        ValueError: If it does not run, or the values are none of the study's objectives.
    """
    stored = final_values(trial, state, values)
    storage: Any = trial.storage
    try:
        after_trial(trial, state, stored)
    finally:
        if isinstance(storage, Deferred):
            storage.write(state, stored)
        else:
            storage.set_trial_state_values(id_of(trial), state, stored)


def _keep_read(trial: Trial) -> None:
    storage, study_id = identity(trial.study)
    trials = read_before(trial.study)
    if trials is not None and isinstance(storage, Guarded):
        own = frozen(trial)
        storage.as_read.trials[study_id] = [*trials[: own.number], own, *trials[own.number + 1 :]]


def _read_anew(trial: Trial) -> None:
    storage, study_id = identity(trial.study)
    if isinstance(storage, Guarded):
        storage.as_read.trials.pop(study_id, None)
