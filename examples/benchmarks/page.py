"""Time until the page of a study with many trials shows its front, and what that takes of the server.

A study of the space of studies/digits.py is filled with trials whose accuracy is made up and whose costs are
exact; a tenth of them are pruned and some infeasible. Then ``optnas dashboard`` serves it to Chromium:

- *front, first* and *again*: seconds from the request of the page until its front is drawn, the first time,
  when the server has read no trial yet, and as the median of later times;
- *JSON*: bytes of all trials, and the server's seconds for them once it has read them;
- *hover*: milliseconds from a movement of the mouse onto another point until the panel shows that trial, and
  until its drawing is there, the median and the worst of many;
- *filter*: milliseconds from a filter until all parts are drawn again;
- *memory*: of the server, before the first page, after it, and after many pages, details and drawings.

It takes about two minutes for 10,000 trials, and needs chromium and pip install playwright.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.storages._rdb import models
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table
from sqlalchemy import insert
from sqlalchemy.orm import Session

from optnas.run.files import load_study
from optnas.storages.opening import open_storage
from optnas.trials.optuna_batches import rows_of
from optnas.trials.optuna_internals import backend_of, identity, storage_of
from optnas.trials.record import ARCHITECTURE, COSTS, METRICS
from optnas.trials.writes import Writes

STUDY = Path(__file__).parent.parent.parent / "studies" / "digits.py"
AGAIN, HOVERS = 5, 25


def fill(url: str, count: int, rng: random.Random) -> None:
    """Make the study, with ``count`` trials that ended."""
    declared = load_study(str(STUDY))
    study = declared.open(open_storage(url))
    memory = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=rng.randrange(2**31)))
    made, writes = [], []
    for number in range(count):
        trial = memory.ask()
        architecture = declared.space.suggest(trial)
        trial.suggest_float("lr", 1e-3, 1e-1, log=True)
        costs = declared.tree_costs(architecture)
        accuracy = min(0.995, 0.1 + 0.15 * math.log10(costs["flops"] + 1) * rng.random() ** 0.5)
        state = TrialState.PRUNED if rng.random() < 0.1 else TrialState.COMPLETE
        made.append(models.TrialModel(study_id=identity(study)[1], number=number, state=state))
        writes.append(_record(trial, str(architecture), costs, accuracy, state, rng))
    with Session(backend_of(storage_of(study)).engine) as session:  # type: ignore[attr-defined]
        session.add_all(made)
        session.flush()
        rows: dict[Any, list[dict[str, Any]]] = {}
        for trial_row, write in zip(made, writes, strict=True):
            for model, found in rows_of(write):
                rows.setdefault(model, []).extend({"trial_id": trial_row.trial_id, **each} for each in found)
        for model, found in rows.items():
            if found:
                session.execute(insert(model.__table__), found)
        session.commit()


def _record(
    trial: optuna.Trial,
    text: str,
    costs: dict[str, float],
    accuracy: float,
    state: TrialState,
    rng: random.Random,
) -> Writes:
    kinds, flops = trial.distributions, float(costs["flops"])
    params = {
        name: (kinds[name].to_internal_repr(value), kinds[name]) for name, value in trial.params.items()
    }
    attributes: dict[str, Any] = {ARCHITECTURE.name: text, COSTS.name: costs}
    attributes |= {f"rung:{rung}": [accuracy * rung / 9, flops] for rung in (1, 3)}
    if state == TrialState.PRUNED:
        broken = 0.5 if rng.random() < 0.3 else -0.5
        return Writes(params, attributes, {"constraints:params <= 200_000": broken})
    attributes[METRICS.name] = {"accuracy": accuracy, "loss": 1 - accuracy, "seconds": rng.random()}
    return Writes(params, attributes, {"constraints:params <= 200_000": -0.5}, values=[accuracy, flops])


class Server:
    """``optnas dashboard`` in a process of its own."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-m", "optnas.cli", "dashboard", "--port", "0", "--storage", url]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().split()[2]

    @property
    def megabytes(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 1e6

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.address}optnas/api/studies/1/{path}") as answer:
            found: bytes = answer.read()
        return found

    def end(self) -> None:
        self.process.terminate()
        self.process.communicate()


