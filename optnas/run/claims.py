"""Claims of workers on trials, so that a study ends with exactly its total of trials.

All workers, on all machines, claim trials under one lock. A trial whose worker died is not replaced
but taken over, with the same number and parameters, so nothing is lost and nothing counted twice.

A claim is a lease with a fencing token (M. Kleppmann, "How to do distributed locking", 2016): its worker
renews it by beats, and a worker that finds another token in its place writes nothing more to the trial.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import math
import os
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial

from optnas.run.liveness import (
    LEASE_SECONDS,
    Observer,
    Worker,
    claim_on,
    is_gone,
    is_gone_with_its_run,
)
from optnas.storages.fence import LeaseLost, unfenced
from optnas.storages.guarded import Guarded
from optnas.storages.lock import study_lock
from optnas.storages.waiting import now
from optnas.trials.optuna_internals import cache_trials, id_of, identity, new_trial, storage_of
from optnas.trials.record import REASON, WORKER
from optnas.trials.rungs import rungs_of
from optnas.trials.under_way import stage_here

__all__ = ["Claims", "NoTrial"]

# A trial is not tried again once its workers died this often, without its reaching another rung in between,
# and not by chance: where workers of many trials die, as on machines that are lent, it has more attempts.
_FEWEST_DEATHS = 3
_CHANCE = 1e-4
# Within this part of a lease, since it was renewed last, it is certain that nobody took the trial over.
_CERTAIN = 0.75


class NoTrial(enum.Enum):
    """Reason why there is no trial to claim."""

    DONE = "the total is reached"
    WAIT = "others are running the last ones"
    ORPHANED = "the run that this worker is part of is gone"


@dataclasses.dataclass
class _Lease:
    """A claim that this process made, and when it was renewed last, by :func:`now`."""

    trial_id: int
    claim: dict[str, Any]
    renewed: float


class Claims:
    """Claims of one worker on the trials of one study.

    Args:
        study: The study in its storage.
        total: Number of trials that the study is to have in the end, over all workers.
        on_abandoned: Called with a trial that will not be tried again, to remove its checkpoints.
        parent: The process id of the run that started this process as a worker; 0 if none did.

    Attributes:
        created: The record of the trial that was claimed last if it is a new one; else ``None``.
    """

    def __init__(
        self,
        study: optuna.Study,
        total: int,
        on_abandoned: Callable[[FrozenTrial], None] = lambda trial: None,
        parent: int = 0,
    ) -> None:
        self.study = study
        self.total = total
        self.worker = Worker.here(parent)
        self._given_up = on_abandoned
        self._storage = storage_of(study)
        self._observer = Observer()
        self._lease: _Lease | None = None
        self.created: FrozenTrial | None = None
        # The thread that runs the trial and the heart both renew.
        self._renewing = threading.RLock()

    def next(self) -> int | NoTrial:
        """Claim a trial and return its id, or the reason why there is none."""
        self._lease = self.created = None
        with study_lock(self._storage, self.study.study_name) as lock, unfenced(self._storage):
            # Only now, as the wait for the lock may be long, and this process may be suspended meanwhile.
            orphaned = self.worker.parent not in (0, os.getppid())
            claimed = NoTrial.ORPHANED if orphaned else self._choose(*self._unfinished())
            holds = self._lease is None or lock.held()
        if not holds:
            # This process stood still, or its link was cut, and others may have counted the same trials.
            self.release()
            return NoTrial.WAIT
        if self._lease is not None:
            # Not read while others wait for the lock; the sampler need not read them from the storage again.
            cache_trials(self.study, self.study.get_trials(deepcopy=False))
        return claimed

    def _unfinished(self) -> tuple[list[FrozenTrial], int]:
        """Return the unfinished trials, with their claims and perhaps nothing else, and the number of all."""
        storage, study_id = identity(self.study)
        if isinstance(storage, Guarded):
            return storage.get_unfinished(study_id, WORKER.name, WORKER.older.name)
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if not trial.state.is_finished()], len(trials)

    def _choose(self, unfinished: list[FrozenTrial], count: int) -> int | NoTrial:
        running = [trial for trial in unfinished if trial.state == TrialState.RUNNING]
        self._observer.look(running)
        for trial in running:
            claim = claim_on(trial)
            if claim is not None and self._is_dead(trial, claim):
                taken = self._take_over(self._storage.get_trial(id_of(trial)), claim)
                if taken is not None:
                    return taken
        waiting = [trial for trial in unfinished if trial.state == TrialState.WAITING]
        if count - len(waiting) < self.total:
            taken = self._waiting(waiting)
            return self._new() if taken is None else taken
        if any(claim_on(trial) for trial in running):
            return NoTrial.WAIT
        return NoTrial.DONE

    def _is_dead(self, trial: FrozenTrial, claim: dict[str, Any]) -> bool:
        # Who looks for a trial runs none: one of its own was left when the storage failed.
        mine = claim.get("worker") == self.worker.worker
        return mine or is_gone(claim) or self._observer.has_expired(trial)

    def beat(self) -> None:
        """Renew the claim on the trial that runs, and look at those of others."""
        with self._renewing:
            lease = self._lease
            if lease is not None:
                try:
                    self._renew(lease) if self._is_certain(lease) else self.check()
                except LeaseLost:
                    lease.renewed = -math.inf
        unfinished, _ = self._unfinished()
        self._observer.look(trial for trial in unfinished if trial.state == TrialState.RUNNING)

    def check(self) -> None:
        """Check that the claimed trial is still this worker's; reads the storage only after a standstill.

        Raises:
            LeaseLost: If another worker has taken it over.
        """
        lease = self._lease
        if lease is not None and not self._is_certain(lease):
            with self._renewing, study_lock(self._storage, self.study.study_name):
                self._renew(lease)

    def release(self) -> None:
        """Set the trials that this worker runs to waiting, to be run with the same parameters later."""
        # Looked up in the storage, not remembered: an interrupt may come just as a trial is claimed.
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            claim = claim_on(trial)
            if claim is not None and claim.get("worker") == self.worker.worker:
                with contextlib.suppress(UpdateFinishedTrialError), unfenced(self._storage):
                    self._storage.set_trial_state_values(id_of(trial), TrialState.WAITING)
        self._lease = None

    def _renew(self, lease: _Lease) -> None:
        """Count a beat in the claim on a trial.

        Raises:
            LeaseLost: If the trial has another claim, or is finished.
        """
        trial = self._storage.get_trial(lease.trial_id)
        token = (claim_on(trial) or {}).get("token")
        if token != lease.claim["token"] or trial.state != TrialState.RUNNING:
            raise LeaseLost(f"trial {trial.number} is another worker's now")
        at, claim = now(), {**lease.claim, "beat": lease.claim["beat"] + 1, "seen": round(time.time(), 1)}
        if (stage := stage_here(self._storage, lease.trial_id)) is not None:
            claim |= stage.entries()
        with contextlib.suppress(UpdateFinishedTrialError), unfenced(self._storage):  # it ended just now
            WORKER.put_in(self.study, trial, claim)
        lease.claim, lease.renewed = claim, at

    def _is_certain(self, lease: _Lease) -> bool:
        return now() - lease.renewed < _CERTAIN * LEASE_SECONDS

    def _claim(self, attempt: int = 1, rungs: int = 0) -> dict[str, Any]:
        """Return a new claim, as the trial's record has it while the worker runs the trial.

        Args:
            attempt: Number of the attempt since the trial last reached another rung, from 1.
            rungs: Number of rungs that the trial has reached.
        """
        worker = dataclasses.asdict(self.worker)
        # When it was made or renewed, by this machine's clock, is for people alone (optnas.run.last_signs).
        told = {"token": uuid.uuid4().hex, "attempt": attempt, "rungs": rungs, "beat": 0}
        return {**worker, **told, "seen": round(time.time(), 1)}

    def _claimed(self, trial_id: int, claim: dict[str, Any], at: float) -> int:
        self._lease = _Lease(trial_id, claim, at)
        return trial_id

    def _take_over(self, trial: FrozenTrial, claim: dict[str, Any]) -> int | None:
        # A trial that reached another rung meanwhile is not what kills its workers: so machines that are
        # lent for an hour at a time can complete a training of a day.
        rungs = len(rungs_of(trial))
        # Nor is it what ended all workers of a run with the run.
        attempt = claim.get("attempt", 1) + (not is_gone_with_its_run(claim))
        attempt = 1 if rungs > claim.get("rungs", 0) else attempt
        with contextlib.suppress(UpdateFinishedTrialError):  # its worker has finished it just now
            if self._is_deadly(attempt - 1, trial):
                REASON.put_in(self.study, trial, f"its worker died {attempt - 1} times")
                self._storage.set_trial_state_values(id_of(trial), TrialState.FAIL)
                self._given_up(trial)
                return None
            at, new = now(), self._claim(attempt, rungs)
            WORKER.put_in(self.study, trial, new)
            return self._claimed(id_of(trial), new, at)
        return None

    def _waiting(self, trials: list[FrozenTrial]) -> int | None:
        """Claim a waiting trial, one that was enqueued or put back; ``None`` if there is none."""
        for trial in trials:
            # Claimed before its state changes: a worker that dies in between leaves a waiting trial, not
            # a running one without a worker.
            with contextlib.suppress(UpdateFinishedTrialError):
                at, claim = now(), self._claim()
                WORKER.put_in(self.study, trial, claim)
                if self._storage.set_trial_state_values(id_of(trial), TrialState.RUNNING):
                    return self._claimed(id_of(trial), claim, at)
                # Another program, which runs trials without the lock, was faster.
                WORKER.put_in(self.study, trial, None)
        return None

    def _new(self) -> int:
        # Created and claimed in one transaction: a worker that dies leaves no trial without a claim.
        at, claim = now(), self._claim()
        template = create_trial(state=TrialState.RUNNING, system_attrs={WORKER.name: claim})
        self.created = new_trial(self.study, template)
        return self._claimed(id_of(self.created), claim, at)

    def _is_deadly(self, deaths: int, trial: FrozenTrial) -> bool:
        """Return whether ``trial`` itself kills its workers, given how many other trials lost theirs."""
        if deaths < _FEWEST_DEATHS:
            return False
        others = [other for other in self.study.get_trials(deepcopy=False) if other.number != trial.number]
        died = sum((claim_on(other) or {}).get("attempt", 1) > 1 for other in others) / max(1, len(others))
        return float(max(died, 0.01)) ** deaths < _CHANCE
