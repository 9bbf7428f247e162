"""Guarding of every operation of an Optuna storage: it waits, is fenced, and may be tried again."""

from __future__ import annotations

import copy
import functools
import threading
from collections.abc import Callable, Container, Sequence
from datetime import datetime
from typing import Any, TypeVar

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from optnas.errors import StorageError
from optnas.storages.passing import is_of_storage
from optnas.storages.waiting import Guard
from optnas.trials.optuna_internals import OPERATIONS, TRIAL_WRITES, id_of
from optnas.trials.optuna_reading import unreadable
from optnas.trials.writes import Writes

__all__ = ["Guarded", "guarded", "trial_counts"]

_Storage = TypeVar("_Storage", bound=type[BaseStorage])


class Unfenced(threading.local):
    """Whether this thread writes to fenced trials."""

    here = False


class AsRead(threading.local):
    """The trials of studies that are not read again while a trial of this thread is decided."""

    def __init__(self) -> None:
        self.trials: dict[int, list[FrozenTrial]] = {}


class Guarded:
    """Base class of storages whose operations wait while the storage is away.

    Attributes:
        guard: Runs each operation.
        fences: For trials that are fenced: what is called before each write to them.
        unfenced: Whether this thread passes them.
        as_read: What reading all trials of a study returns in this thread for now, by the study's id.
        distributions: By the study's id, the distribution that the first trial has of each parameter.
    """

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.fences: dict[int, Callable[[], None]] = {}
        self.unfenced = Unfenced()
        self.as_read = AsRead()
        self.distributions: dict[int, dict[str, BaseDistribution]] = {}

    def write_together(self, trial_id: int, writes: Writes) -> None:
        """Write to a trial in one transaction, or one record after the other where the storage has none."""
        assert isinstance(self, BaseStorage)
        writes.one_by_one(self, trial_id)

    def write_study_attributes(self, study_id: int, attributes: dict[str, Any]) -> None:
        """Write system attributes of a study, in one transaction where the storage has them."""
        assert isinstance(self, BaseStorage)
        for name, value in attributes.items():
            self.set_study_system_attr(study_id, name, value)

    def get_unfinished(self, study_id: int, system: str, user: str) -> tuple[list[FrozenTrial], int]:
        """Return a study's unfinished trials, and the number of all its trials.

        Of each may be read no more than its state, one system attribute and one user attribute.
        """
        assert isinstance(self, BaseStorage)
        trials = self.get_all_trials(study_id, deepcopy=False)
        return [trial for trial in trials if not trial.state.is_finished()], len(trials)

    def get_trial_counts(self) -> dict[int, tuple[int, datetime | None]]:
        """Return the number of trials of each study that has one, and when the first began, by its id."""
        assert isinstance(self, BaseStorage)
        return _counts(self)

    def after_operation(self) -> None:
        """Called after each operation that succeeded."""


def trial_counts(storage: BaseStorage) -> dict[int, tuple[int, datetime | None]]:
    """Return what :meth:`Guarded.get_trial_counts` does, of any storage."""
    return storage.get_trial_counts() if isinstance(storage, Guarded) else _counts(storage)


def _counts(storage: BaseStorage) -> dict[int, tuple[int, datetime | None]]:
    counts = {}
    for study in storage.get_all_studies():
        trials = storage.get_all_trials(id_of(study), deepcopy=False)
        begun = [trial.datetime_start for trial in trials if trial.datetime_start is not None]
        counts[id_of(study)] = (len(trials), min(begun, default=None))
    return counts


def guarded(storage: _Storage) -> _Storage:
    """Class decorator: let each operation of an Optuna storage go through its :class:`Guard`.

    Each is one transaction, or one record of a journal. One that is tried again after an error may have been
    done nevertheless, if only the answer was lost; then it is not done twice.
    """
    for name in OPERATIONS:
        method = getattr(storage, name, None)
        if method is not None:
            if name.startswith(("get_", "_get_")) and "best" not in name:
                method = _reading(method)
            if name == "get_all_trials":
                method = _read_once(method)
            setattr(storage, name, _guarded(name, method))
    return storage


def _reading(method: Callable[..., Any]) -> Callable[..., Any]:
    """Raise what goes wrong in a method that reads as damage, except that there is no such study or trial."""

    @functools.wraps(method)
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            if isinstance(error, KeyError | StorageError) or is_of_storage(error):
                raise
            raise unreadable("a record", error) from error

    return read


def _read_once(method: Callable[..., list[FrozenTrial]]) -> Callable[..., list[FrozenTrial]]:
    @functools.wraps(method)
    def get_all_trials(
        self: Any, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        trials = self.as_read.trials.get(study_id)
        if trials is None:
            return method(self, study_id, deepcopy, states)
        shown = [trial for trial in trials if states is None or trial.state in states]
        return copy.deepcopy(shown) if deepcopy else shown

    return get_all_trials


def _guarded(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    done_before = _DONE_BEFORE.get(name)

    @functools.wraps(method)
    def operation(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.guard.is_inside:
            return method(self, *args, **kwargs)

        def attempt() -> Any:
            if name in TRIAL_WRITES and not self.unfenced.here:
                fence = self.fences.get(args[0] if args else kwargs["trial_id"])
                if fence is not None:
                    fence()
            if self.guard.retries and done_before is not None:
                done = done_before(self, *args, **kwargs)
                if done is not None:
                    return done
            return method(self, *args, **kwargs)

        result = self.guard(attempt)
        self.after_operation()
        return result

    return operation


def _trial_there(
    storage: BaseStorage, study_id: int, template_trial: FrozenTrial | None = None
) -> FrozenTrial | None:
    """Return the trial of a template if it was created already.

    The template of a claim has a token in it, and that of an enqueued trial its parameters; of trials with
    neither, one too many may be created.
    """
    if template_trial is None or not (template_trial.user_attrs or template_trial.system_attrs):
        return None
    for trial in reversed(storage.get_all_trials(study_id, deepcopy=False)):
        if (
            trial.state == template_trial.state
            and trial.user_attrs == template_trial.user_attrs
            and trial.system_attrs == template_trial.system_attrs
        ):
            return trial
    return None


def _trial_id_there(
    storage: BaseStorage, study_id: int, template_trial: FrozenTrial | None = None
) -> int | None:
    trial = _trial_there(storage, study_id, template_trial)
    return None if trial is None else id_of(trial)


def _state_there(
    storage: BaseStorage, trial_id: int, state: TrialState, values: Sequence[float] | None = None
) -> bool | None:
    """Return whether a trial has a state and values already; ``None`` if it has others.

    A trial that is to run, and runs now, was set so by the attempt before: others claim it first.
    """
    trial = storage.get_trial(trial_id)
    same = trial.state == state and (values is None or list(trial.values or ()) == list(values))
    return True if same else None


def _written_there(storage: BaseStorage, trial_id: int, writes: Writes) -> bool | None:
    return None if writes.state is None else _state_there(storage, trial_id, writes.state, writes.values)


_DONE_BEFORE: dict[str, Callable[..., Any]] = {
    "create_new_trial": _trial_id_there,
    "_create_new_trial": _trial_there,
    "set_trial_state_values": _state_there,
    "write_together": _written_there,
}
"""For operations that may not be done twice: returns what the attempt before did, ``None`` if nothing."""
