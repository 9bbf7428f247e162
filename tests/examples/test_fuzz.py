"""Malformed input is said in one line, whatever it holds, and the fuzzer sees where it is not."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

from tests.files import REPOSITORY


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(REPOSITORY / "examples" / "benchmarks")
    return importlib.import_module("fuzz")


@pytest.mark.slow
def test_whatever_is_malformed_is_said_in_one_line(fuzz: ModuleType) -> None:
    kinds = list(fuzz.KINDS)
    statuses, findings = fuzz.fuzz(range(5 * len(kinds)), 3, kinds)
    assert not findings, findings
    assert sum(statuses.values()) == 5 * len(kinds)
    assert {kind for kind, _ in statuses} == set(kinds)
    assert {2, 3} <= {status for _, status in statuses} <= {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("command", "status", "output", "fault"),
    [
        (["status"], 0, "digits\n", ""),
        (["status"], 2, "error: no study\n", ""),
        (["status"], 2, "optnas: the last line is torn\nerror: no study\n", ""),
        (["status"], 2, "no study\n", "printed 0 lines of errors"),
        (["status"], 2, "error: a\nerror: b\n", "printed 2 lines of errors"),
        (["status"], 2, "error: a\nand more\n", "printed more than its line"),
        (["status"], 0, "\x1b[2J", "printed '\\x1b'"),
        (["status"], 0, "\x9b", "printed '\\x9b'"),
        (["status"], 0, "at a://b:s3cret@c", "printed a password"),
        (["pareto", "--json"], 0, '{"password=s3cret": 3}', ""),
        (["pareto", "--json"], 2, "error: at a://b:s3cret@c\n", "printed a password"),
        (["status"], 130, "", "ended with status 130"),
        (["run"], 1, "Traceback (most recent call last):\n", "printed a traceback"),
    ],
)
def test_the_fuzzer_sees_what_must_not_be(
    fuzz: ModuleType, command: list[str], status: int, output: str, fault: str
) -> None:
    assert fuzz._fault(command, status, output) == fault
