"""One worker of a machine measures at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from optnas.measure.machine import alone, processor

OTHER = """
from optnas.measure.machine import alone
print("waiting", flush=True)
with alone(1):
    print("measuring", flush=True)
"""


def test_another_process_measures_when_this_one_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with alone(1):
        other = subprocess.Popen([sys.executable, "-c", OTHER], stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        assert other.stdout.readline() == "waiting\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.3)
    assert other.communicate(timeout=60)[0] == "measuring\n"


def test_the_threads_are_as_before_afterwards() -> None:
    before = torch.get_num_threads()
    with alone(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_the_processor_has_a_name() -> None:
    assert processor().strip() == processor() != ""
