"""Cache of trials in front of a database, which forgets a deleted study; by private attributes of Optuna."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage, _StudyInfo
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from optnas.trials.optuna_rows import Replaced, read_attributes, read_new

__all__ = ["CachedStorage"]


class CachedStorage(_CachedStorage):
    """Optuna's cache of finished trials in front of an ``RDBStorage``.

    Unlike Optuna's, it knows trials that another process created, as a proxy's clients do before a restart,
    and forgets those of a study that another process deleted, whose id SQLite gives to the next one.
    """

    def __init__(self, database: RDBStorage) -> None:
        super().__init__(database)
        # By study, the finished trial of the largest id.
        self._last: dict[int, FrozenTrial] = {}

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        study_id = self._backend.create_new_study(directions=directions, study_name=study_name)
        with self._lock:
            self.forget(study_id)
        return study_id

    def delete_study(self, study_id: int) -> None:
        with self._lock:
            self.forget(study_id)
        self._backend.delete_study(study_id)

    # Not kept: they are asked for once by a study that is loaded, which may have been made anew.
    def get_study_name_from_id(self, study_id: int) -> str:
        return self._backend.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._backend.get_study_directions(study_id)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        if trial_id in self._trial_id_to_study_id_and_number:
            super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
        else:
            self._backend.set_trial_param(trial_id, param_name, param_value_internal, distribution)

    def glance(self, study_id: int, system: str, user: str) -> tuple[list[FrozenTrial], int]:
        """Read the unfinished trials with a system and a user attribute alone, and count all trials.

        What else is read of them is not remembered. It is one statement for few rows.
        """
        with self._lock:
            found = self._news(
                study_id, lambda *known: read_attributes(self._backend, study_id, system, user, *known)
            )
            known = self._studies[study_id].trials
            count = len(known) + sum(trial.number not in known for trial in found)
        return [trial for trial in found if not trial.state.is_finished()], count

    def forget(self, study_id: int) -> None:
        """Forget a study and its trials; called while the cache is locked."""
        for number, trial in self._studies.pop(study_id, _StudyInfo()).trials.items():
            if self._trial_id_to_study_id_and_number.get(trial._trial_id) == (study_id, number):
                del self._trial_id_to_study_id_and_number[trial._trial_id]
            self._study_id_and_number_to_trial_id.pop((study_id, number), None)
        self._last.pop(study_id, None)

    def _read_trials_from_remote_storage(self, study_id: int) -> None:
        with self._lock:
            trials = self._news(study_id, lambda *known: read_new(self._backend, study_id, *known))
            self._add_trials_to_cache(study_id, trials)
            unfinished = self._studies[study_id].unfinished_trial_ids
            for trial in trials:
                if not trial.state.is_finished():
                    unfinished.add(trial._trial_id)
                    continue
                unfinished.discard(trial._trial_id)
                if study_id not in self._last or trial._trial_id > self._last[study_id]._trial_id:
                    self._last[study_id] = trial

    def _news(
        self, study_id: int, read: Callable[[Collection[int], FrozenTrial | None], list[FrozenTrial]]
    ) -> list[FrozenTrial]:
        """Read the trials that are new or may have changed; all of them if the study was made anew."""
        study = self._studies.setdefault(study_id, _StudyInfo())
        try:
            return read(study.unfinished_trial_ids, self._last.get(study_id))
        except KeyError:
            self.forget(study_id)
            raise
        except Replaced:
            self.forget(study_id)
        self._studies[study_id] = _StudyInfo()
        return read((), None)
