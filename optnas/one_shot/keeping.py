"""The state of a supernet's training in an artifact store, so that any worker can go on with it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor

from optnas.checkpoints.plain import from_plain, to_plain
from optnas.checkpoints.store import Kept, StoreError
from optnas.errors import UserError
from optnas.one_shot.problem import Problem
from optnas.one_shot.strategy import Strategy
from optnas.shown import notice

if TYPE_CHECKING:
    from optnas.trials.optuna_internals import ArtifactStore

__all__ = ["Keeping", "kept_weights"]

# At the latest after so many seconds a state is written, and earlier where that takes a small share of the
# time: a worker may be stopped at any moment.
_EVERY_SECONDS = 20.0
_SHARE = 0.02


class Keeping:
    """Keeps a supernet's training where a study keeps its checkpoints, if it keeps any.

    Args:
        problem: The problem, with the store and the study's name.
        settings: What has to be equal for a training to go on from another one's state.
    """

    def __init__(self, problem: Problem, settings: str) -> None:
        training = problem.training
        same = f"{problem.name} {settings} {problem.space} {training.tree} {training.own_functions}"
        digest = hashlib.blake2b(same.encode(), digest_size=8)
        name = f"supernet-{digest.hexdigest()}"
        self._kept = None if problem.store is None else _kept(problem.store, name)
        self._name = name
        self._last, self._pause = time.monotonic(), 0.0

    @property
    def name(self) -> str | None:
        """The name of the state in the store; ``None`` if it is not kept."""
        return None if self._kept is None else self._name

    def resume(self, make: Callable[[], Strategy]) -> tuple[Strategy, float]:
        """Return a strategy that goes on from the last state, and the seconds that were spent until then.

        Args:
            make: Makes the strategy as it begins.
        """
        strategy = make()
        if self._kept is None:
            return strategy, 0.0
        try:
            found: dict[str, Any] | None = self._kept.last(_read)
            if found is None:
                return strategy, 0.0
            strategy.restore(found["state"])
        except (StoreError, UserError, KeyError, TypeError, ValueError, RuntimeError) as error:
            why = " ".join(str(error).split())
            notice(f"the supernet's training begins anew, as its state cannot be used: {why}")
            return make(), 0.0  # a part of the state may have been taken over
        return strategy, float(found["seconds"])

    def keep(self, strategy: Strategy, seconds: float, *, at_once: bool = False) -> None:
        """Write the state, if the last one is some time ago or it is to be written ``at_once``."""
        began = time.monotonic()
        if self._kept is None or not (at_once or began - self._last > min(self._pause, _EVERY_SECONDS)):
            return
        try:
            self._kept.keep(
                {"epoch": strategy.epoch, "seconds": seconds, "state": to_plain(strategy.state())}
            )
        except StoreError as error:
            notice(f"the supernet's state cannot be kept: {error}; if it is stopped, it begins anew")
            self._kept = None
        self._last = time.monotonic()
        self._pause = (self._last - began) / _SHARE


def kept_weights(store: ArtifactStore, name: str) -> dict[str, Tensor] | None:
    """Return the weights by place of the supernet whose state has that name; ``None`` if there is none.

    Raises:
        StoreError: If the store cannot be read.
    """
    found = _kept(store, name).last(_read)
    return None if found is None else dict(found["state"]["weights"])


def _kept(store: ArtifactStore, name: str) -> Kept:
    return Kept(store, name, lambda found: found["epoch"])


def _read(content: dict[str, Any]) -> dict[str, Any]:
    return {
        "epoch": int(content["epoch"]),
        "seconds": float(content["seconds"]),
        "state": from_plain(content["state"]),
    }
