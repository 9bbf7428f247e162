"""What is handed to Kubernetes and compose is what their schemas take, with secrets apart."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.files import call, quick_study

URL = "postgresql+psycopg://me:s3cret@database/x"


def check_kubernetes(document: dict[str, Any]) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    validator.validate(document, "1.33", strict=True)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH whose ``kubectl`` and ``docker`` write down what they are given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("kubectl", "docker"):
        file = folder / name
        file.write_text(
            f'#!/bin/sh\ncat > "{folder}/input"; echo "$@" > "{folder}/arguments"; env > "{folder}/env"\n'
        )
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def launch(folder: Path, engine: str, *more: object) -> Any:
    options = ["--engine", engine, "--image", "me/optnas", "--artifacts", "s3://bucket/a", "-s", URL]
    result = call("launch", quick_study(folder), *options, "-n", 50, "-w", 4, *more)
    assert result.exit_code == 0, result.output
    assert "s3cret" not in result.output
    return result


def test_kubernetes_is_given_a_valid_job_and_the_secret_apart(tmp_path: Path, program: Path) -> None:
    launch(tmp_path, "kubernetes", "--memory", 2, "--gpus-per-worker", 1, "--set", "pool=gpu")
    text = (program / "input").read_text()
    secret, study, job = yaml.safe_load_all(text)
    for document in (secret, study, job):
        check_kubernetes(document)
    assert (program / "arguments").read_text() == "apply --filename -\n"
    assert secret["stringData"] == {"OPTNAS_STORAGE": URL, "OPTNAS_ARTIFACTS": "s3://bucket/a"}
    assert "s3cret" not in yaml.safe_dump(job)
    assert study["data"]["quick.py"] == (tmp_path / "quick.py").read_text()
    assert job["spec"]["completions"] == 4
    pod = job["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= 20
    assert pod["containers"][0]["resources"]["limits"] == {"memory": "2048Mi", "nvidia.com/gpu": 1}


def test_what_kubernetes_would_be_given_is_printed_without_the_secret(tmp_path: Path, program: Path) -> None:
    printed = list(yaml.safe_load_all(launch(tmp_path, "kubernetes", "--print").output))
    assert not (program / "input").exists()
    launch(tmp_path, "kubernetes")
    assert list(yaml.safe_load_all((program / "input").read_text()))[1:] == printed


def test_compose_is_given_workers_and_the_database_that_the_url_names(tmp_path: Path, program: Path) -> None:
    printed = yaml.safe_load(launch(tmp_path, "compose", "--print").output)
    launch(tmp_path, "compose")
    text = (program / "input").read_text()
    assert yaml.safe_load(text) == printed
    assert "s3cret" not in text
    assert f"OPTNAS_STORAGE={URL}" in (program / "env").read_text().splitlines()
    assert "OPTNAS_DATABASE_PASSWORD=s3cret" in (program / "env").read_text().splitlines()
    worker, database = printed["services"]["worker"], printed["services"]["database"]
    assert worker["command"][:3] == ["optnas", "run", "/study/quick.py"]
    assert worker["deploy"]["replicas"] == 4
    assert database["environment"]["POSTGRES_USER"] == "me"


def test_an_engine_that_refuses_is_told_in_one_line(tmp_path: Path, program: Path) -> None:
    (program / "kubectl").write_text("#!/bin/sh\necho >&2 no such namespace; exit 1\n")
    options = ["--engine", "kubernetes", "--image", "i", "--artifacts", "none", "-s", URL]
    result = call("launch", quick_study(tmp_path), *options)
    assert result.exit_code == 2
    assert result.output == "error: kubectl refused it: no such namespace\n"
