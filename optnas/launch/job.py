"""One worker of a study, as a command and its environment."""

from __future__ import annotations

import dataclasses
import os

from optnas.errors import UserError

__all__ = ["Job"]


@dataclasses.dataclass(frozen=True)
class Job:
    """The workers of one study, all alike.

    Attributes:
        file: The study's file, perhaps with ``:`` and the study's variable.
        name: The study's name.
        storage: The storage's URL. It may hold a password, so it never stands in a command line.
        trials: Number of trials that the study is to have in the end, over all workers.
        workers: Number of workers.
        artifacts: Where checkpoints are kept; ``None`` where the study says.
        patience: Number of trials after which to stop if none of them has changed the front.
        cpus: Cores of each worker, which are its threads.
        gpus: GPUs of each worker, perhaps a fraction; ``None`` if not asked for.
        memory: GiB of memory of each worker; ``None`` if not asked for.
        passed: Names of environment variables that workers get as they are here.
    """

    file: str
    name: str
    storage: str
    trials: int
    workers: int
    artifacts: str | None = None
    patience: int | None = None
    cpus: int = 1
    gpus: float | None = None
    memory: float | None = None
    passed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what in ("trials", "workers", "patience", "cpus", "gpus", "memory"):
            value = getattr(self, what)
            if value is not None and not value > 0:
                option = {"cpus": "cpus-per-worker", "gpus": "gpus-per-worker"}.get(what, what)
                raise UserError(f"--{option} {value}: it must be more than 0")
        for name in self.passed:
            if name not in os.environ:
                raise UserError(f"--env {name}: no such environment variable is set here")

    @property
    def slug(self) -> str:
        """The study's name as Kubernetes, Slurm and file names take it: small letters, digits, dashes."""
        letters = "".join(each if each.isascii() and each.isalnum() else "-" for each in self.name.lower())
        return "-".join(part for part in letters.split("-") if part)[:40] or "study"

    def arguments(self, file: str | None = None) -> list[str]:
        """Return the arguments of ``optnas`` for one worker; ``file``: the study's file, if elsewhere."""
        arguments = ["run", file or self.file, "--trials", str(self.trials), "--workers", "1"]
        arguments += ["--threads", str(self.cpus)]
        if self.patience is not None:
            arguments += ["--patience", str(self.patience)]
        return arguments

    def environment(self) -> dict[str, str]:
        """Return the environment variables of each worker; their values may be secrets."""
        environment = {name: os.environ[name] for name in self.passed}
        environment["OPTNAS_STORAGE"] = self.storage
        if self.artifacts is not None:
            environment["OPTNAS_ARTIFACTS"] = self.artifacts
        return environment
