"""Access to Optuna's private attributes, which no other file uses.

Optuna has no public way to do what these functions do; a new release of it is checked against this file
alone, and against the other files of this room whose names begin with ``optuna_``.
"""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna.pruners import _filter_study
from optuna.storages import BaseStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.study import Study
from optuna.study._constrained_optimization import _CONSTRAINTS_KEY
from optuna.study._frozen import FrozenStudy
from optuna.study._tell import _check_values_are_feasible
from optuna.trial import FrozenTrial, Trial, TrialState

from optnas.shared_code import shared_code

if TYPE_CHECKING:
    from optuna.artifacts._protocol import ArtifactStore

__all__ = [
    "OPERATIONS",
    "TRIAL_WRITES",
    "ArtifactStore",
    "StudyView",
    "after_trial",
    "backend_of",
    "before_trial",
    "cache_trials",
    "cached_trials",
    "call_back",
    "completed_with",
    "constrain",
    "final_values",
    "fix_params",
    "fixed_params",
    "frozen",
    "id_of",
    "identity",
    "latest",
    "new_trial",
    "read_before",
    "running_trial",
    "serve_storage",
    "set_channel",
    "set_redis_client",
    "set_study_system_attr",
    "set_system_attr",
    "set_user_attr",
    "storage_of",
    "study_system_attrs",
    "with_system_attrs",
]


OPERATIONS = (
    *sorted(
        name
        for name, method in vars(BaseStorage).items()
        if callable(method) and not name.startswith("_")
        if name not in ("remove_session", "check_trial_is_updatable")
    ),
    "_create_new_trial",
    "_get_best_trial_id",
    "_get_trials",
    "_set_trial_param",
    "get_trial_counts",
    "get_unfinished",
    "write_study_attributes",
    "write_together",
)
"""Names of methods of storages, each one transaction: those that Optuna and its cache call, and optnas's."""

TRIAL_WRITES = (
    "set_trial_intermediate_value",
    "set_trial_param",
    "set_trial_state_values",
    "set_trial_system_attr",
    "set_trial_user_attr",
    "_set_trial_param",
    "write_together",
)
"""Those that write to one trial, whose id comes first."""


def storage_of(study: Study) -> BaseStorage:
    """Return the storage that a study is kept in."""
    return study._storage


def identity(study: Study) -> tuple[BaseStorage, int]:
    """Return a key that identifies a study in this process: its storage and its id there."""
    return study._storage, study._study_id


def backend_of(storage: BaseStorage) -> BaseStorage:
    """Return the storage behind Optuna's cache, or ``storage`` itself if it has no cache."""
    return storage._backend if isinstance(storage, _CachedStorage) else storage


def study_system_attrs(study: Study) -> dict[str, Any]:
    """Return all system attributes of a study, notes and figures of optuna-dashboard among them."""
    return study._storage.get_study_system_attrs(study._study_id)


def set_study_system_attr(study: Study, name: str, value: Any) -> None:
    """Write a system attribute of a study."""
    study._storage.set_study_system_attr(study._study_id, name, value)


def cached_trials(study: Study, *states: TrialState) -> list[FrozenTrial]:
    """Return the trials in ``states``, by default all, as the current trial's thread read them last."""
    return study._get_trials(deepcopy=False, states=states or None, use_cache=True)


def cache_trials(study: Study, trials: list[FrozenTrial]) -> None:
    """Set the trials that :func:`cached_trials` returns in this thread; they were read just now."""
    study._thread_local.cached_all_trials = trials


def read_before(study: Study) -> list[FrozenTrial] | None:
    """Return the trials that :func:`cached_trials` would return without reading them; else ``None``."""
    return study._thread_local.cached_all_trials


def call_back(
    study: Study, callbacks: Sequence[Callable[[Study, FrozenTrial], None]], trial: FrozenTrial
) -> bool:
    """Call callbacks as ``study.optimize`` does; return whether one called ``study.stop()``."""
    study._thread_local.in_optimize_loop = True
    study._stop_flag = False
    try:
        for callback in callbacks:
            callback(study, copy.deepcopy(trial))
    finally:
        study._thread_local.in_optimize_loop = False
    return study._stop_flag


def id_of(record: Trial | FrozenTrial | FrozenStudy) -> int:
    """Return the id of a trial, which is not its number, or of a study in its storage."""
    return record._study_id if isinstance(record, FrozenStudy) else record._trial_id


def frozen(trial: Trial) -> FrozenTrial:
    """Return a running trial's record as this process knows it, without reading the storage."""
    return trial._cached_frozen_trial


def latest(trial: Trial) -> FrozenTrial:
    """Return a running trial's record with everything written to it, as ``trial.should_prune`` reads it."""
    return trial._get_latest_trial()


def set_redis_client(journal: Any, client: Any) -> None:
    """Let a ``JournalRedisBackend`` use another client of the Redis server."""
    journal._redis = client


def set_channel(proxy: Any, channel: Any) -> None:
    """Let a ``GrpcStorageProxy`` use another channel to its server."""
    from optuna.storages._grpc.auto_generated.api_pb2_grpc import StorageServiceStub
    from optuna.storages._grpc.client import GrpcClientCache

    proxy._channel = channel
    proxy._stub = StorageServiceStub(channel)  # type: ignore[no-untyped-call]
    proxy._cache = GrpcClientCache(proxy._stub)


def serve_storage(storage: BaseStorage, server: Any) -> None:
    """Let a ``grpc.Server`` answer for a storage as ``run_grpc_proxy_server`` does."""
    from optuna.storages._grpc.auto_generated.api_pb2_grpc import add_StorageServiceServicer_to_server
    from optuna.storages._grpc.servicer import OptunaStorageProxyService

    answers = OptunaStorageProxyService(storage)
    add_StorageServiceServicer_to_server(answers, server)  # type: ignore[no-untyped-call]


