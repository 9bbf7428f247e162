"""Real searches side by side: which finds the better front in the same time.

    python examples/benchmarks/real.py digits --searches tpe/pareto-halving ehvi/none --against tpe
    python examples/benchmarks/real.py all studies/mine.py --seconds 120 --keep runs/real --plot real.html

Each search is a run of worker processes, one for each core with one thread, on a new SQLite storage, and
lasts ``--seconds`` from the start of its first trial, or ``--trials``. ``SAMPLER/PRUNER`` is ``optnas run``
with these, and ``default`` with what the study says. ``--against`` adds the loops that people write, with a
sampler of Optuna's, a ``DataLoader`` and no pruning (plain_loop.py). Seeds alternate between the searches, so
that whatever else the machine does meets all of them.

What counts is the hypervolume of complete trials within a region: the first objective from the best of all
searches to ``--floor``, costs from the least to the most of all, in decades where they span a factor of ten;
as a share of that of all searches together. ``--keep`` keeps what each search found, and a call with the same
folder adds what is missing and compares all that is asked for.

Ready studies: digits, breast_cancer, diabetes, recurrent (text), fashion (6,000 samples), series. Beside the
seconds a search takes some twenty to start and to stop; leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import optuna
from plain_loop import OWN_SAMPLERS
from rich.console import Console
from shares import Outcome, compare, plot, printed, ranks

from optnas import UserError
from optnas.run.files import load_study
from optnas.storages.opening import open_storage
from optnas.train import cores
from optnas.train.allowed import possible_values

HERE = Path(__file__).resolve().parent
STUDIES = HERE.parents[1] / "studies"

READY: dict[str, tuple[str, float]] = {
    "digits": (f"{STUDIES}/digits.py", 0.9),
    "breast_cancer": (f"{STUDIES}/tabular.py:breast_cancer", 0.87),
    "diabetes": (f"{STUDIES}/tabular.py:diabetes", 70.0),
    "recurrent": (f"{STUDIES}/text.py:recurrent", 20.0),
    "fashion": (f"{STUDIES}/fashion_mnist.py:chain", 0.6),
    "series": (f"{HERE}/series_study.py", 0.5),
}
"""Studies by name: the file, and the worst value of the first objective that counts."""

_POLL_SECONDS = 0.2
_START_SECONDS = 120

WRAPPER = """
from optnas.run.files import load_study
study = load_study({reference!r})
study.sampler, study.pruner, study.seed = {sampler}, {pruner}, {seed}
"""


def search(reference: str, name: str, seed: int, budget: argparse.Namespace) -> Outcome:
    """Run one search and return what it came to."""
    study = load_study(reference)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/study.db"
        start = _start_plain if name.startswith("optuna:") else _start_optnas
        processes = start(reference, name, seed, url, Path(folder), budget)
        try:
            _wait(Path(folder) / "study.db", processes, budget)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                process.kill()
        opened = optuna.load_study(study_name=study.name, storage=open_storage(url))
        full = int(max(possible_values(study.training.epochs)))
        signs = [objective.sign for objective in study.objectives]
        return Outcome.of(opened, signs, budget.seconds, full)


def _start_optnas(
    reference: str, name: str, seed: int, url: str, folder: Path, budget: argparse.Namespace
) -> list[subprocess.Popen[bytes]]:
    sampler, _, pruner = name.partition("/")
    kept = name == "default"
    wrapper = folder / "wrapper.py"
    wrapper.write_text(
        WRAPPER.format(
            reference=str(Path(reference).resolve()) if ":" not in reference else reference,
            sampler="study.sampler" if kept else repr(sampler),
            pruner="study.pruner" if kept or not pruner else repr(pruner),
            seed=seed,
        )
    )
    command = [sys.executable, "-m", "optnas.cli", "run", str(wrapper), "--storage", url, "--threads", "1"]
    command += ["--trials", str(budget.trials or 10**6), "--workers", str(budget.workers)]
    return [subprocess.Popen(command, stdout=subprocess.DEVNULL)]


def _start_plain(
    reference: str, name: str, seed: int, url: str, folder: Path, budget: argparse.Namespace
) -> list[subprocess.Popen[bytes]]:
    sampler = name.partition(":")[2]
    command = [sys.executable, str(HERE / "plain_loop.py"), reference, url, sampler]
    processes = []
    for worker in range(budget.workers):
        processes.append(subprocess.Popen([*command, str(1000 * seed + worker), "1e6"]))
        # The first one makes the tables, which two must not do at once.
        until = time.monotonic() + _START_SECONDS
        while _progress(folder / "study.db")[0] is None and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
    return processes


def _wait(file: Path, processes: list[subprocess.Popen[bytes]], budget: argparse.Namespace) -> None:
    """Wait until the budget is spent, or all processes have ended."""
    began: float | None = None
    started = time.monotonic()
    while any(process.poll() is None for process in processes):
        time.sleep(_POLL_SECONDS)
        first, ended = _progress(file)
        if first is not None and began is None:
            began = time.monotonic()
        if began is not None and time.monotonic() - began > budget.seconds + 1:
            return
        if budget.trials and ended >= budget.trials:
            return
        if began is None and time.monotonic() - started > _START_SECONDS:
            raise UserError(f"no trial began within {_START_SECONDS} seconds")


def _progress(file: Path) -> tuple[str | None, int]:
    """Return when the first trial began, and how many have ended."""
    if not file.exists():
        return None, 0
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as connection:
            first, ended = connection.execute(
                "SELECT min(datetime_start), sum(state IN ('COMPLETE', 'PRUNED', 'FAIL')) FROM trials"
            ).fetchone()
            return first, ended or 0
    except sqlite3.Error:  # it is being made
        return None, 0


def kept(folder: Path | None, study: str, name: str, seed: int, budget: argparse.Namespace) -> Path | None:
    """Return the file in which a search's outcome is kept, if it is."""
    if folder is None:
        return None
    label = f"{budget.trials}trials" if budget.trials else f"{budget.seconds:g}s"
    safe = f"{study}-{name}-{label}-{budget.workers}w-{seed}".replace("/", "_").replace(":", "_")
    return folder / f"{safe}.json"


