"""Trained weights of trials in an artifact store, for the trials that inherit them."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import optuna
from optuna.trial import FrozenTrial, Trial
from torch import Tensor, nn

from optnas.checkpoints.store import Kept
from optnas.trials.optuna_internals import cached_trials, frozen
from optnas.trials.record import WEIGHTS

if TYPE_CHECKING:
    from optnas.trials.optuna_internals import ArtifactStore

__all__ = ["keep_weights", "read_weights", "remove_weights"]

# The trials of a study whose weights this process has removed.
_removed: WeakKeyDictionary[optuna.Study, set[int]] = WeakKeyDictionary()


def keep_weights(store: ArtifactStore, trial: Trial, module: nn.Module) -> None:
    """Write the weights of a trial's network to the store, and their name to its record.

    Raises:
        StoreError: If they cannot be written.
    """
    name = WEIGHTS.of(frozen(trial))
    if name is None:
        # The name is recorded first: weights whose name is lost would never be found or removed.
        name = uuid.uuid4().hex
        WEIGHTS.put(trial, name)
    _kept(store, name).keep({"weights": dict(module.state_dict())})


def read_weights(store: ArtifactStore, trial: FrozenTrial) -> dict[str, Tensor] | None:
    """Return the weights that a trial left, by name; ``None`` if they are not, or no longer, there.

    Raises:
        StoreError: If the store cannot be read.
    """
    name = WEIGHTS.of(trial)
    found: dict[str, Tensor] | None = None if name is None else _kept(store, name).last(_weights)
    return found


def remove_weights(store: ArtifactStore, study: optuna.Study, wanted: Collection[int]) -> None:
    """Remove the weights of all finished trials but the ``wanted`` ones; errors of the store are ignored."""
    removed = _removed.setdefault(study, set())
    for trial in cached_trials(study):
        number = trial.number
        if trial.state.is_finished() and number not in wanted and number not in removed:
            removed.add(number)
            if (name := WEIGHTS.of(trial)) is not None:
                _kept(store, name).remove()


def _kept(store: ArtifactStore, name: str) -> Kept:
    return Kept(store, f"weights-{name}", lambda found: 0)


def _weights(content: dict[str, object]) -> dict[str, Tensor]:
    weights = content["weights"]
    if not isinstance(weights, dict) or not all(isinstance(each, Tensor) for each in weights.values()):
        raise ValueError("it holds no weights")
    return weights
