"""Write what is stored here, by the code of today: ``python -m tests.stored.write`` at the top.

Run once, before what is stored could change; test_stored.py goes on with it for ever. To write it anew is
to give up everybody's studies.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import optuna
import torch
from sklearn.datasets import load_wine

from optnas import Study, pruners
from optnas.storages.opening import open_storage
from optnas.winner.model import load
from tests.faults import Killed
from tests.files import call
from tests.stored.study import STUDIES
from tests.stored.study import study as declared

HERE = Path(__file__).parent
TRIALS = 24
# The trial that `optnas train` trained.
WINNER = 3


def proposals(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the next proposals for a study that is stored in ``folder``, and whom they promote."""
    study = STUDIES[name]
    opened = study.open(open_storage(url(folder, name)))
    found = []
    for _ in range(3):
        trial = opened.ask()
        pruners.promote(trial)
        candidate = study.suggest(trial)
        promotes = opened.trials[trial.number].user_attrs.get("promotes")
        found.append({"params": trial.params, "key": candidate.key, "promotes": promotes})
    return found


def url(folder: Path, name: str) -> str:
    return str(folder / "journal.log") if name == "journal" else f"sqlite:///{folder}/stored.db"


def _interrupted(folder: Path) -> Study:
    return declared("interrupted", "random", "none", str(folder / "checkpoints"))


def resumed(folder: Path) -> dict[str, Any]:
    """Return what the trial whose worker was killed comes to."""
    study = _interrupted(folder)
    opened = study.open(open_storage(url(folder, study.name)))
    values = study.objective(optuna.Trial(opened, opened.trials[0]._trial_id))
    ended = opened.tell(0, values)
    return {"values": ended.values, "resumed": ended.user_attrs["resumed"]}


def outputs(folder: Path) -> list[list[float]]:
    """Return what the trained network says of three wines."""
    wines = torch.from_numpy(load_wine().data[[0, 70, 150]]).float()
    with torch.inference_mode():
        found: list[list[float]] = load(folder / "winner")(wines).tolist()
    return found


def unpacked(folder: Path) -> Path:
    """Copy what is stored to where it can be gone on with."""
    for name in ("stored.db", "journal.log"):
        (folder / name).write_bytes(gzip.decompress((HERE / f"{name}.gz").read_bytes()))
    for name in ("winner", "checkpoints"):
        shutil.copytree(HERE / name, folder / name)
    return folder


def _interrupt(folder: Path) -> None:
    study = _interrupted(folder)
    opened = study.open(open_storage(url(folder, study.name)))
    report = pruners.report

    def deadly(trial: optuna.Trial, step: int, values: Any) -> None:
        report(trial, step, values)
        if step == 2:
            raise Killed

    with contextlib.suppress(Killed), mock.patch("optnas.trial_reports.report", deadly):
        study.objective(opened.ask())


def main() -> None:
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, study in STUDIES.items():
            study.open(open_storage(url(folder, name))).optimize(study.objective, n_trials=TRIALS)
        _interrupt(folder)
        arguments = ["--trial", WINNER, "--storage", url(folder, "ehvi"), "--out", folder / "winner"]
        trained = call("train", "tests/stored/study.py:ehvi", *arguments)
        assert trained.exit_code == 0, trained.output
        with sqlite3.connect(folder / "stored.db") as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for name in ("stored.db", "journal.log"):
            (HERE / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes(), mtime=0))
        for name in ("winner", "checkpoints"):
            shutil.rmtree(HERE / name, ignore_errors=True)
            shutil.copytree(folder / name, HERE / name)
        card = HERE / "winner" / "README.md"
        card.write_text(card.read_text().replace(f"{folder}/", ""))
    with tempfile.TemporaryDirectory() as temporary:
        folder = unpacked(Path(temporary))
        expected = {
            "proposals": {name: proposals(folder, name) for name in STUDIES},
            "resumed": resumed(folder),
            "outputs": outputs(folder),
        }
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
