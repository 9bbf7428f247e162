"""The engine ``kubernetes``: workers as an Indexed Job, with the storage's URL in a secret."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

from optnas.errors import UserError
from optnas.launch.containers import FOLDER, STOP_SECONDS, as_yaml, image_of, in_container, study_path
from optnas.launch.engine import Placement, Reach
from optnas.launch.job import Job

__all__ = ["Kubernetes"]

_RESTARTS = 10
# What a worker's exit status says: the study's verdict on itself, or what only the user can mend; and
# that it handed its trial back at a signal.
_FINAL, _STOPPED = [1, 2], [130, 143]
_MOST_BYTES = 1_000_000


class Kubernetes:
    """Workers as a Job in the cluster and namespace that ``kubectl`` is set to."""

    takes = frozenset({"image", "memory", "gpus", "settings"})
    reach = Reach.CONTAINERS

    def __init__(self, job: Job, placement: Placement) -> None:
        if job.gpus is not None and job.gpus != int(job.gpus):
            raise UserError(f"--gpus-per-worker {job.gpus:g}: Kubernetes gives whole GPUs; ray gives shares")
        self._job = job
        self._image = image_of(placement, "kubernetes")
        self._labels = dict(placement.settings)
        self._name = f"optnas-{job.slug}"
        self._text = study_path(job).read_text(encoding="utf-8")
        if len(self._text.encode()) > _MOST_BYTES:
            raise UserError(
                f"{job.file} is larger than a ConfigMap may be: move what is large into the image"
            )

    def shown(self) -> str:
        names = " ".join(f"{name}=…" for name in self._job.environment())
        secret = f"# kubectl apply --filename -, with the secret {self._name} beside it: {names}\n"
        return secret + as_yaml(self._study(), self._workers())

    def start(self) -> str:
        if shutil.which("kubectl") is None:
            raise UserError("--engine kubernetes: there is no program kubectl here; --print shows the files")
        # By standard input, so that no list of processes shows the secret.
        answer = subprocess.run(
            ["kubectl", "apply", "--filename", "-"],
            input=as_yaml(self._secret(), self._study(), self._workers()),
            text=True,
            capture_output=True,
        )
        if answer.returncode != 0:
            said = (answer.stderr.strip() or "no answer").splitlines()[-1]
            raise UserError(f"kubectl refused it: {said}")
        name = self._name
        return (
            f"{self._job.workers} workers as job {name}; look: kubectl get pods -l job-name={name}; "
            f"logs: kubectl logs -l job-name={name}; stop: kubectl delete job {name}"
        )

    def _secret(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self._name},
            "stringData": self._job.environment(),
        }

    def _study(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self._name},
            "data": {study_path(self._job).name: self._text},
        }

    def _workers(self) -> dict[str, Any]:
        job = self._job
        asked: dict[str, Any] = {"cpu": str(job.cpus)}
        if job.memory is not None:
            asked["memory"] = f"{round(job.memory * 1024)}Mi"
        if job.gpus is not None:
            asked["nvidia.com/gpu"] = int(job.gpus)
        limits = {key: value for key, value in asked.items() if key != "cpu"}
        container = {
            "name": "worker",
            "image": self._image,
            "command": ["optnas", *job.arguments(in_container(job))],
            "workingDir": "/tmp",
            "envFrom": [{"secretRef": {"name": self._name}}],
            "resources": {"requests": asked, **({"limits": limits} if limits else {})},
            "volumeMounts": [{"name": "study", "mountPath": FOLDER, "readOnly": True}],
        }
        pod = {
            "restartPolicy": "Never",  # the job makes a new pod, perhaps on another node
            "terminationGracePeriodSeconds": STOP_SECONDS,
            **({"nodeSelector": self._labels} if self._labels else {}),
            "containers": [container],
            "volumes": [{"name": "study", "configMap": {"name": self._name}}],
        }
        rules = [
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": _FINAL}},
            {"action": "Ignore", "onExitCodes": {"operator": "In", "values": _STOPPED}},
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        ]
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": self._name},
            "spec": {
                "completionMode": "Indexed",
                "completions": job.workers,
                "parallelism": job.workers,
                "backoffLimitPerIndex": _RESTARTS,
                "podFailurePolicy": {"rules": rules},
                "template": {"spec": pod},
            },
        }
