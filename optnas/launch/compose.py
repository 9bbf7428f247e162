"""The engine ``compose``: workers in containers on one machine, with PostgreSQL if that is the storage."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.parse
from typing import Any

from optnas.errors import UserError
from optnas.launch.containers import FOLDER, STOP_SECONDS, as_yaml, image_of, in_container, study_path
from optnas.launch.engine import Placement, Reach
from optnas.launch.job import Job

__all__ = ["Compose"]

# The host in the storage's URL that stands for a PostgreSQL server of the same compose file.
DATABASE = "database"
_PASSWORD = "OPTNAS_DATABASE_PASSWORD"
_POSTGRES = "postgres:17"


class Compose:
    """Workers as services of a compose file; ``docker compose`` restarts those that die."""

    takes = frozenset({"image", "memory", "gpus"})
    reach = Reach.CONTAINERS

    def __init__(self, job: Job, placement: Placement) -> None:
        if job.gpus is not None and job.gpus != int(job.gpus):
            raise UserError(f"--gpus-per-worker {job.gpus:g}: compose gives whole GPUs; ray gives shares")
        self._job = job
        self._image = image_of(placement, "compose")
        self._url = urllib.parse.urlsplit(job.storage)

    def shown(self) -> str:
        names = " ".join(f"{name}=…" for name in self._secrets())
        return f"# {names} docker compose --file - up --detach\n{as_yaml(self._file())}"

    def start(self) -> str:
        if shutil.which("docker") is None:
            raise UserError("--engine compose: there is no program docker here; --print shows the file")
        command = ["docker", "compose", "--file", "-"]
        answer = subprocess.run(
            [*command, "up", "--detach"],
            input=as_yaml(self._file()),
            text=True,
            capture_output=True,
            env={**os.environ, **self._secrets()},
        )
        if answer.returncode != 0:
            said = (answer.stderr.strip() or "no answer").splitlines()[-1]
            raise UserError(f"docker compose refused it: {said}")
        name = f"docker compose -p optnas-{self._job.slug}"
        return f"{self._job.workers} workers; logs: {name} logs; look: {name} ps; stop: {name} down"

    def _file(self) -> dict[str, Any]:
        job = self._job
        limits: dict[str, Any] = {"cpus": str(job.cpus)}
        if job.memory is not None:
            limits["memory"] = f"{round(job.memory * 1024)}M"
        resources: dict[str, Any] = {"limits": limits}
        if job.gpus is not None:
            devices = {"driver": "nvidia", "count": int(job.gpus), "capabilities": ["gpu"]}
            resources["reservations"] = {"devices": [devices]}
        worker: dict[str, Any] = {
            "image": self._image,
            "command": ["optnas", *job.arguments(in_container(job))],
            # By name alone: the values come from the environment of docker compose.
            "environment": list(job.environment()),
            "volumes": [f"{study_path(job).absolute()}:{FOLDER}/{study_path(job).name}:ro"],
            "working_dir": FOLDER,
            "restart": "on-failure",
            "stop_grace_period": f"{STOP_SECONDS}s",
            "deploy": {"replicas": job.workers, "resources": resources},
        }
        file: dict[str, Any] = {"name": f"optnas-{job.slug}", "services": {"worker": worker}}
        if self._url.hostname == DATABASE:
            worker["depends_on"] = {DATABASE: {"condition": "service_healthy"}}
            file["services"][DATABASE] = self._database()
            file["volumes"] = {DATABASE: {}}
        return file

    def _database(self) -> dict[str, Any]:
        user, name = self._url.username or "postgres", self._url.path.strip("/") or "postgres"
        return {
            "image": _POSTGRES,
            "environment": {
                "POSTGRES_USER": user,
                "POSTGRES_DB": name,
                "POSTGRES_PASSWORD": f"${{{_PASSWORD}:?}}",
            },
            "volumes": [f"{DATABASE}:/var/lib/postgresql/data"],
            "healthcheck": {
                "test": ["CMD", "pg_isready", "-U", user, "-d", name],
                "interval": "2s",
                "retries": 30,
            },
            "restart": "unless-stopped",
        }

    def _secrets(self) -> dict[str, str]:
        secrets = self._job.environment()
        if self._url.hostname == DATABASE:
            secrets[_PASSWORD] = urllib.parse.unquote(self._url.password or "")
        return secrets
