"""Options of a run: how many trials, how long, by whom."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from optnas.errors import UserError
from optnas.space import Node

__all__ = ["Callback", "RunOptions", "seconds_of"]

Callback = Callable[[optuna.Study, FrozenTrial], None]

_SPAN = re.compile(r"(?:([\d.]+)d)?(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s?)?")
_UNITS = (86400, 3600, 60, 1)


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """The options of ``optnas run`` and ``study.run``.

    Attributes:
        trials: Number of trials that the study is to have in the end, over all workers.
        workers: Number of processes; by default one a core or one a GPU.
        workers_per_gpu: Number of processes for each GPU, or ``"auto"``.
        trials_per_gpu: Number of trials at once in each process on a GPU, or ``"auto"``.
        threads: Number of threads of each worker.
        artifacts: Where checkpoints are kept; by default where the study says, or beside the storage.
        timeout: Seconds after which no further trial is started, or a text such as ``"1h30m"``.
        patience: Number of trials after which to stop if none of them has changed the front.
        enqueue: Architectures or parameters to run first (:func:`optnas.run.baselines.params_of`).
        callbacks: Called with the study and each finished trial, as ``study.optimize`` does.
        log: Where finished trials are logged to, as ``tensorboard:runs`` (:mod:`optnas.loggers.registry`).
        storage_patience: Seconds to wait for the storage while it is away, or a text such as ``"10m"``. By
            default ten minutes, but a few seconds for a server that does not answer at the beginning.
        publish: Whether notes and figures for optuna-dashboard are written.

    Raises:
        UserError: If a number is less than 1, a number for each GPU is neither that nor ``"auto"``,
            both numbers of workers are given, or ``timeout`` or ``storage_patience`` is no time span.
    """

    trials: int = 100
    workers: int | None = None
    workers_per_gpu: int | str | None = None
    trials_per_gpu: int | str | None = None
    threads: int | None = None
    artifacts: str | None = None
    timeout: float | str | None = None
    patience: int | None = None
    enqueue: Sequence[str | Mapping[str, Any] | Node] = ()
    callbacks: Sequence[Callback] = ()
    log: Sequence[str] = ()
    storage_patience: float | str | None = None
    publish: bool = True

    def __post_init__(self) -> None:
        for what in ("trials", "workers", "threads", "patience"):
            number = getattr(self, what)
            if number is not None and number < 1:
                raise UserError(f"--{what} {number}: it must be at least 1")
        for what in ("workers_per_gpu", "trials_per_gpu"):
            self.each_gpu(what)
        if self.workers is not None and self.workers_per_gpu is not None:
            raise UserError("give --workers or --workers-per-gpu, not both")
        for what in ("timeout", "storage_patience"):
            span = getattr(self, what)
            if span is not None:
                object.__setattr__(self, what, seconds_of(span, f"--{what.replace('_', '-')}"))

    def each_gpu(self, what: str) -> int | None:
        """Return the number that ``workers_per_gpu`` or ``trials_per_gpu`` gives.

        ``None`` for ``auto``, and where it is not given.

        Raises:
            UserError: If it is neither a number of at least 1 nor ``auto``.
        """
        given = getattr(self, what)
        if given in (None, "auto"):
            return None
        if not (str(given).isdecimal() and int(given)):
            option = f"--{what.replace('_', '-')}"
            raise UserError(f"{option} {given}: give a number of at least 1, or auto")
        return int(given)


def seconds_of(span: float | str, option: str = "--timeout") -> float:
    """Return a time span in seconds, which an option of the command line gives.

    >>> seconds_of("1h30m"), seconds_of("90"), seconds_of("45s")
    (5400.0, 90.0, 45.0)

    Raises:
        UserError: If it is no time span, or not more than 0.
    """
    found = _SPAN.fullmatch(str(span).strip().lower().replace(" ", ""))
    try:
        seconds = (
            sum(float(part) * unit for part, unit in zip(found.groups(), _UNITS, strict=True) if part)
            if found
            else 0.0
        )
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise UserError(f"{option} {span}: give a time such as 90s, 30m or 1h30m")
    return float(seconds)
