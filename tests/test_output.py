"""Output that cannot be written, terminals without a width, values that JSON lacks, trials that are equal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import create_trial

from optnas import Study, maximize, minimize, ops
from optnas.cli import main
from optnas.reports.numbers import short
from optnas.shown import console
from optnas.trials.progress import equal_to, front
from tests.files import call, quick_study

VALUES = [(0.9, 10.0)] * 5 + [(float("inf"), 20.0)] * 2 + [(0.1, 1.0), (0.1, 2.0)]
FULL = Path("/dev/full")


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of which some trials have equal values and some infinite ones."""
    folder = tmp_path_factory.mktemp("searched")
    study = optuna.create_study(
        study_name="equals", storage=f"sqlite:///{folder}/optnas.db", directions=["maximize", "minimize"]
    )
    study.set_metric_names(["score", "size"])
    for width, values in enumerate(VALUES):
        distributions = {"width": IntDistribution(0, 9)}
        study.add_trial(create_trial(values=values, params={"width": width}, distributions=distributions))
    return folder


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "arguments",
    [
        ["pareto"],
        ["pareto", "--csv"],
        ["pareto", "--json"],
        ["status"],
        ["show", "0"],
        ["--help"],
        ["run", "--help"],
        ["run", "quick.py", "--trials", "2", "--workers", "1", "--storage", "sqlite:///quick.db"],
    ],
)
def test_output_that_cannot_be_written_is_one_line(
    arguments: list[str], searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_study(searched)
    for commands in ("look", "search"):  # whose buffers keep what was not written
        monkeypatch.setattr(f"optnas.cli.{commands}.out", console())
    monkeypatch.chdir(searched)
    monkeypatch.setattr(sys, "argv", ["optnas", *arguments])
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 1
    assert told.getvalue() == "error: the output cannot be written: No space left on device\n"
    if "--trials" in arguments:  # nothing else is lost
        study = optuna.load_study(study_name="quick", storage="sqlite:///quick.db")
        assert len(study.trials) == 2


def test_streams_that_are_closed_are_written_nowhere(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(searched)
    for arguments, status in ((["pareto", "--json"], 0), (["show", "99"], 2)):
        monkeypatch.setattr(sys, "argv", ["optnas", *arguments])
        monkeypatch.setattr(sys, "stdin", None)
        monkeypatch.setattr(sys, "stdout", None)
        monkeypatch.setattr(sys, "stderr", None)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == status


def test_a_reader_that_has_seen_enough_ends_it_quietly(
    searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(searched)
    for arguments in (["pareto", "--json"], ["--help"]):
        monkeypatch.setattr(sys, "argv", ["optnas", *arguments])
        told = io.StringIO()
        monkeypatch.setattr(sys, "stderr", told)
        reader, writer = os.pipe()
        os.close(reader)
        with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "w") as pipe:
            monkeypatch.setattr(sys, "stdout", pipe)
            with pytest.raises(SystemExit):
                main()
        assert told.closed or told.getvalue() == ""


def test_a_width_of_0_is_none(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(searched)
    monkeypatch.delenv("COLUMNS", raising=False)
    usual = [call(*command).output for command in (["pareto"], ["status"], ["show", "0"])]
    monkeypatch.setenv("COLUMNS", "0")
    assert [call(*command).output for command in (["pareto"], ["status"], ["show", "0"])] == usual
    printed = io.StringIO()
    monkeypatch.setattr(sys, "stdout", printed)
    monkeypatch.setattr(sys, "argv", ["optnas", "pareto", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert "Show the front" in printed.getvalue()


def test_trials_that_none_beats_are_all_told(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(searched)
    lines = call("pareto").output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["5", "0", "7"]
    assert ["+1 equal" in lines[1], "+4 equal" in lines[2], "equal" in lines[3]] == [True, True, False]
    rows = [line.split(",") for line in call("pareto", "--csv").output.splitlines()]
    assert [row[rows[0].index("equal")] for row in rows[1:]] == ["6", "1 2 3 4", ""]
    records = json.loads(call("pareto", "--json").output)
    assert [record.get("equal") for record in records] == [[6], [1, 2, 3, 4], None]
    study = Study(
        "equals",
        ops.relu(),
        evaluate=lambda candidate, report: {},
        objectives=[maximize("score"), minimize("size")],
    )
    assert [*study.front("sqlite:///optnas.db")["equal"]] == ["6", "1 2 3 4", ""]


def test_a_front_without_equals_says_nothing_of_them() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for values in ((0.9, 10.0), (0.1, 1.0), (0.1, 2.0)):
        study.tell(study.ask(), values)
    assert equal_to(front(study), study.trials) == {}


def test_json_has_no_number_that_json_lacks(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    monkeypatch.chdir(searched)
    for arguments in (["pareto", "--json"], ["show", "5", "--json"]):
        json.loads(call(*arguments).output, parse_constant=refuse)


def test_huge_numbers_are_short() -> None:
    assert [short(value) for value in (float("inf"), -1e308, 1.5e15)] == ["inf", "-1e+308", "1500 T"]
