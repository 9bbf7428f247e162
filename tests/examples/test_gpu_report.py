"""The report of a GPU, as far as a CPU can tell."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.files import REPOSITORY

BENCHMARKS = REPOSITORY / "examples" / "benchmarks"


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("gpu_trials")


def carried(folder: Path) -> Path:
    """Copy what git knows of, or would take, to ``folder``."""
    asked = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"what would be carried is asked of git: {listed.stderr.strip()}")
    for name in listed.stdout.splitlines():
        if (REPOSITORY / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    return folder


@pytest.mark.slow
def test_the_dry_run_ends_well_with_nothing_but_what_is_carried(tmp_path: Path) -> None:
    folder = carried(tmp_path / "carried")
    command = [sys.executable, "examples/benchmarks/gpu_report.py", "--dry-run", "--root", str(tmp_path)]
    command += ["--json", "report.json", "--markdown", "report.md"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report = json.loads((folder / "report.json").read_text())
    assert {name: part["said"] for name, part in report.items()} == dict.fromkeys(report, "ok")
    assert all(part["rows"] for part in report.values())
    assert report["tests"]["rows"][0]["skipped"] >= 22
    families = [row["family"] for row in report["optnas-1"]["rows"] if "family" in row]
    assert families == ["mobile", "chain"] * 2
    times = {row[""]: row["ms a trial"] for row in report["trial-time"]["rows"]}
    assert min(times[name] for name in ("train", "evaluate", "build", "suggest", "records")) > 0
    assert [row["state"] for row in report["out-of-memory"]["rows"]] == ["COMPLETE", "PRUNED"] + [
        "COMPLETE"
    ] * 4
    # On a busy machine the loop has to stop before its last architecture.
    assert re.search(r"\| loop \| 1 \| [1-4] \|", (folder / "report.md").read_text())


FAILING = """
import sys, time
sys.path.insert(0, {benchmarks!r})
import gpu_report
from gpu_workload import Setting

def ill(setting):
    "Fails."
    yield {{"number": 1}}
    raise RuntimeError("the cause")

def late(setting):
    "Takes too long."
    yield {{"number": 2}}
    time.sleep(60)

def well(setting):
    "Ends."
    yield {{"number": 3}}

gpu_report.PARTS = {{"ill": (ill, 30), "late": (late, 6), "well": (well, 30), "last": (well, 30)}}

def write(results):
    print(gpu_report.markdown(results), "===")
    if len(results) == 3:
        gpu_report._FEWEST_SECONDS = 1e9

sys.exit(not gpu_report.report(list(gpu_report.PARTS), Setting("cpu", "synthetic", ""), 5, write))
"""


@pytest.mark.slow
def test_a_part_that_fails_or_is_late_keeps_what_it_found_and_the_next_begins() -> None:
    script = FAILING.format(benchmarks=str(BENCHMARKS))
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    *_, before, told, _ = ran.stdout.split("===")
    assert "## last" not in before
    assert "RuntimeError: the cause" in told
    assert "Traceback (most recent call last)" in told
    assert "out of time after 6 s" in told
    assert "not begun: no time was left" in told
    assert [f"| {number} |" in told for number in (1, 2, 3)] == [True] * 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--parts", "tests,stepps"], "there is no part 'stepps': name some of machine, tests,"),
        (["--dry-run", "--json", "nowhere/a.json"], "the folder nowhere for a.json does not exist"),
        (["--dry-run", "--seeds", "0"], "--seeds at least 1"),
        ([], "nvidia-smi shows no GPU here; --dry-run does all of it on the CPU"),
    ],
)
def test_what_cannot_be_run_is_told_in_a_line(options: list[str], said: str) -> None:
    environment = {**os.environ, "PATH": "/nowhere"}
    ran = subprocess.run(
        [sys.executable, BENCHMARKS / "gpu_report.py", *options],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_contestants_are_compared_on_what_each_has_trained(trials: ModuleType) -> None:
    def rows(workers: int, rate: float, seconds: list[float], more: float = 0) -> list[dict[str, object]]:
        each = [
            {"trial": n, "family": "chain", "seconds": s, "accuracy": 0.1 * n + more * (1 + 2 * n)}
            for n, s in enumerate(seconds)
        ]
        return [{"at once": workers, "trials/h": rate, "GPU busy": None, "GFLOP/s": 1.0}, *each]

    ours, auto, loop = trials.compared(
        {
            "ours": rows(1, 600, [1, 2, 30]),
            "auto": rows(8, 1200, [2, 4, 60]),
            "loop": rows(1, 99, [4, 8], 0.01),  # was not in time for the slow one
            "none": rows(1, 0, []),
            "late": [],
        }
    )
    assert (ours["trials/h"], ours["time of optnas, one at once"]) == (600, 1)
    assert (auto["trials/h"], auto["time of optnas, one at once"]) == (1200, 0.5)
    assert (loop["trials/h"], loop["time of optnas, one at once"], loop["architectures"]) == (150, 4, 2)
    assert (loop["mean accuracy"], loop["of optnas on the same"]) == pytest.approx((0.07, 0.05))
    assert (loop["difference in pairs"], loop["± 2 standard errors"]) == pytest.approx((0.02, 0.02))
    assert (auto["difference in pairs"], auto["± 2 standard errors"]) == (0, 0)
