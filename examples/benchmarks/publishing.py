"""What it costs to publish a study in optuna-dashboard while it runs: runs with it and without, in turns.

Two studies: studies/digits.py, and a table, whose evaluation takes no time at all. ``share`` is the time that
publishing itself took, of the time of its run, and ``last`` the part of it that was the last write, after the
last trial had ended; ``ratio`` is the time of a run with it, to that of the one
without; ``cpu`` is the same of processor time. The ratios also have in them what others did on the machine,
and that two searches do not try the same networks.

    python examples/benchmarks/publishing.py --digits 60 --table 10000 --json publishing.json
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import optuna
from rich.console import Console
from rich.table import Table
from written import write_figures

from optnas import Study, UserError, choose, integer, maximize, minimize, ops
from optnas.run import publisher
from optnas.run.command import search
from optnas.run.files import load_study
from optnas.run.options import RunOptions

ROOT = Path(__file__).parent.parent.parent


def quality(candidate: Any, report: Any) -> dict[str, float]:
    """Look up a network that is not trained."""
    widths = [child.arguments["width"] for child in candidate.architecture.children]
    return {"quality": -abs(sum(widths) - 300), "size": sum(widths)}


def table() -> Study:
    """Return a study whose evaluation takes no time."""
    layers = [ops.conv(choose(8, 16, 32, 64, name=f"a{i}")) for i in range(6)]
    layers += [ops.conv(integer(1, 64, name=f"b{i}")) for i in range(2)]
    goals = [maximize("quality"), minimize("size")]
    return Study("table", ops.seq(*layers), objectives=goals, evaluate=quality, sampler="random")


def measured(study: Study, trials: int, *, publish: bool) -> dict[str, float]:
    """Run a study in a new database, and return the seconds that it, publishing and its last write took."""
    spent = {True: 0.0, False: 0.0}
    inner = publisher.Publisher.publish

    def timed(self: publisher.Publisher, *, final: bool) -> None:
        begun = time.perf_counter()
        inner(self, final=final)
        spent[final] += time.perf_counter() - begun

    patched = mock.patch.object(publisher.Publisher, "publish", timed)
    with tempfile.TemporaryDirectory() as folder, patched:
        options = RunOptions(trials, workers=1, threads=1, publish=publish)
        begun, used = time.perf_counter(), time.process_time()
        search(study, None, f"sqlite:///{folder}/optnas.db", options, Console(file=io.StringIO()))
        wall, cpu = time.perf_counter() - begun, time.process_time() - used
    return {"wall": wall, "cpu": cpu, "publishing": sum(spent.values()), "last": spent[True]}


def compared(name: str, trials: int, pairs: int) -> dict[str, Any]:
    """Return the figures of a study, as medians over some pairs of runs."""
    found: list[dict[str, float]] = []
    for pair in range(pairs):
        runs = {}
        for publish in (True, False) if pair % 2 else (False, True):
            study = table() if name == "table" else load_study(str(ROOT / "studies" / "digits.py"))
            runs[publish] = measured(study, trials, publish=publish)
        on, off = runs[True], runs[False]
        found.append(
            {
                "share": on["publishing"] / on["wall"],
                "last": on["last"] / on["wall"],
                "last_seconds": on["last"],
                "ratio": on["wall"] / off["wall"],
                "cpu": on["cpu"] / off["cpu"],
                "seconds": off["wall"],
            }
        )
    return {"trials": trials, **{key: statistics.median(each[key] for each in found) for key in found[0]}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digits", type=int, default=60, help="trials of studies/digits.py; 0 for none")
    parser.add_argument("--table", type=int, default=10_000, help="trials of the table; 0 for none")
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    wanted = {"digits": arguments.digits, "table": arguments.table}
    figures = {name: compared(name, trials, arguments.pairs) for name, trials in wanted.items() if trials}
    view = Table("study", "trials", "seconds without", "share", "last", "ratio", "ratio of cpu")
    for name, each in figures.items():
        last = f"{each['last']:.2%} ({each['last_seconds']:.1f} s)"
        numbers = [f"{each['share']:.2%}", last, f"{each['ratio']:.3f}", f"{each['cpu']:.3f}"]
        view.add_row(name, f"{each['trials']:,}", f"{each['seconds']:.0f}", *numbers)
    Console().print(view)
    write_figures(arguments, publishing=figures)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