def seconds_to_front(page: Any, server: Server) -> float:
    began = time.perf_counter()
    page.goto(f"{server.address}optnas/digits", wait_until="commit")
    # Asked from outside now and then: what asks without a pause in the page would slow it down.
    while not page.evaluate("document.documentElement.dataset.drawn ?? ''"):
        time.sleep(0.02)
    return time.perf_counter() - began


HOVER = """async (number) => {
    const { scatter, trials, axes } = optnas;
    const row = trials.rows.get(number);
    const box = scatter.plot.getBoundingClientRect();
    const { xaxis, yaxis } = scatter.plot._fullLayout;
    const clientX = box.left + xaxis._offset + xaxis.d2p(trials.value(axes.x, row));
    const clientY = box.top + yaxis._offset + yaxis.d2p(trials.value(axes.y, row));
    const before = optnas.focus;
    const began = performance.now();
    const moved = new MouseEvent("mousemove", { clientX, clientY, bubbles: true });
    scatter.plot.querySelector(".nsewdrag").dispatchEvent(moved);
    const until = async (test) => {
        while (!test() && performance.now() < began + 5000) await new Promise(requestAnimationFrame);
        return performance.now() - began;
    };
    const shown = await until(() => optnas.focus !== before);
    const drawn = await until(() => document.querySelector("#details img.drawing")?.naturalWidth > 0);
    return [optnas.focus !== before, shown, drawn];
}"""

FILTER = """async (text) => {
    document.getElementById("filter").value = text;
    const began = performance.now();
    await optnas.draw();
    return performance.now() - began;
}"""


def measured(server: Server, page: Any, count: int, rng: random.Random) -> dict[str, Any]:
    memory = [server.megabytes]
    first = seconds_to_front(page, server)
    memory.append(server.megabytes)
    again = statistics.median(seconds_to_front(page, server) for _ in range(AGAIN))
    began = time.perf_counter()
    size = len(server.get("trials"))
    columns = time.perf_counter() - began
    server.get("trials/0/drawing.svg")  # what draws is imported once
    numbers = page.evaluate(
        "(({ shown, trials }) => shown.filter((row) => trials.kind[row] === 'complete')"
        ".map((row) => trials.number[row]))(optnas)"
    )
    hovers = [page.evaluate(HOVER, number) for number in rng.sample(numbers, min(HOVERS, len(numbers)))]
    hovers = [hover for hover in hovers if hover[0]]
    filters = [page.evaluate(FILTER, text) for text in ("params <= 5_000", "flops < 1e5 and depth > 2", "")]
    for number in range(min(count, 500)):
        server.get(f"trials/{number}")
        server.get(f"trials/{number}/drawing.svg")
    memory.append(server.megabytes)
    for number in range(min(count, 500)):
        server.get(f"trials/{number}/drawing.svg")
        server.get("trials?after=x") if number % 50 == 0 else None
    memory.append(server.megabytes)
    return {
        "trials": count,
        "front_first_seconds": first,
        "front_again_seconds": again,
        "json_bytes": size,
        "json_seconds": columns,
        "hovers": len(hovers),
        "hover_milliseconds": statistics.median(hover[1] for hover in hovers),
        "hover_worst_milliseconds": max(hover[1] for hover in hovers),
        "drawing_milliseconds": statistics.median(hover[2] for hover in hovers),
        "drawing_worst_milliseconds": max(hover[2] for hover in hovers),
        "filter_milliseconds": statistics.median(filters),
        "server_megabytes": memory,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures into this file")
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        parser.error("there is no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        url = f"sqlite:///{folder}/optnas.db"
        fill(url, options.trials, rng)
        server = Server(url)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            found = measured(server, page, options.trials, rng)
        finally:
            browser.close()
            server.end()
    table = Table("", "", box=None)
    for name, value in found.items():
        said = ", ".join(f"{each:,.0f}" for each in value) if isinstance(value, list) else f"{value:,.3g}"
        table.add_row(name.replace("_", " "), said if not isinstance(value, int) else f"{value:,}")
    Console().print(table)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
