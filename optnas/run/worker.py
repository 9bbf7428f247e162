"""A worker's loop: claim trials of a study one after the other and run them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import optuna
from optuna import TrialPruned
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from optnas.checkpoints.resume import remove_checkpoint
from optnas.errors import StorageError
from optnas.run.claims import Claims, NoTrial
from optnas.run.liveness import Heartbeat
from optnas.storages.deferred import defer, finish
from optnas.storages.fence import LeaseLost, fenced
from optnas.storages.presence import study_is_there
from optnas.storages.waiting import impatient
from optnas.study import Study
from optnas.train.broken import DeviceBroken, is_broken
from optnas.trial_failure import in_words
from optnas.trials.enqueued import was_refused
from optnas.trials.failure import kind_of
from optnas.trials.optuna_internals import before_trial, frozen, id_of, running_trial, storage_of
from optnas.trials.record import BUILDABLE, REASON

__all__ = ["EveryTrialFailed", "put_back", "work"]

_POLL_SECONDS = 0.2

# So many trials that all ended for the same reason, and none that completed, point to one bug.
_SAME_FAILURES = 3
_SAME_IMPOSSIBLE = 20


class EveryTrialFailed(RuntimeError):
    """Error: every trial so far ended for the same reason, which is the message."""


def work(
    study: Study,
    opened: optuna.Study,
    total: int,
    *,
    should_continue: Callable[[], bool] = lambda: True,
    finished: Callable[[int], None] = lambda _: None,
    begins: Callable[[Claims], None] = lambda _: None,
    parent: int = 0,
) -> None:
    """Run trials until the study has ``total`` of them, over all workers.

    On ``KeyboardInterrupt`` the running trial is put back and the interrupt raised again, as on
    ``DeviceBroken``.

    Args:
        study: The study as declared.
        opened: The same study in its storage.
        total: Number of trials that the study is to have in the end.
        should_continue: Called before every trial; if it returns ``False``, the worker ends quietly.
        finished: Called with the id of every trial that this worker has finished.
        begins: Called with what claims this worker's trials, by which another thread can put them back.
        parent: The process id of the run that started this process as a worker; 0 if none did.

    Raises:
        EveryTrialFailed: If every trial fails for the same reason.
        StorageError: If the storage or the study in it is gone, or cannot be used.
        DeviceBroken: If this process can use its GPU no more.
    """
    with study_is_there(opened):
        _work(study, opened, total, should_continue, finished, begins, parent)


def _work(
    study: Study,
    opened: optuna.Study,
    total: int,
    should_continue: Callable[[], bool],
    finished: Callable[[int], None],
    begins: Callable[[Claims], None],
    parent: int,
) -> None:
    claims = Claims(opened, total, lambda trial: remove_checkpoint(opened, trial, study.store), parent)
    begins(claims)
    try:
        with Heartbeat(claims.beat):
            hopeful = False
            while should_continue():
                claimed = claims.next()
                if claimed is NoTrial.WAIT:
                    time.sleep(_POLL_SECONDS)
                    continue
                if isinstance(claimed, NoTrial):
                    return
                own = False
                # A trial that another worker took over, as this one stood still, is that one's.
                with suppress(LeaseLost), fenced(storage_of(opened), claimed, claims.check):
                    own = _run(study, opened, claims.created or storage_of(opened).get_trial(claimed))
                if own:
                    finished(claimed)
                hopeful = hopeful or _any_complete(opened)
    except (KeyboardInterrupt, DeviceBroken):
        put_back(claims)
        raise
    finally:
        claims.worker.ends()


def put_back(claims: Claims) -> None:
    """Put back the trials that a worker runs; if that is not possible now, another worker takes them over."""
    with suppress(StorageError), impatient(storage_of(claims.study)):
        claims.release()


def _run(study: Study, opened: optuna.Study, record: FrozenTrial) -> bool:
    """Run a trial to its end; return whether it was this worker that finished it.

    Raises:
        DeviceBroken: If this process can use its GPU no more; a trial that is not finished is to be put back.
    """
    state, values, broken = TrialState.FAIL, None, False
    trial = running_trial(opened, record)
    defer(trial)
    try:
        before_trial(trial)
        values = study.objective(trial)
        state = TrialState.COMPLETE
    except TrialPruned:
        state = TrialState.PRUNED
    except (StorageError, DeviceBroken):
        raise
    except UpdateFinishedTrialError:
        pass  # see below
    except (Exception, SystemExit) as error:
        broken = is_broken(error)
        if REASON.of(frozen(trial)) is None:  # before the objective began
            REASON.put(trial, f"{type(error).__name__}: {error}")
    try:
        finish(trial, state, values)
    except (UpdateFinishedTrialError, ValueError):
        # Another worker took this one for dead and has finished the trial: its result counts.
        if not storage_of(opened).get_trial(id_of(trial)).state.is_finished():
            raise
        return False
    except StorageInternalError as error:  # the database does not take what was collected
        REASON.put(trial, in_words(error))
        finish(trial, TrialState.FAIL, None)
    if broken:
        raise DeviceBroken(f"trial {record.number} broke the GPU twice, and failed")
    return True


def _any_complete(opened: optuna.Study) -> bool:
    """Return whether a trial of the study has completed.

    Raises:
        EveryTrialFailed: If none has, and several trials all ended for the same reason.
    """
    finished = [
        trial
        for trial in opened.get_trials(deepcopy=False)
        if trial.state.is_finished() and not was_refused(trial)
    ]
    if any(trial.state == TrialState.COMPLETE for trial in finished):
        return True
    reasons = [REASON.get(trial, "unknown") for trial in finished]
    failed = all(trial.state == TrialState.FAIL for trial in finished)
    if failed and len(finished) >= _SAME_FAILURES and len(set(map(kind_of, reasons))) == 1:
        raise EveryTrialFailed(f"every trial failed: {reasons[-1]}")
    if len(finished) >= _SAME_IMPOSSIBLE and all(map(_is_impossible, finished)):
        raise EveryTrialFailed(f"no architecture could be built, e.g.: {reasons[-1]}")
    return False


def _is_impossible(trial: FrozenTrial) -> bool:
    return trial.constraints.get(BUILDABLE, 0.0) > 0