def new_trial(study: Study, template: FrozenTrial) -> FrozenTrial:
    """Create a trial with the template's state and attributes, and return its record."""
    storage, study_id = study._storage, study._study_id
    trial_id = storage.create_new_trial(study_id, template)
    if isinstance(storage, _CachedStorage):
        created = storage._studies[study_id].trials[storage._trial_id_to_study_id_and_number[trial_id][1]]
    else:
        created = storage.get_trial(trial_id)
    return copy.deepcopy(created)


def running_trial(study: Study, record: FrozenTrial) -> Trial:
    """Return a running trial of a record that was read just now; :func:`before_trial` is to be called."""
    trial = Trial.__new__(Trial)
    trial.study, trial.storage, trial._trial_id = study, study._storage, record._trial_id
    trial._cached_frozen_trial = record
    trial.relative_search_space = trial._relative_params = None
    trial._fixed_params = record.system_attrs.get("fixed_params", {})
    return trial


def before_trial(trial: Trial) -> None:
    """Tell the sampler that a trial begins, as ``Trial`` does."""
    record = trial._cached_frozen_trial
    with shared_code(trial.study.sampler):
        trial.study.sampler.before_trial(_filter_study(trial.study, record), record)


def final_values(trial: Trial, state: TrialState, values: Sequence[float] | None) -> list[float] | None:
    """Return the values to store of a trial that ends: of a pruned one, its last intermediate value.

    Raises:
        ValueError: If there are more or fewer values than objectives, or one is none.
    """
    study, record = trial.study, trial._cached_frozen_trial
    if state == TrialState.PRUNED and record.last_step is not None:
        last = [record.intermediate_values[record.last_step]]
        values = last if _check_values_are_feasible(study, last) is None else None
    elif values is not None and (wrong := _check_values_are_feasible(study, values)) is not None:
        raise ValueError(wrong)
    return None if values is None else [float(value) for value in values]


def after_trial(trial: Trial, state: TrialState, values: Sequence[float] | None) -> None:
    """Tell the sampler that a trial ends, as ``study.tell`` does."""
    record = trial._get_latest_trial()
    study = _filter_study(trial.study, record)
    with shared_code(study.sampler):
        study.sampler.after_trial(study, record, state, values)


# In place of an infinite violation, with which no sampler can calculate.
_MOST_VIOLATED = 1e9


def constrain(trial: Trial, name: str, violation: float) -> None:
    """Set a constraint as ``trial.set_constraint`` does, but without reading the storage.

    A trial that is taken over from a worker that died may have it already, and keeps that.
    """
    key = f"{_CONSTRAINTS_KEY}:{name}"
    if key not in trial._cached_frozen_trial.system_attrs:
        if math.isnan(violation):
            raise ValueError(f"Attempted to set a constraint for {name!r}, but NaN is not allowed.")
        violation = min(violation, _MOST_VIOLATED)
        trial.storage.set_trial_system_attr(trial._trial_id, key, float(violation))
        trial._cached_frozen_trial.system_attrs[key] = float(violation)


def set_user_attr(study: Study, trial: FrozenTrial, name: str, value: Any) -> None:
    """Write a user attribute of any trial, also one that another process runs."""
    study._storage.set_trial_user_attr(trial._trial_id, name, value)


def set_system_attr(study: Study, trial: Trial | FrozenTrial, name: str, value: Any) -> None:
    """Write a system attribute of a running trial, which dashboards do not show."""
    storage = trial.storage if isinstance(trial, Trial) else study._storage
    storage.set_trial_system_attr(trial._trial_id, name, value)


def fix_params(trial: Trial, params: Mapping[str, Any]) -> None:
    """Fix a trial's parameters, as ``study.enqueue_trial`` does for a waiting trial.

    ``trial.suggest_…`` returns ``params`` from then on.
    """
    set_system_attr(trial.study, trial, "fixed_params", params)
    trial._fixed_params = dict(params)


def fixed_params(trial: Trial) -> dict[str, Any]:
    """Return the parameters fixed before the trial began, as ``study.enqueue_trial`` does."""
    if not isinstance(trial._fixed_params, dict):
        trial._fixed_params = {}  # damaged
    return dict(trial._fixed_params)


def completed_with(trial: FrozenTrial, values: Sequence[float]) -> FrozenTrial:
    """Return a copy of a pruned trial as a complete one with ``values``."""
    shown = copy.copy(trial)
    shown.state = TrialState.COMPLETE
    shown._values = list(values)
    return shown


def with_system_attrs(trial: FrozenTrial, attributes: Mapping[str, Any]) -> FrozenTrial:
    """Return a copy of ``trial`` with other system attributes."""
    shown = copy.copy(trial)
    shown._system_attrs = dict(attributes)
    return shown


class StudyView(Study):
    """View of a study for a sampler: the same storage, but other records of some trials.

    Args:
        study: The study itself.
    """

    def __init__(self, study: Study) -> None:
        self.__dict__.update(study.__dict__)

    @abstractmethod
    def replaced(self, trials: list[FrozenTrial]) -> Mapping[int, FrozenTrial]:
        """Return the records to show in place of some in ``trials``, by the trial's number."""

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        trials = super()._get_trials(deepcopy=False, use_cache=use_cache)
        others = self.replaced(trials)
        shown = [others.get(trial.number, trial) for trial in trials]
        if states is not None:
            shown = [trial for trial in shown if trial.state in states]
        return copy.deepcopy(shown) if deepcopy else shown
