"""Writing many attributes of a study at once."""

from __future__ import annotations

from typing import Any

import optuna

from optnas.storages.guarded import Guarded
from optnas.trials.optuna_internals import identity

__all__ = ["write_study_attributes"]


def write_study_attributes(study: optuna.Study, attributes: dict[str, Any]) -> None:
    """Write system attributes of a study, in one transaction where its storage has them."""
    storage, study_id = identity(study)
    if not attributes:
        return
    if isinstance(storage, Guarded):
        storage.write_study_attributes(study_id, attributes)
    else:
        for name, value in attributes.items():
            storage.set_study_system_attr(study_id, name, value)
