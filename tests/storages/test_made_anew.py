"""A study that another process deletes and makes again, whose ids SQLite gives away again, is read anew."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import create_trial

from optnas.page.columns import StudyColumns
from optnas.reports.terminal import StudiesView
from optnas.storages.guarded import Guarded
from optnas.storages.opening import open_storage
from optnas.trials.reader import Reader
from optnas.trials.record import WORKER
from tests.page.client import asked, page_of
from tests.reports.test_reports import printed


@pytest.fixture(params=["sqlite:///{}/a.db", "{}/a.log"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(tmp_path)


def made(
    url: str, *values: float | None, name: str = "a", directions: tuple[str, ...] = ("minimize",)
) -> None:
    """Make a study as another process does, in place of one of that name; ``None`` is a running trial."""
    storage = open_storage(url)
    if name in optuna.get_all_study_names(storage):
        optuna.delete_study(study_name=name, storage=storage)
    study = optuna.create_study(study_name=name, storage=storage, directions=directions)
    for value in values:
        if value is None:
            study.ask().suggest_int("x", 1, 9)
        else:
            study.add_trial(create_trial(values=[value] * len(directions)))


def values_in(storage: BaseStorage) -> list[list[float] | None]:
    return [trial.values for trial in optuna.load_study(study_name="a", storage=storage).trials]


@pytest.mark.parametrize("before", [(1.0, 2.0), (1.0, None), (None, None), ()])
@pytest.mark.parametrize("after", [(3.0,), (3.0, 4.0), (3.0, 4.0, 5.0), (None, 3.0), ()])
def test_its_trials_are_the_new_ones(
    url: str, before: tuple[float | None, ...], after: tuple[float | None, ...]
) -> None:
    made(url, *before)
    storage = open_storage(url, reading=True)
    told = [None if value is None else [value] for value in before]
    assert values_in(storage) == told
    assert values_in(storage) == told
    made(url, *after)
    for _ in range(2):
        assert values_in(storage) == [None if value is None else [value] for value in after]


def test_it_may_have_other_objectives_and_its_id_another_name(url: str) -> None:
    made(url, 1.0)
    storage = open_storage(url)
    first = optuna.load_study(study_name="a", storage=storage)
    assert len(first.trials) == 1
    made(url, 2.0, directions=("maximize", "minimize"))
    again = optuna.load_study(study_name="a", storage=storage)
    assert [direction.name for direction in again.directions] == ["MAXIMIZE", "MINIMIZE"]
    optuna.delete_study(study_name="a", storage=open_storage(url))
    with pytest.raises(KeyError):
        again.get_trials(deepcopy=False)
    made(url, 3.0, name="b")
    other = optuna.load_study(study_name="b", storage=storage)
    assert storage.get_study_name_from_id(other._study_id) == "b"
    assert [trial.values for trial in other.trials] == [[3.0]]


def test_a_worker_that_goes_on_in_it_counts_its_trials_and_sees_its_parameters(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    made(url, 1.0, 2.0, 3.0)
    storage = open_storage(url)
    study = optuna.load_study(study_name="a", storage=storage)
    assert len(study.trials) == 3
    made(url, 4.0)
    assert isinstance(storage, Guarded)
    assert storage.get_unfinished(study._study_id, WORKER.name, WORKER.older.name) == ([], 1)
    trial = study.ask()
    assert trial.number == 1
    assert trial.suggest_int("x", 20, 30) >= 20
    study.tell(trial, 5.0)
    assert values_in(storage) == [[4.0], [5.0]]
    assert values_in(open_storage(url)) == [[4.0], [5.0]]


def test_what_is_read_incrementally_begins_anew(url: str) -> None:
    made(url, 1.0, 2.0)
    storage = open_storage(url)
    read: Reader[list[float]] = Reader(
        lambda _: [], lambda seen, trial: seen.append(trial.value) if trial.value else None
    )
    study = optuna.load_study(study_name="a", storage=storage)
    columns = StudyColumns(study)
    assert read.read(study, study.trials) == [1.0, 2.0]
    cursor = columns.since("")["cursor"]
    made(url, 3.0, 4.0, 5.0, directions=("maximize",))
    again = optuna.load_study(study_name="a", storage=storage)
    assert read.read(again, again.trials) == [3.0, 4.0, 5.0]
    if again._study_id == study._study_id:
        answer = columns.since(cursor)
        assert answer["reset"]
        assert answer["finished"]["values"]["value 0"] == [3.0, 4.0, 5.0]


def test_the_page_and_status_show_the_new_trials(url: str) -> None:
    made(url, 1.0, 2.0)
    storage = open_storage(url, reading=True)
    page = page_of(storage, url)

    def shown() -> list[float]:
        (study,) = asked(page, "/optnas/api/studies").data
        found = asked(page, f"/optnas/api/studies/{study['id']}/trials?after=").data
        view = StudiesView([optuna.load_study(study_name="a", storage=storage)])
        best = min(found["finished"]["values"]["value 0"])
        assert f"best {best:g}" in " ".join(printed(view))
        return list(found["finished"]["values"]["value 0"])

    assert shown() == [1.0, 2.0]
    made(url, 3.0, 4.0)
    assert shown() == [3.0, 4.0]
