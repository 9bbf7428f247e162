"""Small studies that tests of samplers run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from optnas.samplers import make_sampler

__all__ = ["continued", "killed_after", "mixed", "mixed_pair", "params_of", "run", "values_of"]


def mixed(trial: Trial) -> float:
    """A continuous, an integer and two categorical parameters, one of them conditional; best at 0."""
    x = trial.suggest_float("x", -3.0, 3.0)
    z = trial.suggest_int("z", -5, 5)
    c = trial.suggest_categorical("c", ["good", "bad", "worse"])
    value = (x - 1) ** 2 + (z - 2) ** 2 / 4 + ["good", "bad", "worse"].index(c)
    if c == "good":
        value += 0.5 * trial.suggest_categorical("d", [0, 1, 2])
    return float(value)


def mixed_pair(trial: Trial) -> tuple[float, float]:
    """The same, against a cost that grows with z and spans decades."""
    return mixed(trial), 10.0 ** (1 + trial.params["z"] / 2)


def run(
    sampler: BaseSampler,
    objective: Callable[[Trial], Any] = mixed,
    *,
    trials: int,
    directions: Sequence[str] = ("minimize",),
    storage: str | Path | None = None,
    name: str = "study",
) -> optuna.Study:
    """Return a study with ``trials`` more trials; a path is that of a journal, written faster than SQLite."""
    if isinstance(storage, Path):
        storage = JournalStorage(JournalFileBackend(str(storage)))
    study = optuna.create_study(
        study_name=name, directions=directions, sampler=sampler, storage=storage, load_if_exists=True
    )
    study.optimize(objective, n_trials=trials)
    return study


def params_of(study: optuna.Study) -> list[dict[str, Any]]:
    """Return what each trial of a study tried."""
    return [trial.params for trial in study.trials]


def values_of(trials: Sequence[FrozenTrial]) -> list[list[float]]:
    """Return the values of the complete ones."""
    return [trial.values for trial in trials if trial.state == TrialState.COMPLETE]


_KILLED = """
import os
from pathlib import Path
from optnas.samplers import make_sampler
from tests.samplers.studies import mixed, mixed_pair, run

for name in {names!r}:
    for objective, directions in ((mixed, ["minimize"]), (mixed_pair, ["minimize", "minimize"])):
        study = run(
            make_sampler(name, seed=1), objective, trials={after}, directions=directions,
            storage=Path({journal!r}), name=f"{{name}} {{len(directions)}}",
        )
        study.ask().suggest_float("x", -3.0, 3.0)
os.kill(os.getpid(), 9)
"""


def killed_after(after: int, names: Sequence[str], folder: Path) -> Path:
    """Return a journal of studies, of one and two objectives, whose process was killed in mid-trial.

    Args:
        after: How many trials each study had finished before.
        names: The samplers; a study is called by one and the number of its objectives.
        folder: Where to keep it.
    """
    journal = folder / "studies.journal"
    script = _KILLED.format(names=list(names), after=after, journal=str(journal))
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.run([sys.executable, "-c", script], cwd=root, check=False, capture_output=True)
    assert killed.returncode == -9, killed.stderr.decode()
    return journal


def continued(journal: Path, name: str, objectives: int, *, trials: int) -> optuna.Study:
    """Return one of the killed studies, with as many trials; the one under way is taken over."""
    study = run(make_sampler(name, seed=1), trials=0, storage=journal, name=f"{name} {objectives}")
    objective = mixed if objectives == 1 else mixed_pair
    left = Trial(study, study.trials[-1]._trial_id)
    study.tell(left, objective(left))
    study.optimize(objective, n_trials=trials - len(study.trials))
    return study
