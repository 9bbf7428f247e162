"""Rubbish in a record, written by strangers into the database, is ignored and told once."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState
from typer.testing import Result

from optnas.storages.opening import open_storage
from optnas.trials import accepted, record
from optnas.trials.record import Attribute, HiddenAttribute, StudyAttribute, SystemAttribute
from tests.files import call, quick_study

KNOWN = [value for value in vars(record).values() if isinstance(value, Attribute | StudyAttribute)]
OF_TRIALS = [known for known in KNOWN if isinstance(known, Attribute)]
NAMES = [
    *(("system" if isinstance(known, SystemAttribute) else "user", known.name) for known in OF_TRIALS),
    *(("user", known.older.name) for known in OF_TRIALS if isinstance(known, HiddenAttribute)),
    ("user", "rung:1"),
    ("user", "rung:x"),
    ("system", "constraints:buildable"),
]
RUBBISH = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["flops", "seconds", "pid", "limits", "rounds", "a"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
LARGE = st.sampled_from([[], {}, "", "x" * 5_000_000, -1, 10**30, [[[[]]]], {"a": {"b": {"c": None}}}])


def rubbish(rng: random.Random, depth: int = 0) -> Any:
    """Return something that JSON can hold."""
    simple = [None, True, -1, 0, 3, 10**30, 0.5, -0.0, float("nan"), float("inf"), "", "x", "1", "\x1b[2J"]
    if depth == 0 and rng.random() < 0.03:
        return "x" * 5_000_000
    if depth > 3 or rng.random() < 0.4:
        return rng.choice(simple)
    inner = [rubbish(rng, depth + 1) for _ in range(rng.randrange(4))]
    if rng.random() < 0.5:
        return inner
    names = ["flops", "seconds", "pid", "limits", "rounds", "spread", "attempt", "score", "size", "a"]
    return {rng.choice(names): each for each in inner}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the database of a study of twelve trials; the study's file is in the current folder."""
    folder = tmp_path_factory.mktemp("damage")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = call("run", quick_study(folder), "--trials", 12, "--workers", 1)
        assert result.exit_code == 0, result.output
        yield folder / "optnas.db"


Damage = tuple[str, str, Any, int | None]
"""Whose attribute (``user`` or ``system``), its name, its value, and the trial; ``None`` for the study."""


def damaged(whole: Path, path: Path, *damages: Damage) -> Path:
    """Copy a database and write attributes as a stranger would: not by optnas, and not by Optuna."""
    with (
        contextlib.closing(sqlite3.connect(whole)) as source,
        contextlib.closing(sqlite3.connect(path)) as to,
    ):
        source.backup(to)
        for kind, name, value, trial in damages:
            owner, number = ("study", 1) if trial is None else ("trial", trial + 1)
            table = f"{owner}_{kind}_attributes"
            to.execute(f"DELETE FROM {table} WHERE {owner}_id = ? AND key = ?", (number, name))
            to.execute(
                f"INSERT INTO {table} ({owner}_id, key, value_json) VALUES (?, ?, ?)",
                (number, name, json.dumps(value)),
            )
        to.commit()
    accepted._told.clear()
    return path


def looked_at(database: Path) -> list[Result]:
    storage = "--storage", f"sqlite:///{database}"
    return [
        call("status", *storage),
        call("pareto", *storage),
        call("pareto", "--json", *storage),
        call("pareto", "--plot", database.with_suffix(".html"), *storage),
        *(call("show", number, *storage) for number in range(0, 12, 3)),
        call("show", 1, "--json", *storage),
        call("run", "quick.py", "--trials", 13, "--workers", 1, *storage),
    ]


@pytest.mark.parametrize("seed", range(2))
def test_no_attribute_of_a_trial_stops_a_command(seed: int, whole: Path, tmp_path: Path) -> None:
    rng = random.Random(seed)
    damages = [(kind, name, rubbish(rng), trial) for trial in range(12) for kind, name in NAMES]
    # Another architecture's text is a study file that has changed, which is refused.
    damages = [each for each in damages if each[1] != "architecture" or not isinstance(each[2], str)]
    database = damaged(whole, tmp_path / "x.db", *damages)
    for result in looked_at(database):
        assert result.exit_code == 0, (result.output[-3000:], result.exception)
        assert len(result.output) < 200_000


@pytest.mark.parametrize(
    "known", [known for known in KNOWN if isinstance(known, StudyAttribute)], ids=lambda known: known.name
)
def test_no_attribute_of_a_study_ends_a_command_in_a_traceback(
    known: StudyAttribute[Any], whole: Path, tmp_path: Path
) -> None:
    rng = random.Random(known.name)
    for number in range(2):
        value = rubbish(rng)
        database = damaged(whole, tmp_path / f"{number}.db", ("user", known.name, value, None))
        storage = "--storage", f"sqlite:///{database}"
        run = "run", "quick.py", "--trials", 13, "--workers", 1
        for result in (call("status", *storage), call("pareto", *storage), call(*run, *storage)):
            last = result.output.strip().splitlines()[-1]
            told = result.exit_code == 2 and last.startswith("error: ")
            assert result.exit_code == 0 or told, (value, result.output[-3000:], result.exception)


@settings(max_examples=300, deadline=None)
@given(known=st.sampled_from(OF_TRIALS), value=RUBBISH | LARGE)
def test_what_is_of_another_kind_is_as_if_it_were_missing(known: Attribute[Any], value: Any) -> None:
    accepted._told.clear()
    kind = "system_attrs" if isinstance(known, SystemAttribute) else "user_attrs"
    trial = optuna.trial.create_trial(state=TrialState.FAIL, **{kind: {known.name: value}})
    found = known.of(trial)
    assert found is None or found == value
    default: Any = object()
    assert known.get(trial, default) is default or found is not None
    assert len(accepted._told) == (found is None and value is not None)
    assert json.dumps(value)


def test_a_damaged_attribute_is_told_once_with_its_trial_and_name(whole: Path, tmp_path: Path) -> None:
    database = damaged(whole, tmp_path / "x.db", ("user", "costs", {"flops": "many"}, 3))
    said = "optnas: trial 3: its attribute 'costs' is damaged and ignored"
    show = "show", 3, "--storage", f"sqlite:///{database}"
    assert said in call(*show).stderr.splitlines()
    assert said not in call(*show).stderr.splitlines()


def test_of_many_damaged_attributes_the_first_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    accepted._told.clear()
    for number in range(1000):
        accepted.damaged(f"trial {number}", "costs")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[-1].endswith("further ones are not told")


@pytest.mark.parametrize("claim", [[], "x", {}, {"pid": "x"}, {"pid": 1, "attempt": "many"}, {"pid": None}])
def test_a_trial_with_a_malformed_claim_does_not_keep_a_run_from_ending(
    claim: Any, whole: Path, tmp_path: Path
) -> None:
    running = damaged(whole, tmp_path / "running.db")
    storage = open_storage(f"sqlite:///{running}")
    number = optuna.load_study(study_name="quick", storage=storage).ask().number
    database = damaged(running, tmp_path / "x.db", ("user", "worker", claim, number))
    run = call("run", "quick.py", "--trials", 14, "--workers", 1, "--storage", f"sqlite:///{database}")
    assert run.exit_code == 0, run.output
    study = optuna.load_study(study_name="quick", storage=open_storage(f"sqlite:///{database}"))
    assert sum(trial.state == TrialState.COMPLETE for trial in study.trials) == 13
