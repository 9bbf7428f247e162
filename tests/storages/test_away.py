"""A server that is away for a while costs nothing but the wait."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import TrialState, create_trial
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from optnas.storages import waiting
from optnas.storages.database import Database
from optnas.storages.journal import GuardedJournal
from optnas.storages.lock import study_lock
from optnas.storages.opening import NoStorage, open_storage
from optnas.trials.optuna_internals import backend_of, storage_of
from tests.files import call, quick_study
from tests.servers import KINDS, Server, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serving(request.param) as started:
        yield started


def test_a_new_database_has_no_study_yet(server: Server) -> None:
    """The first of this file: whoever writes makes the tables."""
    if server.url.startswith("grpc"):
        assert not open_storage(server.url, reading=True).get_all_studies(), "its database made them"
    else:
        with pytest.raises(NoStorage, match="no study is stored"):
            open_storage(server.url, reading=True)


def test_reading_waits_for_nobody_who_writes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = open_storage(server.url)
    optuna.create_study(study_name="held", storage=storage).enqueue_trial({"x": 1})

    def never(*_: object) -> None:
        raise AssertionError("it waits")

    monkeypatch.setattr(waiting.Guard, "_wait", never)
    with contextlib.ExitStack() as held:
        held.enter_context(study_lock(storage, "held"))
        backend = backend_of(storage)
        if isinstance(backend, Database):
            writer = held.enter_context(backend.engine.begin())
            for table in ("studies", "trials", "trial_system_attributes"):
                writer.execute(text(f"SELECT * FROM {table} FOR UPDATE"))
        for command in (["status"], ["pareto", "held"], ["show", 0, "--study", "held"]):
            result = call(*command, "--storage", server.url)
            assert result.exit_code == 0, result.output


def during(trouble: Callable[[], None], end: Callable[[], None], study: optuna.Study) -> None:
    """Report from a trial while trouble begins, and end it once the reports wait."""
    storage = storage_of(study)
    trial = study.ask()
    trouble()
    reports = threading.Thread(target=lambda: [trial.report(step / 2, step) for step in range(4)])
    reports.start()
    while waiting.waiting_for(storage) is None:
        time.sleep(0.01)
    end()
    reports.join()
    study.tell(trial, 1.0)
    done = study.trials[trial.number]
    assert done.intermediate_values == {step: step / 2 for step in range(4)}
    assert done.state == TrialState.COMPLETE
    assert waiting.last_outage(storage) > 0


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_what_is_reported_while_a_server_restarts_is_kept(server: Server, how: str) -> None:
    study = optuna.create_study(storage=open_storage(server.url))
    during(getattr(server, how), server.start, study)
    assert waiting.waiting_for(storage_of(study)) is None


def test_a_storage_is_waited_for_as_long_as_it_starts(server: Server) -> None:
    server.stop()
    opened: list[object] = []
    opening = threading.Thread(target=lambda: opened.append(open_storage(server.url, patience=60)))
    opening.start()
    opening.join(0.3)
    assert opening.is_alive()
    server.start()
    opening.join()
    assert len(opened) == 1


def test_a_run_goes_on_over_a_crash_of_the_server(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = quick_study(tmp_path, name=f"crash{server.port}", seconds=0.05)
    watched = open_storage(server.url)

    def crash() -> None:
        while not any(len(watched.get_all_trials(s._study_id)) > 3 for s in watched.get_all_studies()):
            time.sleep(0.05)
        server.kill()
        server.start()

    crashing = threading.Thread(target=crash)
    crashing.start()
    result = call("run", file, "--trials", 12, "--workers", 1, "--storage", server.url)
    crashing.join()
    assert result.exit_code == 0, result.output
    study = optuna.load_study(study_name=f"crash{server.port}", storage=open_storage(server.url))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 12


def lose_answers(storage: BaseStorage, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the answer to the first change that is made be lost, not the change itself."""
    backend = backend_of(storage)
    lost: list[int] = []

    def once(error: Exception) -> None:
        if not lost:
            lost.append(1)
            raise error

    if isinstance(backend, Database):

        def commit(connection: Connection) -> None:
            connection.connection.dbapi_connection.commit()
            broken = sqlite3.OperationalError("disk I/O error")
            broken.sqlite_errorcode = sqlite3.SQLITE_IOERR
            once(OperationalError("COMMIT", {}, broken))

        event.listen(backend.engine, "commit", commit)
    elif isinstance(backend, GuardedJournal):
        write = backend.backend.append_logs

        def append(logs: list[dict[str, Any]]) -> None:
            write(logs)
            once(ConnectionResetError("the answer was lost"))

        monkeypatch.setattr(backend.backend, "append_logs", append)
    return lost


def test_a_trial_whose_creation_was_not_answered_is_not_created_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = {"worker": {"token": "a"}}
    running = create_trial(state=TrialState.RUNNING, user_attrs=claim)
    for url in (f"sqlite:///{tmp_path}/a.db", f"{tmp_path}/a.log"):
        for template in (
            running,
            create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": {"x": 1}}),
        ):
            study = optuna.create_study(storage=open_storage(url))
            storage = storage_of(study)
            lost = lose_answers(storage, monkeypatch)
            created = storage.create_new_trial(study._study_id, template)
            assert lost
            assert [trial._trial_id for trial in study.trials] == [created]
            assert study.trials[0].user_attrs == template.user_attrs


@pytest.mark.parametrize("url", ["sqlite:///a.db", "a.log"])
@pytest.mark.parametrize(("state", "values"), [(TrialState.COMPLETE, [1.0]), (TrialState.RUNNING, None)])
def test_a_state_whose_change_was_not_answered_was_changed(
    url: str, state: TrialState, values: list[float] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = optuna.create_study(storage=open_storage(url))
    storage = storage_of(study)
    study.enqueue_trial({"x": 1})
    lost = lose_answers(storage, monkeypatch)
    assert storage.set_trial_state_values(study.trials[0]._trial_id, state, values)
    assert lost
    assert study.trials[0].state == state
    # One that another finishes with another value is not this one's.
    if values is not None:
        with pytest.raises(UpdateFinishedTrialError):
            storage.set_trial_state_values(study.trials[0]._trial_id, state, [2.0])
