"""What optnas says of malformed databases, journals, URLs, records, names, trials and checkpoints.

Each case damages a copy of a small study's files, or makes up an argument, by a seeded generator, and runs
a command on it in this process. It must end within seconds with status 0, 1, 2 or 3, say what is wrong in one
line, and print no traceback, no escape sequence and no password. What does not is counted and shown, and the
case is repeated by ``--only NUMBER`` with the same seed; ``--keep FOLDER`` leaves its files there.

2,000 cases take some five minutes: ``python examples/benchmarks/fuzz.py --cases 2000 --seed 1``.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fuzz_arguments
import fuzz_damage
import optuna
import torch
from fuzz_inputs import STUDIES
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner
from written import write_figures

from optnas.cli import app
from optnas.storages import waiting

KINDS: dict[str, Callable[[random.Random], list[str]]] = {
    "SQLite bytes": fuzz_damage.sqlite_bytes,
    "SQLite tables": fuzz_damage.sqlite_tables,
    "journal": fuzz_damage.journal,
    "URL": fuzz_arguments.url,
    "attributes": fuzz_damage.attributes,
    "names": fuzz_arguments.names,
    "options": fuzz_arguments.options,
    "checkpoints": fuzz_damage.checkpoints,
    "study names": fuzz_damage.study_names,
    "artifact stores": fuzz_damage.artifact_stores,
}
"""By name, functions that make a malformed input in the current folder, and return the command to run."""

SECONDS = 20
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")
# What else a command may say beside its one line, each on a line of its own.
_TOLD = ("note: ", "optnas: ")


class _Late(BaseException):
    """Raised in a command that does not end; no command catches it."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """A case that did not end as it must: what was wrong, and what was printed."""

    case: int
    kind: str
    command: list[str]
    fault: str
    output: str


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--only", type=int, help="run this case alone, and print what the command does")
    parser.add_argument("--keep", type=Path, help="leave the files of the last case in this folder")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cases = range(arguments.cases) if arguments.only is None else [arguments.only]
    statuses, findings = fuzz(cases, arguments.seed, arguments.kinds, keep=arguments.keep)
    table = Table("kind", "cases", "status 0", "1", "2", "3", "findings", box=None, pad_edge=False)
    for kind in arguments.kinds:
        counts = [statuses[kind, status] for status in (0, 1, 2, 3)]
        wrong = sum(finding.kind == kind for finding in findings)
        total = sum(count for (of, _), count in statuses.items() if of == kind)
        table.add_row(kind, *map(str, (total, *counts, wrong)))
    console = Console(markup=False, highlight=False, emoji=False)
    console.print(table)
    for finding in findings:
        said = ascii(finding.output[-1500:]).replace("\\n", "\n    ")
        console.print(
            f"\ncase {finding.case}, {finding.kind}: optnas {finding.command!a}: {finding.fault}\n    {said}"
        )
    write_figures(
        arguments,
        statuses={f"{kind}, {status}": count for (kind, status), count in sorted(statuses.items())},
        findings=[dataclasses.asdict(finding) for finding in findings],
    )
    sys.exit(bool(findings))


def fuzz(
    cases: Any, seed: int, kinds: list[str], *, keep: Path | None = None
) -> tuple[collections.Counter[tuple[str, int]], list[Finding]]:
    """Run cases, and return how often each kind ended with each status, and what did not end as it must."""
    statuses: collections.Counter[tuple[str, int]] = collections.Counter()
    findings = []
    with tempfile.TemporaryDirectory(prefix="optnas-fuzz-") as folder, _quiet(), _here(Path(folder)):
        base = Path(folder) / "base"
        base.mkdir()
        with _here(base):
            _make(base)
        for case in cases:
            rng = random.Random(f"{seed} {case}")
            kind = kinds[case % len(kinds)]
            place = Path(folder) / "case"
            shutil.copytree(base, place)
            with _here(place):
                command = KINDS[kind](rng)
                status, output, fault = _ended(command)
            statuses[kind, status] += 1
            if fault:
                findings.append(Finding(case, kind, command, fault, output))
            if keep is not None:
                shutil.rmtree(keep, ignore_errors=True)
                shutil.copytree(place, keep, symlinks=True)
            shutil.rmtree(place)
    return statuses, findings


def _make(folder: Path) -> None:
    """Make the files that cases damage: two studies on SQLite and in a journal, checkpoints, a network."""
    for name, text in STUDIES.items():
        (folder / name).write_text(text)
    for storage in (["--storage", "journal.log"], []):
        _call("run", "quick.py", "--trials", "12", "--workers", "1", *storage)
        _call("run", "small.py", "--trials", "2", "--workers", "1", "--threads", "1", *storage)
    _call("train", "small.py", "--trial", "0", "--out", "trained")
    # A search and a training that were interrupted leave checkpoints.
    (folder / "stop").touch()
    interrupted = [
        _call("run", "small.py", "--trials", "3", "--workers", "1", "--threads", "1"),
        _call("train", "small.py", "--trial", "0", "--out", "interrupted"),
    ]
    (folder / "stop").unlink()
    assert [result.exit_code for result in interrupted] == [130, 130], interrupted
    assert list((folder / "optnas-artifacts").rglob("*")), "no checkpoint was left"
    assert list((folder / "interrupted" / "checkpoints").iterdir()), "no checkpoint was left"


def _call(*command: str) -> Any:
    return CliRunner().invoke(app, list(command))


def _ended(command: list[str]) -> tuple[int, str, str]:
    """Run a command, and return its status, what it printed, and what is wrong with how it ended."""
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(SECONDS)
    path = list(sys.path)
    try:
        result = _call(*command)
    except _Late:
        return -1, traceback.format_exc(), f"not ended after {SECONDS} s"
    finally:
        signal.alarm(0)
        sys.path[:] = path
        for name in [name for name in sys.modules if name.startswith("optnas_study_")]:
            del sys.modules[name]
    output, status = result.output, result.exit_code
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        trace = "".join(traceback.format_exception(result.exception))
        return status, f"{output}\n{trace}", f"ended with {type(result.exception).__name__}"
    return status, output, _fault(command, status, output)


def _fault(command: list[str], status: int, output: str) -> str:
    """Return what is wrong with what a command printed; nothing if it is as it must be."""
    lines = [line for line in output.splitlines() if line.startswith("error:")]
    if status not in (0, 1, 2, 3):
        return f"ended with status {status}"
    if found := _STEERING.search(output):
        return f"printed {found[0]!a}"
    # Data for other programs is what is recorded, also where a stranger called a parameter "password=…".
    if "s3cret" in output and not (status == 0 and {"--json", "--csv"} & set(command)):
        return "printed a password"
    if "Traceback (most recent call last)" in output and "show" not in command:
        return "printed a traceback"
    if status in (2, 3) and len(lines) != 1 and "Usage:" not in output:
        return f"printed {len(lines)} lines of errors"
    if (
        status in (2, 3)
        and any(line and not line.startswith((*_TOLD, "error:")) for line in output.splitlines())
        and "Usage:" not in output
        and command[0] not in ("run", "train", "data")
    ):
        return "printed more than its line"
    return ""


def _late(*_: object) -> None:
    raise _Late


@contextlib.contextmanager
def _here(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Compute with one thread, without waiting for what is away, and without Optuna's log."""
    os.environ.pop("OPTNAS_STORAGE", None)
    os.environ["COLUMNS"] = "80"
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    patience, waiting.PATIENCE_SECONDS = waiting.PATIENCE_SECONDS, 0.5
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        waiting.PATIENCE_SECONDS = patience


if __name__ == "__main__":
    main()
