"""Claims of workers on trials, so that a study ends with exactly its total of trials.

All workers, on all machines, claim trials under one lock. A trial whose worker died is not replaced
but taken over, with the same number and parameters, so nothing is lost and nothing counted twice.
"""

from __future__ import annotations

import contextlib
import enum
import os
from collections.abc import Callable
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial

from optnas.run.liveness import Worker, claim_on, is_dead
from optnas.storages.lock import study_lock
from optnas.trials.optuna_internals import cache_trials, id_of, new_trial, storage_of
from optnas.trials.record import REASON, WORKER
from optnas.trials.rungs import rungs_of

__all__ = ["Claims", "NoTrial"]

# A trial whose worker died this often, without reaching another rung in between, is not tried again.
_MOST_ATTEMPTS = 3


class NoTrial(enum.Enum):
    """Reason why there is no trial to claim."""

    DONE = "the total is reached"
    WAIT = "others are running the last ones"


class Claims:
    """Claims of this process on the trials of one study.

    Args:
        study: The study in its storage.
        total: Number of trials that the study is to have in the end, over all workers.
        on_abandoned: Called with a trial that will not be tried again, to remove its checkpoints.
    """

    def __init__(
        self,
        study: optuna.Study,
        total: int,
        on_abandoned: Callable[[FrozenTrial], None] = lambda trial: None,
    ) -> None:
        self.study = study
        self.total = total
        self._given_up = on_abandoned
        self.worker = Worker.here(os.getpid())
        self._storage = storage_of(study)

    def next(self) -> int | NoTrial:
        """Claim a trial and return its id, or the reason why there is none."""
        with study_lock(self._storage, self.study.study_name):
            trials = self.study.get_trials(deepcopy=False)
            # The sampler need not read these trials from the storage again.
            cache_trials(self.study, trials)
            states = [trial.state for trial in trials]
            started = len(trials) - states.count(TrialState.WAITING)
            running = [trials[i] for i, state in enumerate(states) if state == TrialState.RUNNING]
            for trial in running:
                claim = claim_on(trial)
                # Who looks for a trial runs none: one of its own was left when the storage failed.
                if claim is not None and (is_dead(claim) or self.worker.owns(claim)):
                    taken = self._take_over(trial, claim)
                    if taken is not None:
                        return taken
            if started < self.total:
                waiting = [trials[i] for i, state in enumerate(states) if state == TrialState.WAITING]
                taken = self._waiting(waiting)
                return self._new() if taken is None else taken
            if any(claim_on(trial) for trial in running):
                return NoTrial.WAIT
            return NoTrial.DONE

    def renew(self, trial_id: int) -> None:
        """Renew this worker's claim on a trial, so that other machines know that the worker is alive."""
        trial = self._storage.get_trial(trial_id)
        claim = WORKER.get(trial, {})
        with contextlib.suppress(UpdateFinishedTrialError):  # it ended just now
            WORKER.put_in(self.study, trial, self.worker.claim(claim["attempt"], claim.get("rungs", 0)))

    def release(self) -> None:
        """Set the trials that this worker runs to waiting, to be run with the same parameters later."""
        # Looked up in the storage, not remembered: an interrupt may come just as a trial is claimed.
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            claim = claim_on(trial)
            if claim is not None and self.worker.owns(claim):
                with contextlib.suppress(UpdateFinishedTrialError):
                    self._storage.set_trial_state_values(id_of(trial), TrialState.WAITING)

    def _take_over(self, trial: FrozenTrial, claim: dict[str, Any]) -> int | None:
        # A trial that reached another rung meanwhile is not what kills its workers: so machines that are
        # lent for an hour at a time can complete a training of a day.
        rungs = len(rungs_of(trial))
        attempt = 1 if rungs > claim.get("rungs", 0) else claim.get("attempt", 1) + 1
        if attempt > _MOST_ATTEMPTS:
            REASON.put_in(self.study, trial, f"its worker died {_MOST_ATTEMPTS} times")
            self._storage.set_trial_state_values(id_of(trial), TrialState.FAIL)
            self._given_up(trial)
            return None
        WORKER.put_in(self.study, trial, self.worker.claim(attempt, rungs))
        return id_of(trial)

    def _waiting(self, trials: list[FrozenTrial]) -> int | None:
        """Claim a waiting trial, one that was enqueued or put back; ``None`` if there is none."""
        for trial in trials:
            # Claimed before its state changes: a worker that dies in between leaves a waiting trial, not
            # a running one without a worker.
            with contextlib.suppress(UpdateFinishedTrialError):
                WORKER.put_in(self.study, trial, self.worker.claim(1))
                if self._storage.set_trial_state_values(id_of(trial), TrialState.RUNNING):
                    return id_of(trial)
                # Another program, which runs trials without the lock, was faster.
                WORKER.put_in(self.study, trial, None)
        return None

    def _new(self) -> int:
        # Created and claimed in one transaction: a worker that dies leaves no trial without a claim.
        template = create_trial(state=TrialState.RUNNING, user_attrs={WORKER.name: self.worker.claim(1)})
        return new_trial(self.study, template)
