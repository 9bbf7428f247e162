"""The engines ``slurm`` and ``local-submitit``: workers as a job array, by submitit.

A job that is preempted, or near its time limit, hands its trial back and is queued again. The storage's URL
goes in the environment, which ``sbatch`` hands on, and not in submitit's files.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError
from submitit.local.local import LocalExecutor, LocalJob
from submitit.slurm.slurm import SlurmExecutor

from optnas.errors import UserError
from optnas.launch.engine import Placement, Reach
from optnas.launch.job import Job
from optnas.launch.keep import Keeper, Task
from optnas.launch.local import LOGS, shown_command

__all__ = ["LocalSubmitit", "Slurm", "Worker"]

_MINUTES = 60
# Between the signal and the end at the time limit: a worker hands its trial back within 10 s.
_GRACE_SECONDS = 60
# Each time limit counts as one; a study takes as many as it takes.
_MOST_TIMEOUTS = 10_000
_LOCAL_MINUTES = 7 * 24 * 60


class Worker:
    """A worker as a submitit function, which submitit queues again when its job is ended early.

    Args:
        arguments: The arguments of ``optnas``.
        folder: The working directory.
    """

    def __init__(self, arguments: list[str], folder: str) -> None:
        self.arguments = arguments
        self.folder = folder
        self._keeper: Keeper | None = None

    def __call__(self) -> int:
        if "OPTNAS_STORAGE" not in os.environ:
            raise RuntimeError("OPTNAS_STORAGE is not set in the job: let sbatch export the environment")
        self._keeper = Keeper(Task(self.arguments, {}, folder=self.folder))
        # Slurm sends it at the begin of a preemption's grace time and before a cancelled job is killed. It
        # queues a preempted job again by itself.
        signal.signal(signal.SIGTERM, self._end)
        status = self._keeper.run()
        if status != 0:
            raise RuntimeError(f"the worker ended with status {status}; it is told above why")
        return status

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Hand the trial back; called by submitit at the signal before the time limit."""
        self._stop()
        return submitit.helpers.DelayedSubmission(Worker(self.arguments, self.folder))

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._stop()
        sys.exit(128 + signal.SIGTERM)

    def _stop(self) -> None:
        if self._keeper is not None:
            self._keeper.stop()


class Slurm:
    """Workers as an array of Slurm jobs."""

    takes = frozenset({"settings", "gpus", "memory"})
    reach = Reach.MACHINES

    def __init__(self, job: Job, placement: Placement) -> None:
        if job.gpus is not None and job.gpus != int(job.gpus):
            raise UserError(f"--gpus-per-worker {job.gpus:g}: Slurm gives whole GPUs; ray gives shares")
        self._job = job
        self._folder = Path(LOGS).absolute() / f"{job.slug}-slurm"
        self._parameters = _parameters(job, placement.settings)

    def shown(self) -> str:
        executor = _Unchecked(self._folder)
        executor.update_parameters(**self._parameters)
        executor.parameters["map_count"] = self._job.workers
        text = executor._make_submission_file_text(executor._submitit_command_str, "")
        return f"{text}\n# which runs, each time: {shown_command(self._job)}\n"

    def start(self) -> str:
        try:
            executor = SlurmExecutor(self._folder, max_num_timeout=_MOST_TIMEOUTS)
        except RuntimeError:
            raise UserError("--engine slurm: this is no machine of a Slurm cluster: it has no srun") from None
        executor.update_parameters(**self._parameters)
        try:
            jobs = _submit(executor, self._job)
        except (FailedJobError, FailedSubmissionError) as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise UserError(f"Slurm refused the jobs: {lines[-1]}") from None
        number = jobs[0].job_id.split("_")[0]
        return (
            f"{len(jobs)} workers as Slurm's job {number}; logs: {self._folder}; look: squeue -j {number}; "
            f"stop: scancel {number}"
        )


class LocalSubmitit:
    """Workers on this machine the way ``slurm`` places them, to try it without Slurm."""

    takes = frozenset({"detach"})
    reach = Reach.HERE

    def __init__(self, job: Job, placement: Placement) -> None:
        self._job = job
        self._folder = Path(LOGS).absolute() / f"{job.slug}-submitit"
        self.jobs: list[LocalJob[int]] = []

    def shown(self) -> str:
        return f"# {self._job.workers} times, by submitit on this machine:\n{shown_command(self._job)}\n"

    def start(self) -> str:
        executor = LocalExecutor(self._folder, max_num_timeout=_MOST_TIMEOUTS)
        executor.update_parameters(timeout_min=_LOCAL_MINUTES, stderr_to_stdout=True)
        self.jobs = _submit(executor, self._job)
        numbers = " ".join(job.job_id for job in self.jobs)
        return f"{len(self.jobs)} workers by submitit; logs: {self._folder}; stop: kill {numbers}"

    def runs(self) -> bool:
        return any(job.state == "RUNNING" for job in self.jobs)

    def stop(self) -> None:
        # submitit's own cancel() kills within a second.
        for job in self.jobs:
            if job.state == "RUNNING":
                os.kill(int(job.job_id), signal.SIGTERM)
        while self.runs():
            time.sleep(0.1)


class _Unchecked(SlurmExecutor):
    """Executor that shows what it would submit on machines without Slurm, too."""

    @classmethod
    def affinity(cls) -> int:
        return 1


def _parameters(job: Job, settings: Mapping[str, str]) -> dict[str, Any]:
    """Return submitit's parameters; settings that it does not know are passed on to ``sbatch``."""
    others: dict[str, Any] = {"requeue": True}
    parameters: dict[str, Any] = {
        "job_name": f"optnas-{job.slug}",
        "cpus_per_task": job.cpus,
        "time": _MINUTES,
        "signal_delay_s": _GRACE_SECONDS,
        "array_parallelism": job.workers,
        "stderr_to_stdout": True,
    }
    if job.gpus is not None:
        parameters["gpus_per_node"] = int(job.gpus)
    if job.memory is not None:
        parameters["mem"] = f"{round(job.memory * 1024)}M"
    for key, value in settings.items():
        name = key.replace("-", "_")
        known = name in SlurmExecutor._valid_parameters()
        (parameters if known else others)[name if known else key] = value
    for name in ("time", "signal_delay_s", "array_parallelism"):
        if not str(parameters[name]).isdecimal():
            raise UserError(
                f"--set {name}={parameters[name]}: give a number" + " of minutes" * (name == "time")
            )
        parameters[name] = int(parameters[name])
    return {**parameters, "additional_parameters": others}


def _submit(executor: Any, job: Job) -> list[Any]:
    """Submit a job's workers, whose environment the executor hands on from this process's own."""
    worker = Worker(job.arguments(), str(Path.cwd()))
    before = dict(os.environ)
    os.environ.update(job.environment())
    try:
        jobs: list[Any] = executor.submit_array([worker] * job.workers)
        return jobs
    finally:
        os.environ.clear()
        os.environ.update(before)
