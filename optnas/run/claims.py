"""Which trial a worker runs next, so that the study's total comes out exact.

All workers, on all machines, look and claim under one lock. A trial whose worker died is not
replaced but taken over: same number, same parameters, so nothing is lost and nothing counted twice.
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

from optnas.pruners.rungs import rungs_of
from optnas.run.liveness import ATTRIBUTE, Worker, holder, is_lost
from optnas.run.lock import study_lock

__all__ = ["Claims", "Nothing"]

# A trial that took its worker down with it this often, and came to no rung, is not tried again.
_MOST_ATTEMPTS = 3


class Nothing(enum.Enum):
    """Why there is no trial to run."""

    DONE = "the total is reached"
    WAIT = "others are running the last ones"


class Claims:
    """Hands out the trials of one study to this process.

    Args:
        study: The study in its storage.
        total: How many trials the study is to have in the end, over all workers.
        given_up: Called with a trial that will not be tried again, to do away with what it left.
    """

    def __init__(
        self,
        study: optuna.Study,
        total: int,
        given_up: Callable[[FrozenTrial], None] = lambda trial: None,
    ) -> None:
        self.study = study
        self.total = total
        self._given_up = given_up
        self.worker = Worker.here(os.getpid())

    def next(self) -> int | Nothing:
        """Claim a trial and return its id, or why there is none."""
        with study_lock(self.study._storage, self.study.study_name):
            trials = self.study.get_trials(deepcopy=False)
            # Sampling need not read again what was read just now.
            self.study._thread_local.cached_all_trials = trials
            states = [trial.state for trial in trials]
            started = len(trials) - states.count(TrialState.WAITING)
            running = [trials[i] for i, state in enumerate(states) if state == TrialState.RUNNING]
            for trial in running:
                claim = holder(trial)
                if claim is not None and is_lost(claim):
                    taken = self._take_over(trial, claim)
                    if taken is not None:
                        return taken
            if started < self.total:
                waiting = [trials[i] for i, state in enumerate(states) if state == TrialState.WAITING]
                taken = self._waiting(waiting)
                return self._new() if taken is None else taken
            if any(holder(trial) for trial in running):
                return Nothing.WAIT
            return Nothing.DONE

    def renew(self, trial_id: int) -> None:
        """Tell other machines that this worker is alive and runs that trial."""
        storage = self.study._storage
        claim = storage.get_trial(trial_id).user_attrs[ATTRIBUTE]
        with contextlib.suppress(UpdateFinishedTrialError):  # it ended just now
            storage.set_trial_user_attr(
                trial_id, ATTRIBUTE, self.worker.claim(claim["attempt"], claim.get("rungs", 0))
            )

    def release(self) -> None:
        """Put back what this worker runs, to be run with the same parameters later."""
        # By the storage, not by what the worker remembers: an interrupt may come as it claims a trial.
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            claim = holder(trial)
            if claim is not None and self.worker.made(claim):
                with contextlib.suppress(UpdateFinishedTrialError):
                    self.study._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)

    def _take_over(self, trial: FrozenTrial, claim: dict[str, Any]) -> int | None:
        # What came to another rung meanwhile is not what takes its workers down: machines that are
        # lent for an hour at a time bring a training of a day to its end.
        rungs = len(rungs_of(trial))
        attempt = 1 if rungs > claim.get("rungs", 0) else claim.get("attempt", 1) + 1
        storage = self.study._storage
        if attempt > _MOST_ATTEMPTS:
            reason = f"its worker died {_MOST_ATTEMPTS} times"
            storage.set_trial_user_attr(trial._trial_id, "reason", reason)
            storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            self._given_up(trial)
            return None
        storage.set_trial_user_attr(trial._trial_id, ATTRIBUTE, self.worker.claim(attempt, rungs))
        return trial._trial_id

    def _waiting(self, trials: list[FrozenTrial]) -> int | None:
        """Claim a trial that someone enqueued or put back."""
        storage = self.study._storage
        for trial in trials:
            # Signed before it runs: a worker that dies in between leaves one that waits, not one that
            # nobody runs.
            with contextlib.suppress(UpdateFinishedTrialError):
                storage.set_trial_user_attr(trial._trial_id, ATTRIBUTE, self.worker.claim(1))
                if storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                    return trial._trial_id
                # A program with a loop of its own, which knows no lock, was faster.
                storage.set_trial_user_attr(trial._trial_id, ATTRIBUTE, None)
        return None

    def _new(self) -> int:
        # Claimed in the same transaction that makes it: a worker that dies leaves no orphan.
        template = create_trial(state=TrialState.RUNNING, user_attrs={ATTRIBUTE: self.worker.claim(1)})
        return self.study._storage.create_new_trial(self.study._study_id, template)
