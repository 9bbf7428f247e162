"""Trainings in a process of its own: ``python -m optnas.winner.process``.

Each line of standard input is a training to do, and each line of standard output says how far it is or that
it has ended, all in JSON. The process ends with its input.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optnas.interrupts.signals import stop_on_signals

__all__ = ["main"]

_INTERRUPTED = 130


def main() -> int:
    said, sys.stdout = sys.stdout, sys.stderr  # study files may print
    from optnas.errors import DataWarning, UserError

    def say(content: dict[str, object]) -> None:
        said.write(f"{json.dumps(content)}\n")
        said.flush()

    warnings.simplefilter("ignore", DataWarning)  # the process that started this one has told it
    try:
        with stop_on_signals():
            for line in sys.stdin:
                try:
                    _train(json.loads(line), say)
                except UserError as error:
                    say({"error": str(error)})
                else:
                    say({"error": None})
    except (KeyboardInterrupt, BrokenPipeError):
        return _INTERRUPTED
    return 0


def _train(task: dict[str, Any], say: Callable[[dict[str, object]], None]) -> None:
    import torch

    from optnas.run.files import load_study
    from optnas.train import use_threads
    from optnas.winner.full_training import TrainingHistory
    from optnas.winner.jobs import TrainOptions, jobs_of
    from optnas.winner.progress import shown_of
    from optnas.winner.trainings import Item, plan_of, train_item

    use_threads(task["threads"])
    if task["gpu"] is not None:
        torch.cuda.set_device(task["gpu"])
    study = _loaded.get(task["file"]) or load_study(task["file"])
    _loaded[task["file"]] = study
    options = TrainOptions(**{**task["options"], "out": Path(task["options"]["out"])})
    (job,) = jobs_of(study, task["storage"], options)
    item = Item(job, task["seed"])
    if task["all_data"]:
        # What chose the epoch is finished, so that this reads its checkpoint.
        item = Item(job, task["seed"], train_item(item, job.plan, lambda history: None))
    plan = plan_of(item)

    def watch(history: TrainingHistory) -> None:
        if os.getppid() != task["parent"]:  # nobody waits for this any more
            raise KeyboardInterrupt
        shown = shown_of(plan, history)
        say({"done": shown.done, "told": shown.told, "ended": shown.ended})

    train_item(item, plan, watch)


# So that its data is read once.
_loaded: dict[str, Any] = {}

if __name__ == "__main__":
    sys.exit(main())
