"""Lines to copy from notes, reports and the terminal work in another terminal, and tell no password."""

from __future__ import annotations

import html
import shlex
from pathlib import Path

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna_dashboard import get_note

from optnas.reports.commands import command, storage_option
from optnas.reports.publishing import publish, to_note
from optnas.reports.report import report
from optnas.storages.guarded import Guarded
from optnas.storages.opening import open_storage
from optnas.trials.optuna_internals import storage_of
from tests.files import call
from tests.reports.test_publishing import note, study_in


def texts(study: optuna.Study) -> dict[str, str]:
    """Return the notes and the report of a study."""
    trials = study.get_trials(deepcopy=False)
    publish(study, trials, to_note(study, trials))
    return {"study": str(get_note(study)), "trial": note(study, 0), "report": report(study)}


@pytest.mark.parametrize("url", ["sqlite:///of mine.db", "of-mine.log"])
def test_they_name_a_storage_that_is_not_the_default_one(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = texts(study_in(open_storage(url)))
    option = f" --storage {shlex.quote(url)}"
    assert f"optnas run studies/digits.py --trials 104{option}" in found["study"]
    assert f"optnas train studies/digits.py --trial 0{option}`" in found["trial"]
    assert f"studies/digits.py --trials 4{option}" in html.unescape(found["report"])
    (line,) = [line for line in found["study"].splitlines() if line.startswith("optnas pareto")]
    result = call(*shlex.split(line)[1:])
    assert result.exit_code == 0, result.output
    assert "accuracy" in result.output


def test_they_are_short_where_it_is_the_default_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = study_in(open_storage("sqlite:///optnas.db"))
    assert command(study, "show", 3) == "optnas show 3"
    assert "--storage" not in "".join(texts(study).values())
    assert command(study_in(InMemoryStorage()), "show", 3) == "optnas show 3"


@pytest.mark.parametrize("url", ["postgresql://me:s3cret@host/d", "redis://:s3cret@host:6379/0"])
def test_a_password_stands_in_none(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from optnas.shown import masked_url

    assert storage_option(url) == ""
    study = study_in(open_storage(f"sqlite:///{tmp_path}/a.db"))
    storage = storage_of(study)
    assert isinstance(storage, Guarded)
    monkeypatch.setattr(storage.guard, "name", masked_url(url))  # as a server's storage is named
    found = "".join(texts(study).values())
    assert "s3cret" not in found
    assert "***" not in found


def test_a_word_with_a_line_feed_or_quotes_is_one_word_of_one_line() -> None:
    study = study_in(InMemoryStorage())
    line = command(study, "train", "my $(rm)\n'study'.py")
    assert "\n" not in line
    assert shlex.split(line) == ["optnas", "train", "my $(rm)?'study'.py"]
