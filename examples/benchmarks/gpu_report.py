"""Test and measure all that optnas does on a GPU, in minutes.

    python examples/benchmarks/gpu_report.py --root ~/.cache/optnas --json report.json --markdown report.md

runs the tests marked ``cuda`` and then measures, the most important first: trials an hour of optnas (with
one worker, with several trials at once in it, and with as many as ``--workers-per-gpu auto`` starts), of the
loop that people write and of a tuned one, on 32 architectures of two spaces and all of Fashion-MNIST (or a
synthetic data set, where ``--root`` has none); a ResNet against a fast loop written by hand; steps eager and
as graphs, and what bounds them; several trainings at once in one process; where a trial's time goes; how far
two runs of one seed are apart; what happens when memory ends; latency and energy, measured twice; peak
memory.

Each part is a process of its own with a limit of its own, and has what it found until then if it fails or
its time is up; then the next one begins. JSON and Markdown are written anew after each. With ``--minutes 8``
(the default) all of it takes 8 minutes at most on one GPU. ``--parts tests,steps`` runs some of it,
``--small`` all of it in a small size, in about two minutes, and ``--dry-run`` that on the CPU.

What it needs beyond PyTorch on a machine without a network stands in gpu_requirements.txt. It ends with
status 1 if a part failed.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import multiprocessing
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import torch
from gpu_cifar import against_hand_written
from gpu_memory import out_of_memory, out_of_memory_packed
from gpu_packing import packing, siblings
from gpu_steps import machine, measured, memory, repeated, roofline, steps
from gpu_trials import (
    by_todays_loop,
    by_tuned_loop,
    by_tuned_loops,
    compared,
    optnas_alone,
    optnas_auto,
    optnas_eight,
    optnas_four,
    optnas_mps,
    trial_time,
)
from gpu_workload import Row, Setting, data_in, task

from optnas.train import use_threads

REPOSITORY = Path(__file__).resolve().parents[2]
# Less is of no use to a part.
_FEWEST_SECONDS = 5

Part = Callable[[Setting], Iterator[Row]]


def cuda_tests(setting: Setting) -> Iterator[Row]:
    """The tests marked ``cuda``."""
    files = [path for path in sorted(REPOSITORY.glob("tests/**/*.py")) if "mark.cuda" in path.read_text()]
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        command = [sys.executable, "-m", "pytest", "-m", "cuda", "-p", "no:cacheprovider", "-rs"]
        command += ["--tb=short", f"--junitxml={results}", *map(str, files)]
        subprocess.run(command, cwd=REPOSITORY, check=False)
        suite = next(iter(ElementTree.parse(results).getroot()))
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    failed = counts["failures"] + counts["errors"]
    passed = counts["tests"] - failed - counts["skipped"]
    yield {"": "all", "passed": passed, "failed": failed, "skipped": counts["skipped"]}
    for case in suite.iter("testcase"):
        for problem in (*case.iter("failure"), *case.iter("error")):
            message = (problem.get("message") or "").splitlines()
            yield {"": case.get("name"), "said": message[0] if message else problem.tag}
    if failed or not counts["tests"]:
        raise AssertionError(f"{failed} of {counts['tests']} tests failed")


# With the seconds that each may take.
PARTS: dict[str, tuple[Part, float]] = {
    "machine": (machine, 20),
    "tests": (cuda_tests, 120),
    "optnas-1": (optnas_alone, 90),
    "optnas-4-at-once": (optnas_four, 50),
    "optnas-8-at-once": (optnas_eight, 50),
    "optnas-auto": (optnas_auto, 75),
    "loop": (by_todays_loop, 55),
    "tuned-loop": (by_tuned_loop, 45),
    "tuned-loops": (by_tuned_loops, 75),
    "resnet": (against_hand_written, 75),
    "steps": (steps, 60),
    "roofline": (roofline, 30),
    "trial-time": (trial_time, 45),
    "packing": (packing, 30),
    "siblings": (siblings, 30),
    "out-of-memory": (out_of_memory, 60),
    "out-of-memory-packed": (out_of_memory_packed, 45),
    "repeated": (repeated, 45),
    "measured": (measured, 60),
    "memory": (memory, 30),
    "optnas-mps": (optnas_mps, 60),
}
CONTESTANTS = (
    "optnas-1",
    "optnas-4-at-once",
    "optnas-8-at-once",
    "optnas-auto",
    "optnas-mps",
    "loop",
    "tuned-loop",
    "tuned-loops",
)


@dataclasses.dataclass
class Result:
    """What became of a part.

    Attributes:
        said: ``"ok"``, or why not in words.
        seconds: How long it took.
        rows: What it found.
        trace: The traceback of its error.
    """

    said: str
    seconds: float
    rows: list[Row]
    trace: str = ""


def run_part(part: Part, setting: Setting, limit: float) -> Result:
    """Run a part in a process of its own, for so many seconds at most."""
    setting = dataclasses.replace(setting, until=time.monotonic() + limit)
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found"
        found.touch()
        # Forked, as importing everything takes longer than many a part.
        process = multiprocessing.get_context("fork").Process(target=_inside, args=(part, setting, found))
        started = time.perf_counter()
        process.start()
        try:
            process.join(limit)
            late = process.is_alive()
        finally:
            # Whatever it has started ends with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid or 0, signal.SIGKILL)
            process.join()
        seconds = time.perf_counter() - started
        lines = [json.loads(line) for line in found.read_text().splitlines() if line.endswith("}")]
    rows = [line["row"] for line in lines if "row" in line]
    trace = next((line["trace"] for line in lines if "trace" in line), "")
    if late:
        return Result(f"out of time after {limit:.0f} s", seconds, rows, trace)
    if trace or process.exitcode:
        last = trace.strip().splitlines()[-1] if trace else f"it died with status {process.exitcode}"
        return Result(last, seconds, rows, trace)
    return Result("ok", seconds, rows)


def _inside(part: Part, setting: Setting, found: Path) -> None:
    os.setsid()
    with found.open("a") as lines:

        def write(line: dict[str, Any]) -> None:
            print(json.dumps(line, default=str), file=lines, flush=True)

        try:
            for row in part(setting):
                print(
                    "   ",
                    "; ".join(f"{name} {shown(value)}".strip() for name, value in row.items()),
                    flush=True,
                )
                write({"row": row})
        except BaseException as error:
            traceback.print_exc()
            write({"trace": "".join(traceback.format_exception(error))})


def shown(value: Any) -> str:
    """Return a figure as it stands in a table."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def markdown(results: dict[str, Result]) -> str:
    """Return the report."""
    parts = []
    contestants = {name: results[name].rows for name in CONTESTANTS if name in results and results[name].rows}
    if len(contestants) > 1:
        parts.append(
            "## Trials an hour, on the architectures that each has trained\n\n"
            + _table(compared(contestants))
        )
    for name, result in results.items():
        rows = result.rows
        if name in CONTESTANTS:
            rows = [row for row in rows if "family" not in row]
        head = f"## {name}\n\n{(PARTS[name][0].__doc__ or '').strip()} {result.seconds:.0f} s, {result.said}."
        trace = f"\n\n```\n{result.trace.strip()}\n```" if result.trace else ""
        parts.append(head + ("\n\n" + _table(rows) if rows else "") + trace)
    return "\n\n".join(parts) + "\n"


