"""The command ``optnas run``: check the study, then search with a live display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import TrialState
from rich.console import Console

from optnas.checkpoints.store import check_store
from optnas.errors import UserError
from optnas.interrupts.signals import stop_on_signals
from optnas.loggers import make_logger
from optnas.reports.terminal import FrontView
from optnas.run.baselines import enqueue, params_of, without_known
from optnas.run.beside import baselines_told, tell_baselines
from optnas.run.display import Display
from optnas.run.files import load_study, source_of
from optnas.run.gpus import fitting_workers, gpus_of
from optnas.run.limits import Callbacks, Limits
from optnas.run.local import run_here, run_processes
from optnas.run.notes import data_is_known, warnings_as_notes
from optnas.run.options import RunOptions
from optnas.run.publisher import publishing
from optnas.run.resources import default_threads, default_workers, too_many
from optnas.shown import masked_url, note, sentence
from optnas.storages.database import rescuing
from optnas.storages.opening import NoStorage, default_artifacts, open_storage
from optnas.storages.presence import study_is_there
from optnas.storages.waiting import now
from optnas.study import Study
from optnas.study_about import keep_about
from optnas.study_record import check_unchanged
from optnas.train import default_device
from optnas.train.precision import choose_precision
from optnas.trials.progress import equal_to, finished_trials, front

__all__ = ["run_command", "search"]


def run_command(file: str, url: str, options: RunOptions, console: Console) -> None:
    """Run the study that ``file`` declares until it has the trials that are asked for.

    Raises:
        UserError: If an argument or the study is wrong, before a trial is written; or if workers keep dying.
        StorageError: If the storage is deleted or fails while the study runs.
        EveryTrialFailed: If every trial fails for the same reason.
        KeyboardInterrupt: If the run was stopped.
    """
    search(load_study(file), file, url, options, console)


def search(study: Study, file: str | None, url: str, options: RunOptions, console: Console) -> optuna.Study:
    """Run a study until it has the trials that are asked for, and return it as it is in its storage.

    Args:
        study: The study as declared.
        file: The file that declares it, for worker processes to load; ``None`` if it is in no file.
        url: The storage's URL.
        options: How many trials, for how long, by whom.
        console: Where the progress is shown.

    Raises:
        UserError: If an argument or the study is wrong, before a trial is written; or if workers keep dying.
        EveryTrialFailed: If every trial fails for the same reason.
        KeyboardInterrupt: If the run was stopped.
    """
    until = None if options.timeout is None else now() + float(options.timeout)
    patience = None if options.storage_patience is None else float(options.storage_patience)
    wanted = [params_of(study, each) for each in options.enqueue]
    loggers = [make_logger(place) for place in options.log]
    _check_gpus(study, options)
    before = _stored(study, url, patience)
    if before is not None and _has_all(study, before, options.trials, wanted, console):
        return before
    with warnings_as_notes():
        if before is not None and before.get_trials(deepcopy=False):
            data_is_known()
        _check(study)
        baselines = baselines_told(study)  # before the search, as whoever wrote them may have to mend them
    workers, threads, gpus = _resources(study, options)
    at_once = 1 if options.trials_per_gpu is None else options.each_gpu("trials_per_gpu")
    if (workers > 1 or at_once != 1) and file is None:
        raise UserError(
            "workers import the study from its file, and this one is in none: write it into a .py file, or"
            " give workers=1 and no trials_per_gpu"
        )
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_storage(url, patience=patience)
    artifacts = _keep_checkpoints(study, url, options.artifacts)
    opened = study.open(storage)
    keep_about(study, opened, file or source_of(study))
    for logger in loggers:
        logger.prepare()
    enqueue(opened, wanted)
    limits, callbacks = Limits(until, options.patience), Callbacks(opened, options.callbacks)
    title = f"{study.name} · {masked_url(url)} · {workers} {'worker' if workers == 1 else 'workers'}"
    with (
        stop_on_signals(),
        rescuing(opened),
        study_is_there(opened),
        publishing(study, opened, options.trials, wanted=options.publish),
        _display_of(opened, options.trials, title, console) as display,
    ):
        if workers == 1 and at_once == 1:
            run_here(
                study,
                opened,
                options.trials,
                threads=threads,
                tick=display.update,
                should_continue=lambda: callbacks.call() and limits.reached(opened) is None,
                log=loggers,
            )
        else:

            def tick() -> bool:
                display.update()
                return callbacks.call()

            assert file is not None
            run_processes(
                file,
                url,
                options.trials,
                workers=workers,
                threads=threads,
                tick=tick,
                progress=lambda: len(finished_trials(opened)),
                gpus=gpus,
                at_once=at_once,
                artifacts=artifacts,
                limits=limits,
                log=options.log,
                storage_patience=patience,
            )
            callbacks.call()
    _tell_why_stopped(opened, options.trials, limits, callbacks, console)
    tell_baselines(baselines, console)
    return opened


def _display_of(opened: optuna.Study, total: int, title: str, console: Console) -> Display:
    """Return the display of a run: a notebook's output where it runs in one, else the terminal."""
    if console.is_jupyter:
        from optnas.run.notebook_display import NotebookDisplay

        return NotebookDisplay(opened, total, title, console)
    return Display(opened, total, title, console)


