"""The engine ``ray``: workers as tasks of a Ray cluster, with shares of GPUs.

Ray runs a task again on another node when its node is lost, and its autoscaler adds nodes while tasks wait.
Nothing of a study's state is Ray's.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import platform
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from optnas.errors import UserError
from optnas.launch.engine import Placement, Reach
from optnas.launch.job import Job
from optnas.launch.keep import DONE, Keeper, Task
from optnas.launch.local import shown_command
from optnas.shown import note

__all__ = ["Ray", "work"]

_ADDRESS = "RAY_ADDRESS"
_STOP_SECONDS = 30


class Ray:
    """Workers on the Ray cluster of this machine or of ``RAY_ADDRESS``; they end with this process."""

    takes = frozenset({"settings", "gpus", "memory"})
    reach = Reach.MACHINES

    def __init__(self, job: Job, placement: Placement) -> None:
        self._job = job
        self._waiting: list[Any] = []
        try:
            resources = {key: float(value) for key, value in placement.settings.items()}
        except ValueError:
            raise UserError("--set: for ray write NAME=AMOUNT, a resource of the nodes") from None
        self._options: dict[str, Any] = {
            "num_cpus": job.cpus,
            "num_gpus": job.gpus or 0,
            "memory": None if job.memory is None else int(job.memory * 2**30),
            "resources": resources,
            "max_retries": -1,  # for as long as nodes are lost
            "scheduling_strategy": "SPREAD",
            "name": f"optnas-{job.slug}",
        }

    def shown(self) -> str:
        options = ", ".join(f"{key}={value!r}" for key, value in self._options.items())
        return f"# {self._job.workers} tasks, ray.remote({options}), each:\n{shown_command(self._job)}\n"

    def start(self) -> str:
        address = os.environ.get(_ADDRESS, "auto")
        if not ray.is_initialized():
            try:
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, RuntimeError, ValueError):
                raise UserError(
                    f"--engine ray: no Ray cluster answers at {address}: ray start --head starts one here,"
                    f" {_ADDRESS} names another"
                ) from None
        # Under a job of Ray's, each node has its own copy of the folder.
        packed = ray.get_runtime_context().runtime_env.get("working_dir")
        task = Task(
            self._job.arguments(), self._job.environment(), folder=None if packed else str(Path.cwd())
        )
        self._tell_if_no_room()
        remote = ray.remote(work).options(**self._options)
        self._waiting = [remote.remote(dataclasses.asdict(task)) for _ in range(self._job.workers)]
        return f"{self._job.workers} workers as tasks of Ray at {address}; look: ray status, optnas status"

    def _tell_if_no_room(self) -> None:
        asked = {"CPU": self._job.cpus, "GPU": self._job.gpus or 0, **self._options["resources"]}
        there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        missing = [f"{amount:g} {name}" for name, amount in asked.items() if amount > there.get(name, 0)]
        if missing:
            note(
                f"the Ray cluster has no {' and no '.join(missing)} for a worker now; waiting until its"
                " autoscaler, or somebody, adds such a node (Ctrl-C stops)"
            )

    def runs(self) -> bool:
        ended, self._waiting = ray.wait(self._waiting, num_returns=len(self._waiting), timeout=0.1)
        for each in ended:
            try:
                ray.get(each)
            except RayTaskError as error:
                self.stop()
                raise UserError(f"a worker failed: {error.cause}") from None
            except RayError as error:
                raise UserError(f"Ray lost a worker: {str(error).strip().splitlines()[0]}") from None
        return bool(self._waiting)

    def stop(self) -> None:
        for each in self._waiting:
            ray.cancel(each, force=False)
        ray.wait(self._waiting, num_returns=len(self._waiting), timeout=_STOP_SECONDS)
        self._waiting = []


def work(task: dict[str, Any]) -> None:
    """Keep a worker running, as a task of Ray; a task that is cancelled hands its trial back."""
    keeper = Keeper(Task(**task))
    try:
        status = keeper.run()
    except KeyboardInterrupt:
        keeper.stop()
        raise
    if status != DONE:
        raise RuntimeError(f"on {platform.node()} with status {status}; Ray's log of the task says why")
