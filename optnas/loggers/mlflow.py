"""Logging to MLflow: an experiment a study, a run a trial."""

from __future__ import annotations

import os
import re
from typing import Any, ClassVar

from optnas.loggers.callback import LoggerCallback
from optnas.loggers.entry import Entry
from optnas.shown import plain

__all__ = ["MLflowCallback"]

# What MLflow takes: more parameters at once, and longer texts, it refuses.
_MOST_PARAMS, _LONGEST_PARAM, _LONGEST_TAG, _LONGEST_KEY, _LONGEST_NAME = 100, 6000, 5000, 250, 500
_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "fail": "FAILED"}


class MLflowCallback(LoggerCallback):
    """Optuna callback that logs trials to MLflow: an experiment for the study, a run for each trial.

    Metrics are the objectives at rungs, with the step, and values, costs and metrics at the end; tags are the
    architecture, the trial's number and state, and why it did not complete.

    Args:
        uri: The tracking server or database, such as ``"sqlite:///mlflow.db"``; by default as MLflow is set
            (``MLFLOW_TRACKING_URI``).
    """

    name: ClassVar[str] = "mlflow"
    packages: ClassVar[tuple[str, ...]] = ("mlflow",)

    def __init__(self, uri: str | None = None) -> None:
        # A server that is away must not hold up trials for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        super().__init__()
        self.uri = uri
        self._client: Any = None
        self._experiments: dict[str, str] = {}

    def begin(self) -> None:
        if self._client is None:
            self._client = self._module("mlflow").MlflowClient(self.uri)
            # Makes the tables of a new database.
            self._client.search_experiments(max_results=1)

    def log(self, entry: Entry) -> None:
        entities: Any = self._module("mlflow.entities")
        self.begin()
        client, experiment = self._client, self._experiment(plain(entry.study)[:_LONGEST_NAME])
        start, end = int(entry.start * 1000), int(entry.end * 1000)
        if client.search_runs([experiment], f"tags.`optnas.id` = '{entry.id}'", max_results=1):
            return
        metrics = [
            entities.Metric(_key(f"rung/{name}"), value, end, step)
            for step, values in entry.curve.items()
            for name, value in values.items()
        ]
        metrics += [entities.Metric(_key(name), value, end, 0) for name, value in entry.figures.items()]
        params = [entities.Param(_key(name), str(v)[:_LONGEST_PARAM]) for name, v in entry.params.items()]
        tags = {
            "trial": str(entry.number),
            "state": entry.state,
            "reason": entry.reason,
            "architecture": entry.architecture,
        }
        tags = {f"optnas.{name}": text[:_LONGEST_TAG] for name, text in tags.items() if text}
        run = client.create_run(experiment, start, run_name=f"trial {entry.number}").info.run_id
        try:
            for i in range(0, max(1, len(params)), _MOST_PARAMS):
                client.log_batch(run, params=params[i : i + _MOST_PARAMS])
            client.log_batch(run, metrics, tags=[entities.RunTag(*tag) for tag in tags.items()])
            # Last, as who has it is there in full.
            client.set_tag(run, "optnas.id", entry.id)
            client.set_terminated(run, _STATUS[entry.state], end)
        except Exception:
            client.delete_run(run)
            raise

    def _experiment(self, name: str) -> str:
        if name not in self._experiments:
            found = self._client.get_experiment_by_name(name)
            if found is None:
                try:
                    self._experiments[name] = self._client.create_experiment(name)
                    return self._experiments[name]
                except Exception:  # another process was faster
                    found = self._client.get_experiment_by_name(name)
                    if found is None:
                        raise
            self._experiments[name] = found.experiment_id
        return self._experiments[name]


def _key(name: str) -> str:
    """Return a name with the characters that MLflow takes: letters, digits and ``_ - . space : /``."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:_LONGEST_KEY]
