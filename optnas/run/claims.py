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

from optnas.run.liveness import Worker, holder, is_lost
from optnas.run.lock import study_lock
from optnas.trials.internals import cache_trials, id_of, new_trial, storage_of
from optnas.trials.record import REASON, WORKER
from optnas.trials.rungs import rungs_of

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
        self._storage = storage_of(study)

    def next(self) -> int | Nothing:
        """Claim a trial and return its id, or why there is none."""
        with study_lock(self._storage, self.study.study_name):
            trials = self.study.get_trials(deepcopy=False)
            # Sampling need not read again what was read just now.
            cache_trials(self.study, trials)
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
        trial = self._storage.get_trial(trial_id)
        claim = WORKER.get(trial, {})
        with contextlib.suppress(UpdateFinishedTrialError):  # it ended just now
            WORKER.put_in(self.study, trial, self.worker.claim(claim["attempt"], claim.get("rungs", 0)))

    def release(self) -> None:
        """Put back what this worker runs, to be run with the same parameters later."""
        # By the storage, not by what the worker remembers: an interrupt may come as it claims a trial.
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            claim = holder(trial)
            if claim is not None and self.worker.made(claim):
                with contextlib.suppress(UpdateFinishedTrialError):
                    self._storage.set_trial_state_values(id_of(trial), TrialState.WAITING)

    def _take_over(self, trial: FrozenTrial, claim: dict[str, Any]) -> int | None:
        # What came to another rung meanwhile is not what takes its workers down: machines that are
        # lent for an hour at a time bring a training of a day to its end.
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
        """Claim a trial that someone enqueued or put back."""
        for trial in trials:
            # Signed before it runs: a worker that dies in between leaves one that waits, not one that
            # nobody runs.
            with contextlib.suppress(UpdateFinishedTrialError):
                WORKER.put_in(self.study, trial, self.worker.claim(1))
                if self._storage.set_trial_state_values(id_of(trial), TrialState.RUNNING):
                    return id_of(trial)
                # A program with a loop of its own, which knows no lock, was faster.
                WORKER.put_in(self.study, trial, None)
        return None

    def _new(self) -> int:
        # Claimed in the same transaction that makes it: a worker that dies leaves no orphan.
        template = create_trial(state=TrialState.RUNNING, user_attrs={WORKER.name: self.worker.claim(1)})
        return new_trial(self.study, template)
