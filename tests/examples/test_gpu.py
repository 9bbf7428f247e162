"""What the throughput benchmark tells of a GPU."""

from __future__ import annotations

import importlib
import json
import os
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from tests.files import REPOSITORY


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    monkeypatch.syspath_prepend(REPOSITORY / "examples" / "benchmarks")
    return {name: importlib.import_module(name) for name in ("gpu", "throughput")}


def test_utilisation_is_what_nvidia_smi_says_until_the_end(
    benchmarks: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nprintf "80\\n100\\n[N/A]\\n"\nexec sleep 60\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with benchmarks["gpu"].watched("GPU-1") as busy:
        time.sleep(0.3)
        assert busy == []
    assert busy == [0.8, 1.0]
    assert "--id=GPU-1" in (tmp_path / "asked").read_text()


def test_without_nvidia_smi_nothing_is_known(
    benchmarks: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with benchmarks["gpu"].watched("GPU-1") as busy:
        pass
    assert busy == []


def test_the_rate_of_matrix_products_is_measured(benchmarks: dict[str, ModuleType]) -> None:
    assert 1e6 < benchmarks["gpu"].matrix_rate(torch.device("cpu"), 64) < 1e15


def test_the_report_has_the_gpu_s_figures(
    benchmarks: dict[str, ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    throughput = benchmarks["throughput"]
    monkeypatch.setattr(throughput, "matrix_rate", lambda device: 700e12)
    monkeypatch.setenv("COLUMNS", "200")
    arguments = SimpleNamespace(
        architectures=2, data="digits", epochs=1, device="cpu", json=tmp_path / "figures.json"
    )
    names = ("optnas", "tuned loop")
    rates = {"optnas": 35e12, "tuned loop": 7e12}
    throughput.report(
        arguments,
        {name: [1.0] for name in names},
        {name: [0.9] for name in names},
        {"optnas": [0.8, 1.0], "tuned loop": []},
        rates,
    )
    told = capsys.readouterr().out
    assert "90%" in told
    assert "35.00" in told
    assert "700 TFLOP/s" in told
    figures = json.loads(arguments.json.read_text())
    assert figures["matrix_flops_per_second"] == 700e12
    assert figures["optnas"]["gpu_busy"] == pytest.approx(0.9)
    assert figures["tuned loop"]["gpu_busy"] is None
