"""The command ``optnas launch``: check the study, place its workers, follow them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import optuna
from rich.console import Console

from optnas.errors import UserError
from optnas.interrupts.signals import stop_on_signals
from optnas.launch.engine import Engine, Followed, Placement, Reach
from optnas.launch.job import Job
from optnas.launch.registry import engine_class
from optnas.launch.sharing import check_shared, shared_artifacts
from optnas.run.display import Display
from optnas.run.files import load_study
from optnas.shown import masked_url, write
from optnas.storages.opening import default_artifacts, open_storage
from optnas.study import Study
from optnas.trials.progress import finished_trials

__all__ = ["launch_command", "settings_of"]

_TICK_SECONDS = 0.25


def launch_command(
    engine: str, job: Job, placement: Placement, console: Console, *, only_print: bool = False
) -> None:
    """Place a study's workers by an engine, and follow them if the engine can, until the study is done.

    Args:
        engine: The engine's name.
        job: What to run; its name and ``artifacts`` are completed by what the study's file says.
        placement: What the engine is asked for.
        console: Where the progress is shown.
        only_print: Whether to print what would be submitted, and submit nothing.

    Raises:
        UserError: If an option, the study or the storage is wrong, before anything is submitted.
        KeyboardInterrupt: If it was stopped, once all workers have handed their trials back.
    """
    kind = engine_class(engine)
    _check_taken(engine, kind, job, placement)
    check_shared(job.storage, kind.reach, engine)
    study = load_study(job.file)
    artifacts = job.artifacts
    if artifacts is not None or study.artifacts is None:
        artifacts = shared_artifacts(artifacts, default_artifacts(job.storage), kind.reach, engine)
    job = dataclasses.replace(job, name=study.name, artifacts=artifacts)
    placed = kind(job, placement)
    if only_print:
        write(placed.shown())
        return
    if kind.reach is Reach.CONTAINERS:  # whose storage this machine need not reach
        console.print(placed.start(), soft_wrap=True)
        return
    opened, left = _open(study, job)
    if not left:
        console.print(
            f"Study {study.name!r} has {job.trials} trials already: give a larger --trials to go on."
        )
        return
    # More workers than waiting trials would only wait.
    placed = kind(dataclasses.replace(job, workers=min(job.workers, left)), placement)
    console.print(placed.start(), soft_wrap=True)
    if isinstance(placed, Followed) and not placement.detach:
        _follow(placed, opened, job, engine, console)


def _open(study: Study, job: Job) -> tuple[optuna.Study, int]:
    """Open the study, creating it if it is new, and return it with the number of trials that it lacks."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    opened = study.open(open_storage(job.storage))
    done = len(finished_trials(opened))
    return opened, max(0, job.trials - done)


def _follow(placed: Followed, opened: optuna.Study, job: Job, engine: str, console: Console) -> None:
    title = f"{job.name} · {masked_url(job.storage)} · {job.workers} workers by {engine}"
    with stop_on_signals(None):
        try:
            with Display(opened, job.trials, title, console) as display:
                while placed.runs():
                    display.update()
                    time.sleep(_TICK_SECONDS)
        except BaseException:
            console.print("Stopping: running trials are handed back …")
            placed.stop()
            raise
    done = len(finished_trials(opened))
    if done < job.trials and job.patience is None:
        raise UserError(
            f"the workers ended with {done} of {job.trials} trials done; their logs say why, and the same"
            " command goes on"
        )


def _check_taken(engine: str, kind: type[Engine], job: Job, placement: Placement) -> None:
    """Raise if something is asked for that the engine does not take."""
    asked = {
        "hosts": ("--host", bool(placement.hosts)),
        "image": ("--image", placement.image is not None),
        "python": ("--python", placement.python is not None),
        "settings": ("--set", bool(placement.settings)),
        "detach": ("--detach", placement.detach),
        "gpus": ("--gpus-per-worker", job.gpus is not None),
        "memory": ("--memory", job.memory is not None),
    }
    for what, (option, is_asked) in asked.items():
        if is_asked and what not in kind.takes:
            raise UserError(f"{option} does not go with --engine {engine}")


def settings_of(texts: Sequence[str]) -> dict[str, str]:
    """Return the settings that are given as ``KEY=VALUE``.

    >>> settings_of(["partition=gpu", "time=60"])
    {'partition': 'gpu', 'time': '60'}

    Raises:
        UserError: If one is not.
    """
    settings = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key.strip():
            raise UserError(f"--set {text}: write it as KEY=VALUE")
        settings[key.strip()] = value
    return settings
