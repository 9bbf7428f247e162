"""Kinds of attributes of trials and studies: where one is stored, and whether its value is accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import optuna
from optuna.trial import FrozenTrial, Trial

from optnas.trials.accepted import Accepts, damaged
from optnas.trials.optuna_internals import (
    frozen,
    set_study_system_attr,
    set_system_attr,
    set_user_attr,
    study_system_attrs,
)

__all__ = ["Attribute", "HiddenAttribute", "StudyAttribute", "StudySystemAttribute", "SystemAttribute"]

_Value = TypeVar("_Value")


class Attribute(Generic[_Value]):
    """User attribute of a trial.

    A value of another kind than optnas writes is ignored, as a missing one is, and told once.

    Args:
        name: Its name in the storage.
        accepts: Whether a value is of the right kind.
    """

    def __init__(self, name: str, accepts: Accepts) -> None:
        self.name = name
        self._accepts = accepts

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def of(self, trial: FrozenTrial) -> _Value | None:
        """Return the attribute's value in a trial's record; ``None`` if it is missing."""
        value: _Value | None = self._stored(trial).get(self.name)
        if value is None or self._accepts(value):
            return value
        damaged(f"trial {trial.number}", self.name)
        return None

    def get(self, trial: FrozenTrial, default: _Value) -> _Value:
        """Return the attribute's value in a trial's record, or ``default`` if it is missing."""
        value = self.of(trial)
        return default if value is None else value

    def put(self, trial: Trial, value: _Value | None) -> None:
        """Write the attribute to the record of a running trial."""
        trial.set_user_attr(self.name, value)

    def put_in(self, study: optuna.Study, trial: FrozenTrial, value: _Value | None) -> None:
        """Write the attribute to the record of any trial, also one that another process runs."""
        set_user_attr(study, trial, self.name, value)

    def _stored(self, trial: FrozenTrial) -> dict[str, Any]:
        return trial.user_attrs


class SystemAttribute(Attribute[_Value]):
    """System attribute of a trial, for programs alone: dashboards do not show it."""

    def put(self, trial: Trial, value: _Value | None) -> None:
        set_system_attr(trial.study, trial, self.name, value)

    def put_in(self, study: optuna.Study, trial: FrozenTrial, value: _Value | None) -> None:
        set_system_attr(study, trial, self.name, value)

    def _stored(self, trial: FrozenTrial) -> dict[str, Any]:
        return trial.system_attrs


class HiddenAttribute(SystemAttribute[_Value]):
    """System attribute that an older optnas wrote as a user attribute: a trial that has that one keeps it.

    It is in one place alone, so that a worker of an older optnas sees who took its trial over.

    Args:
        name: The name of the user attribute; its own is that after ``optnas:``.
        accepts: Whether a value is of the right kind.
    """

    def __init__(self, name: str, accepts: Accepts) -> None:
        super().__init__(f"optnas:{name}", accepts)
        self.older = Attribute[_Value](name, accepts)

    def of(self, trial: FrozenTrial) -> _Value | None:
        return self.older.of(trial) if self._is_older(trial) else super().of(trial)

    def put(self, trial: Trial, value: _Value | None) -> None:
        if self._is_older(frozen(trial)):
            self.older.put(trial, value)
        else:
            super().put(trial, value)

    def put_in(self, study: optuna.Study, trial: FrozenTrial, value: _Value | None) -> None:
        if self._is_older(trial):
            self.older.put_in(study, trial, value)
        else:
            super().put_in(study, trial, value)

    def _is_older(self, trial: FrozenTrial) -> bool:
        return self.older.name in trial.user_attrs


class StudyAttribute(Generic[_Value]):
    """User attribute of a study.

    A value of another kind than optnas writes is ignored, as a missing one is, and told once.

    Args:
        name: Its name in the storage.
        accepts: Returns what accepts its value in a study of that many objectives.
    """

    def __init__(self, name: str, accepts: Callable[[int], Accepts]) -> None:
        self.name = name
        self._accepts = accepts

    def of(self, study: optuna.Study) -> _Value | None:
        """Return the attribute's value; ``None`` if it is missing."""
        value: _Value | None = self._stored(study).get(self.name)
        if value is None or self._accepts(len(study.directions))(value):
            return value
        damaged(f"study {study.study_name}", self.name)
        return None

    def is_damaged(self, study: optuna.Study) -> bool:
        """Return whether there is a value of another kind than optnas writes; nothing is told."""
        value = self._stored(study).get(self.name)
        return value is not None and not self._accepts(len(study.directions))(value)

    def put(self, study: optuna.Study, value: _Value) -> None:
        """Write the attribute to the study's record."""
        study.set_user_attr(self.name, value)

    def _stored(self, study: optuna.Study) -> dict[str, Any]:
        return study.user_attrs


class StudySystemAttribute(StudyAttribute[_Value]):
    """System attribute of a study, which dashboards do not show; notes and figures stand beside it."""

    def put(self, study: optuna.Study, value: _Value) -> None:
        set_study_system_attr(study, self.name, value)

    def _stored(self, study: optuna.Study) -> dict[str, Any]:
        return study_system_attrs(study)
