"""Record of why a trial ends early."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from optuna import TrialPruned
from optuna.trial import Trial

from optnas.errors import StorageError
from optnas.storages.deferred import write_collected
from optnas.train import Diverged
from optnas.train.broken import DeviceBroken, is_broken
from optnas.train.nothing_learned import Hopeless
from optnas.trial_failure import in_words, users_traceback
from optnas.trial_reports import Paused
from optnas.trials.optuna_internals import constrain, frozen
from optnas.trials.record import BROKE, FINITE, HOPELESS, REASON, TRACEBACK

__all__ = ["reason_recorded"]


@contextmanager
def reason_recorded(trial: Trial, remove: Callable[[], None]) -> Iterator[None]:
    """Write why a trial ends early to its record; remove checkpoints that none will resume from.

    Args:
        trial: The running trial.
        remove: Removes its checkpoints.

    Raises:
        TrialPruned: In place of what says that the training diverged or learned nothing.
        DeviceBroken: If the GPU broke for the first time in this trial. It is to be put back: what broke it
            may have been another trial, or chance.
    """
    try:
        yield
    except Paused as paused:
        REASON.put(trial, str(paused))
        raise  # whoever promotes it resumes from its checkpoint
    except (TrialPruned, Diverged, Hopeless) as ended:
        REASON.put(trial, str(ended))
        if isinstance(ended, Diverged):
            # Infeasible, or samplers would believe what it promised at its rungs.
            constrain(trial, FINITE, 1.0)
        if isinstance(ended, Hopeless):
            HOPELESS.put(trial, True)
        remove()
        raise TrialPruned(str(ended)) from ended
    except StorageError:
        raise  # nothing can be written, and whoever goes on resumes from its checkpoint
    except (Exception, SystemExit) as error:  # an evaluation may call sys.exit, as argparse does
        if is_broken(error) and BROKE.of(frozen(trial)) is None:
            BROKE.put(trial, in_words(error))
            write_collected(trial)
            raise DeviceBroken(f"trial {trial.number}: {in_words(error)}") from error
        REASON.put(trial, in_words(error))
        TRACEBACK.put(trial, users_traceback(error))
        remove()
        raise
    else:
        remove()