def studies_of(names: Sequence[str], floor: float | None) -> Iterator[tuple[str, str, float]]:
    """Yield what each study is called, its file, and its floor."""
    for name in [other for each in names for other in (READY if each == "all" else [each])]:
        reference, usual = READY.get(name, (name, None))
        chosen = floor if floor is not None else usual
        if chosen is None:
            raise UserError(f"{name}: give the worst value of its first objective that counts, --floor")
        label = name if name in READY else load_study(reference).name
        yield label, reference, chosen


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", nargs="+", metavar="STUDY", help="a ready one, all, or FILE[:NAME]")
    parser.add_argument("--searches", nargs="*", default=["default"], metavar="SAMPLER/PRUNER")
    parser.add_argument("--against", nargs="*", default=[], choices=list(OWN_SAMPLERS), metavar="SAMPLER")
    parser.add_argument("--seconds", type=float, default=40, help="of each search")
    parser.add_argument("--trials", type=int, help="of each search, in place of --seconds")
    parser.add_argument("--seeds", type=int, default=8, help="how many")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N")
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--floor", type=float, help="the worst value of the first objective that counts")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what each search found there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE.html", help="draw curves over time there")
    budget = parser.parse_args()
    if budget.seeds < 1 or budget.seconds <= 0 or budget.workers < 1 or (budget.trials or 1) < 1:
        parser.error("--seeds, --workers and --trials are at least 1, --seconds above 0")
    if budget.trials:
        budget.seconds = float("inf")
    if budget.keep is not None:
        budget.keep.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    searches = [*budget.searches, *(f"optuna:{name}" for name in budget.against)]
    label = f"{budget.trials} trials" if budget.trials else f"{budget.seconds:g} s"
    console, every = Console(), {}
    for study, reference, floor in studies_of(budget.studies, budget.floor):
        objectives = load_study(reference).objectives
        outcomes: dict[str, list[Outcome]] = {name: [] for name in searches}
        for seed in range(budget.first_seed, budget.first_seed + budget.seeds):
            for name in searches if seed % 2 == 0 else reversed(searches):
                file = kept(budget.keep, study, name, seed, budget)
                if file is not None and file.exists():
                    found = Outcome.from_json(json.loads(file.read_text()), len(objectives))
                else:
                    found = search(reference, name, seed, budget)
                    if file is not None:
                        file.write_text(json.dumps(found.to_json()) + "\n")
                outcomes[name].append(found)
        every[study] = compare(outcomes, floor * objectives[0].sign, budget.seconds)
        console.print(
            printed(study, every[study], f"{label}, {budget.seeds} seeds, {budget.workers} workers")
        )
        if budget.json:
            budget.json.write_text(json.dumps(every, indent=1) + "\n")
    if len(every) > 1:
        console.print(ranks(every))
    if budget.plot:
        plot(every, budget.plot)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
