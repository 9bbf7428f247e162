"""Kill, stop, cut and restart everything while a study runs, and count what is lost.

A study whose trials are worth a known function of their parameters runs on three machines (namespaces of one
Linux; the clocks of two are ten minutes wrong) that share a storage. By a seeded schedule processes are
killed and stopped, commands get SIGTERM three times over, the server is stopped and crashes, cables are cut,
disks fill up. What dies is started again by the same command, as a user or an engine would. Then the storage
is read by bare Optuna and compared with the function, with what the evaluations recorded themselves, and with
what was inflicted: a table says which promises were kept. The exit status is 1 if one was broken.

``--small`` runs its storages side by side in two minutes, ``--full`` one after the other, a quarter of an
hour each on two cores. Machines of their own take root and iproute2, wrong clocks libfaketime (``apt-get
install iproute2 faketime``); what could not be inflicted for the lack of them is said. ``--keep DIR`` leaves
every log there, the faults with their times (``faults.jsonl``) and the evaluations (``records``).
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from chaos_faults import FULL, SMALL, Size
from chaos_machines import why_no_namespaces, why_no_skew
from chaos_promises import shown
from chaos_run import STORAGES, Outcome, run
from chaos_servers import Absent
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def outcome_of(
    storage: str, seed: int, number: int, size: Size, keep: Path, stopped: threading.Event
) -> Outcome | str:
    """Run one storage with one seed; return what came of it, or why it cannot be run here."""
    if stopped.is_set():
        return "stopped"
    folder = keep / f"{storage}-{seed}"
    folder.mkdir()
    folder.chmod(0o755)  # servers run as users of their own
    try:
        return run(storage, seed, number, size, folder, stopped)
    except Absent as absent:
        return str(absent)


def show(console: Console, storage: str, seed: int, outcome: Outcome) -> None:
    """Print what was done, and beside it what was checked."""
    done = Table(
        title=f"{storage}, seed {seed}: what was done in {outcome.seconds:.0f} s", title_justify="left"
    )
    for column in ("", "times", "work went on after"):
        done.add_column(column, justify="left" if not column else "right")
    for kind, times in outcome.inflicted.items():
        delay = outcome.delays.get(kind)
        done.add_row(kind, str(times), "" if delay is None else f"{delay:.1f} s")
    console.print(done)
    checked = Table(title="what was checked", title_justify="left")
    for column in ("promise", "counted", "kept"):
        checked.add_column(column)
    for promise in outcome.promises:
        lines = [promise.counted, *(f"[red]{escape(line)}[/]" for line in shown(promise.broken))]
        kept = "[bold red]✗[/]" if promise.broken else "[green]✓[/]"
        checked.add_row(promise.text, "\n".join(lines), kept)
    console.print(checked)


def figures(storage: str, seed: int, outcome: Outcome | str) -> dict[str, Any]:
    """Return an outcome as JSON has it."""
    found = {"not_run": outcome} if isinstance(outcome, str) else dataclasses.asdict(outcome)
    return {"storage": storage, "seed": seed, **found}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--small", action="store_true", help="two minutes in all (default)")
    sizes.add_argument("--full", action="store_true", help="300 trials, 100 kills, 20 stops")
    parser.add_argument(
        "--storage", nargs="+", choices=sorted(STORAGES), metavar="NAME", help=", ".join(STORAGES)
    )
    parser.add_argument("--seed", type=int, nargs="+", default=[0], help="one or several")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave logs and data there")
    arguments = parser.parse_args()
    if arguments.keep is not None and arguments.keep.exists():
        parser.error(f"--keep {arguments.keep}: it is there already; choose another name")
    return arguments


def main() -> int:
    arguments = options()
    console = Console(width=None if sys.stdout.isatty() else 120)
    for lacking, why in (("machines of their own", why_no_namespaces()), ("wrong clocks", why_no_skew())):
        if why is not None:
            console.print(f"Without {lacking}: {why}.", highlight=False)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())

    size = FULL if arguments.full else SMALL
    storages = arguments.storage or (list(STORAGES) if arguments.full else ["sqlite", "postgresql"])
    runs = [(storage, seed) for seed in arguments.seed for storage in storages]
    outcomes: list[Outcome | str] = []
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        keep = (arguments.keep or Path(scratch)).resolve()
        keep.mkdir(parents=True, exist_ok=True)
        keep.chmod(0o755)
        with concurrent.futures.ThreadPoolExecutor(1 if arguments.full else len(runs)) as pool:
            futures = [
                pool.submit(outcome_of, *each, number, size, keep, stopped)
                for number, each in enumerate(runs)
            ]
            for (storage, seed), future in zip(runs, futures, strict=True):
                outcomes.append(outcome := future.result())
                if isinstance(outcome, str):
                    console.print(f"{storage} was not run: {outcome}.", highlight=False)
                else:
                    show(console, storage, seed, outcome)
    if arguments.json:
        found = [figures(*each, outcome) for each, outcome in zip(runs, outcomes, strict=True)]
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    if stopped.is_set():
        return 130
    ran = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
    broken = sum(bool(promise.broken) for outcome in ran for promise in outcome.promises)
    console.print(f"{len(ran)} runs, " + (f"{broken} promises broken." if broken else "all promises kept."))
    # A storage that was asked for by name and cannot be run here has shown nothing.
    return 1 if broken or not ran or (arguments.storage and len(ran) < len(runs)) else 0


if __name__ == "__main__":
    sys.exit(main())