def _keep_checkpoints(study: Study, url: str, wanted: str | None) -> str | None:
    """Set where the study keeps checkpoints, and return it for workers; ``None`` if the study itself says."""
    artifacts = default_artifacts(url) if wanted is None and study.artifacts is None else wanted
    if artifacts is not None:
        study.artifacts = artifacts
    if study.store is not None:
        check_store(study.store)
    return artifacts


def _tell_why_stopped(
    opened: optuna.Study, total: int, limits: Limits, callbacks: Callbacks, console: Console
) -> None:
    if len(finished_trials(opened)) < total:
        reason = "a callback called study.stop()" if callbacks.stopped else limits.reached(opened)
        if reason is not None:
            sentence(console, f"Stopped: {reason}.")


def _resources(study: Study, options: RunOptions) -> tuple[int, int, list[int]]:
    """Return the number of workers, the threads of each, and the GPUs to spread them over."""
    workers, per_gpu = options.workers, options.workers_per_gpu
    # A user-defined evaluation may have no use for GPUs, unless the command line says that it has.
    gpus = gpus_of(study) if study.task is not None or per_gpu is not None else []
    if per_gpu is not None:
        workers = len(gpus) * (options.each_gpu("workers_per_gpu") or fitting_workers(study, gpus))
    workers = min(workers or default_workers(study), options.trials)
    threads = options.threads or default_threads(study, workers)
    if (why := too_many(study, workers, threads)) is not None:
        note(f"note: {why}")
    return workers, threads, gpus


def _stored(study: Study, url: str, patience: float | None) -> optuna.Study | None:
    """Return the study as its storage has it; ``None`` if it is not there yet."""
    try:
        storage = open_storage(url, reading=True, patience=patience)
        return optuna.load_study(study_name=study.name, storage=storage)
    except (NoStorage, KeyError):
        return None


def _has_all(
    study: Study,
    found: optuna.Study,
    trials: int,
    wanted: Sequence[Mapping[str, Any]],
    console: Console,
) -> bool:
    """Return whether the study has its ``trials`` trials already, after saying so and showing its front.

    Told before the data is loaded and a worker is started, which takes seconds.

    Raises:
        UserError: If there are trials to enqueue, for which no room is left.
    """
    states = [trial.state for trial in found.get_trials(deepcopy=False)]
    count = len(states) - states.count(TrialState.WAITING)
    if count < trials or TrialState.RUNNING in states:
        return False
    check_unchanged(study, found)
    if new := without_known(found, wanted):
        raise UserError(
            f"study {study.name!r} has {count} trials already: give --trials {count + len(new)} or more to"
            " run what is enqueued"
        )
    sentence(
        console, f"Study {study.name!r} has {count} trials already: give --trials {count + trials} to go on."
    )
    if best := front(found):
        every = found.get_trials(deepcopy=False)
        console.print(FrontView(found, every, best, equal_to(best, every)))
        tell_baselines(baselines_told(study), console)
    return True


def _check_gpus(study: Study, options: RunOptions) -> None:
    """Raise :class:`UserError` if an option is for GPUs, and the study computes on none here."""
    if options.trials_per_gpu is not None and study.task is None:
        raise UserError("--trials-per-gpu: this study has evaluate= in place of a task; give --workers")
    for option, given in (
        ("--workers-per-gpu", options.workers_per_gpu),
        ("--trials-per-gpu", options.trials_per_gpu),
    ):
        if given is not None and not gpus_of(study):
            raise UserError(f"{option}: this study computes on the CPU here; give --workers")


def _check(study: Study) -> None:
    """Raise the errors that every trial would raise, before anything is written."""
    device = default_device(study.training.device)
    if study.task is not None:
        choose_precision(study.training.precision, device)
        study.shape  # noqa: B018 - reading it checks the data and the training
    study.check_fits()
