"""A worker process: ``python -m optnas.run.process`` with its task as JSON on standard input.

The task does not come as arguments because a storage's URL may hold a password.
"""

from __future__ import annotations

import json
import os
import sys
import warnings

from optnas.interrupts.signals import stop_on_signals

__all__ = ["main"]

# None of them is the status of a crash, which says nothing about the study.
FAILED, LOST, BROKEN, INTERRUPTED = 10, 11, 12, 130


def main() -> int:
    task = json.load(sys.stdin)
    parent = task["parent"]
    if os.getppid() != parent:  # it was killed before this one began
        return INTERRUPTED
    import optuna
    import torch

    from optnas.errors import DataWarning, StorageError, UserError
    from optnas.loggers.callback import logging_to
    from optnas.loggers.registry import make_logger
    from optnas.run.files import load_study
    from optnas.run.gpus import has_room
    from optnas.run.lanes import work_in_lanes
    from optnas.run.limits import Limits
    from optnas.run.packing import Packing
    from optnas.run.worker import EveryTrialFailed, work
    from optnas.shown import note
    from optnas.storages.opening import NoStorage, open_storage
    from optnas.train import use_threads
    from optnas.train.broken import DeviceBroken

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", DataWarning)  # the process that started this one has told it
    use_threads(task["threads"])
    if task["gpu"] is not None:
        torch.cuda.set_device(task["gpu"])
    try:
        study = load_study(task["file"])
        study.artifacts = study.artifacts if task["artifacts"] is None else task["artifacts"]
        # The run that started this process has made both: what is missing now was deleted.
        storage = open_storage(task["storage"], create=False, patience=task["storage_patience"])
        if study.name not in optuna.get_all_study_names(storage):
            raise StorageError(f"study {study.name!r} was deleted from the storage while it ran")
        opened = study.open(storage)
        limits = Limits(**task["limits"])
        with stop_on_signals():

            def goes_on() -> bool:
                # A worker whose parent process is gone starts no more trials.
                return os.getppid() == parent and limits.reached(opened) is None

            loggers = [make_logger(place) for place in task["log"]]
            with logging_to(opened, loggers) as finished:
                given = {"should_continue": goes_on, "finished": finished, "parent": parent}
                if task["at_once"] == 1:
                    work(study, opened, task["total"], **given)
                else:
                    packing = Packing(task["at_once"], has_room=lambda: has_room(study))
                    work_in_lanes(study, opened, task["total"], packing, **given)
    except (StorageError, NoStorage) as error:
        note(str(error))
        return LOST
    except DeviceBroken as error:
        note(f"{error}; its worker is started anew")
        return BROKEN
    except (EveryTrialFailed, UserError) as error:
        note(str(error))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