def _table(rows: list[Row]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, ["---"] * len(columns)]
    lines += [[shown(row[name]) if name in row else "" for name in columns] for row in rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def gpu_uuid() -> str:
    """Return the UUID of the first GPU, without touching CUDA in this process, which is going to fork."""
    if shutil.which("nvidia-smi") is None:
        return ""
    told = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"UUID: (GPU-[\w-]+)", told)
    return found.group(1) if found else ""


def report(
    names: list[str], setting: Setting, minutes: float, write: Callable[[dict[str, Result]], None]
) -> bool:
    """Run parts by name within so many minutes, and return whether all ended well.

    Args:
        names: Of :data:`PARTS`.
        setting: How large.
        minutes: For all of them.
        write: Called after each with the results so far.
    """
    deadline = time.monotonic() + 60 * minutes
    results: dict[str, Result] = {}
    for name in names:
        part, limit = PARTS[name]
        seconds = min(limit, deadline - time.monotonic())
        print(f"\n{name}: {(part.__doc__ or '').strip()}", flush=True)
        if seconds < _FEWEST_SECONDS:
            results[name] = Result("not begun: no time was left", 0.0, [])
        else:
            results[name] = run_part(part, setting, seconds)
        print(f"    {results[name].seconds:.0f} s, {results[name].said}", flush=True)
        write(results)
    return all(result.said == "ok" for result in results.values())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="for all of it")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--root", default="~/.cache/optnas", help="folder of Fashion-MNIST, as torchvision's")
    parser.add_argument("--seeds", type=int, default=2, help="how many of them are trained twice")
    parser.add_argument("--small", action="store_true", help="all of it in a small size")
    parser.add_argument("--dry-run", action="store_true", help="the same on the CPU")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there")
    arguments = parser.parse_args()
    names = arguments.parts.split(",")
    for name in names:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}: name some of {', '.join(PARTS)}")
    if arguments.minutes <= 0 or arguments.seeds < 1:
        parser.error("--minutes is above 0, --seeds at least 1")
    for file in (arguments.json, arguments.markdown):
        if file is not None and not file.parent.is_dir():
            parser.error(f"the folder {file.parent} for {file.name} does not exist: make it first")
    gpu = "" if arguments.dry_run else gpu_uuid()
    if not (gpu or arguments.dry_run):
        parser.error("nvidia-smi shows no GPU here; --dry-run does all of it on the CPU")
    setting = Setting(
        device="cpu" if arguments.dry_run else "cuda",
        data=data_in(arguments.root),
        root=arguments.root,
        small=arguments.small or arguments.dry_run,
        seeds=arguments.seeds,
        gpu=gpu,
    )
    print(
        f"Python {platform.python_version()}, PyTorch {torch.__version__}, data: {setting.data}", flush=True
    )
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    use_threads()  # threads do not survive a fork
    if set(names) - {"machine", "tests"}:  # read once, for all parts
        task(setting)
        task(setting, setting.few)

    def write(results: dict[str, Result]) -> None:
        if arguments.json:
            figures = {name: dataclasses.asdict(result) for name, result in results.items()}
            arguments.json.write_text(json.dumps(figures, indent=2, default=str) + "\n")
        if arguments.markdown:
            arguments.markdown.write_text(markdown(results))

    return 0 if report(names, setting, arguments.minutes, write) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; what was found until then is written")
