"""A worker process: ``python -m optnas.run.process`` with its task as JSON on standard input.

The task does not come as arguments because a storage's URL may hold a password.
"""

from __future__ import annotations

import json
import os
import sys
import warnings

__all__ = ["main"]

FAILED, INTERRUPTED = 1, 130


def main() -> int:
    task = json.load(sys.stdin)
    import optuna
    import torch

    from optnas.errors import DataWarning, UserError
    from optnas.run.files import load_study
    from optnas.run.limits import Limits
    from optnas.run.storage import open_storage
    from optnas.run.worker import EveryTrialFailed, stop_on_signals, work
    from optnas.train import use_threads

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", DataWarning)  # the process that started this one has told it
    use_threads(task["threads"])
    if task["gpu"] is not None:
        torch.cuda.set_device(task["gpu"])
    parent = os.getppid()
    try:
        with stop_on_signals():
            study = load_study(task["file"])
            study.artifacts = study.artifacts if task["artifacts"] is None else task["artifacts"]
            opened = study.open(open_storage(task["storage"]))
            limits = Limits(**task["limits"])

            def goes_on() -> bool:
                # A worker whose parent process is gone starts no more trials.
                return os.getppid() == parent and limits.reached(opened) is None

            work(study, opened, task["total"], should_continue=goes_on)
    except (EveryTrialFailed, UserError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
