"""The files of examples/cluster are what their programs take."""

from __future__ import annotations

import subprocess

import optuna
import pytest
import sqlalchemy
import yaml

from tests.files import REPOSITORY

CLUSTER = REPOSITORY / "examples" / "cluster"


def test_the_manifest_of_postgresql_is_valid() -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for document in yaml.safe_load_all((CLUSTER / "postgresql.yaml").read_text()):
        validator.validate(document, "1.33", strict=True)


def test_keda_s_pods_are_valid_and_its_query_counts_the_trials_that_are_left() -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    scaled = yaml.safe_load((CLUSTER / "keda.yaml").read_text())
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}}
    validator.validate({**job, "spec": scaled["spec"]["jobTargetRef"]}, "1.33", strict=True)
    storage = optuna.storages.RDBStorage("sqlite:///:memory:")
    study = optuna.create_study(storage=storage, study_name="digits")
    study.optimize(lambda trial: 1.0, n_trials=3)
    study.ask()
    query = scaled["spec"]["triggers"][0]["metadata"]["query"].replace("GREATEST(0, ", "MAX(0, ")  # SQLite's
    with storage.engine.connect() as connection:
        assert connection.execute(sqlalchemy.text(query)).scalar() == 997


def test_the_batch_script_is_one() -> None:
    subprocess.run(["bash", "-n", CLUSTER / "slurm.sbatch"], check=True)
