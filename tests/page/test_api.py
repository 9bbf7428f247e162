"""The server's JSON, as README.md of its room describes it, without a browser."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import TrialState, create_trial

from optnas.page.columns import StudyColumns
from optnas.page.drawings import Drawings
from optnas.page.routes import Served, address_of
from optnas.storages.opening import open_storage
from optnas.trials.record import ABOUT, ARCHITECTURE, COSTS, METRICS, REASON
from tests.page.client import asked, page_of

TEXT = "seq(conv(16), norm, mish, head)"


def study_in(storage: BaseStorage, name: str = "digits") -> optuna.Study:
    study = optuna.create_study(storage=storage, study_name=name, directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "flops"])
    return study


def add(study: optuna.Study, state: TrialState, values: list[float] | None = None, **more: Any) -> None:
    attributes = {ARCHITECTURE.name: TEXT, COSTS.name: {"flops": 5120, "params": 170}}
    study.add_trial(
        create_trial(
            state=state,
            values=values,
            params={"op": "conv", "width": 16},
            distributions={
                "op": CategoricalDistribution(["conv", "sepconv"]),
                "width": IntDistribution(1, 64),
            },
            user_attrs=attributes | more.pop("attributes", {}),
            **more,
        )
    )


@pytest.fixture
def storage() -> BaseStorage:
    return InMemoryStorage()


@pytest.fixture
def study(storage: BaseStorage) -> optuna.Study:
    study = study_in(storage)
    add(study, TrialState.COMPLETE, [0.9, 5120], attributes={METRICS.name: {"f1": 0.8, "seconds": 2.0}})
    add(study, TrialState.PRUNED, attributes={"rung:1": [0.3, 5120], "rung:3": [0.4, 5120]})
    add(study, TrialState.PRUNED, constraints={"params <= 100": 0.7})
    add(study, TrialState.FAIL, attributes={REASON.name: "out of memory"})
    return study


def columns(storage: BaseStorage, after: str = "") -> Any:
    return asked(page_of(storage), f"/optnas/api/studies/0/trials?after={after}").data


def decoded(column: Any) -> list[Any]:
    if isinstance(column, list):
        return column
    return [None if code < 0 else column["words"][code] for code in column["codes"]]


def test_columns_say_what_each_trial_is_and_what_is_known_of_it(
    storage: BaseStorage, study: optuna.Study
) -> None:
    found = columns(storage)["finished"]
    assert found["number"] == [0, 1, 2, 3]
    assert decoded(found["kind"]) == ["complete", "pruned", "infeasible", "failed"]
    # A pruned trial stands at its last report, one that was not trained has its costs alone.
    assert found["values"]["accuracy"] == [0.9, 0.4, None, None]
    assert found["values"]["flops"] == [5120, 5120, 5120, 5120]
    assert found["costs"]["params"] == [170] * 4
    assert found["metrics"]["f1"] == [0.8, None, None, None]
    assert decoded(found["params"]["op"]) == ["conv"] * 4
    assert found["params"]["width"] == [16] * 4
    words = found["ops"]["words"]
    assert {words[code] for code in found["ops"]["sets"][0]} == {"seq", "conv", "norm", "mish", "head"}


def test_after_a_cursor_comes_only_what_ended_since(storage: BaseStorage, study: optuna.Study) -> None:
    application = page_of(storage)

    def since(cursor: str) -> Any:
        return asked(application, f"/optnas/api/studies/0/trials?after={cursor}").data

    first = since("")
    assert first["reset"] is True
    trial = study.ask()
    running = since(first["cursor"])
    assert running["reset"] is False
    assert running["finished"]["number"] == []
    assert running["open"]["number"] == [trial.number]
    assert decoded(running["open"]["kind"]) == ["running"]
    add(study, TrialState.COMPLETE, [0.5, 1.0])
    later = since(running["cursor"])
    assert later["finished"]["number"] == [5]
    study.tell(trial, [0.1, 2.0])
    # In the order in which they were seen to end: a late one is not missed.
    last = since(later["cursor"])
    assert last["finished"]["number"] == [4]
    assert last["open"]["number"] == []
    assert since(first["cursor"])["finished"]["number"] == [5, 4]


@pytest.mark.parametrize("cursor", ["x", "-", "00000000-3", "9" * 5000, "%00", "-1"])
def test_a_cursor_of_another_server_brings_everything_anew(
    storage: BaseStorage, study: optuna.Study, cursor: str
) -> None:
    found = columns(storage, cursor)
    assert found["reset"] is True
    assert len(found["finished"]["number"]) == 4


def test_a_study_that_was_deleted_and_made_again_brings_everything_anew(
    storage: BaseStorage, study: optuna.Study
) -> None:
    seen = StudyColumns(study)
    before = seen.since("")
    optuna.delete_study(study_name="digits", storage=storage)
    again = StudyColumns(study_in(storage))
    add(study_in(storage, "other"), TrialState.COMPLETE, [0.5, 1.0])
    found = again.since(before["cursor"])
    assert found["reset"] is True
    assert found["finished"]["number"] == []


def test_numbers_that_json_lacks_are_null(storage: BaseStorage) -> None:
    study = study_in(storage)
    add(study, TrialState.COMPLETE, [float("inf"), 1.0], attributes={METRICS.name: {"loss": float("nan")}})
    answer = asked(page_of(storage), "/optnas/api/studies/0/trials")
    assert answer.data["finished"]["values"]["accuracy"] == [None]
    detail = asked(page_of(storage), "/optnas/api/studies/0/trials/0")
    assert json.loads(detail.text, parse_constant=pytest.fail)["values"]["accuracy"] is None


def test_ten_thousand_waiting_trials_are_counted_and_a_few_sent(storage: BaseStorage) -> None:
    study = study_in(storage)
    for _ in range(300):
        study.enqueue_trial({"width": 3})
    found = columns(storage)
    assert found["open_count"] == 300
    assert len(found["open"]["number"]) == 200


def test_details_have_the_record_the_curve_and_the_lines_to_copy(
    storage: BaseStorage, study: optuna.Study
) -> None:
    path = "/optnas/api/studies/0/trials/1"
    found = asked(page_of(storage, "sqlite:///my studies.db"), path).data
    assert found["kind"] == "pruned"
    assert found["rungs"] == [[1, 0.3, 5120], [3, 0.4, 5120]]
    assert found["copy"]["train"] == "optnas train STUDY.py --trial 1 --storage 'sqlite:///my studies.db'"
    assert found["copy"]["parse"] == f"parse({TEXT!r})"
    ABOUT.put(study, {"space": "seq(relu, head)", "task": None})
    assert asked(page_of(storage), path).data["copy"]["train"] is None
    # A password is told to nobody.
    secret = asked(page_of(storage, "postgresql://me:s3cret@host/d"), path).text
    assert "s3cret" not in secret
    assert asked(page_of(storage), "/optnas/api/studies/0/trials/2").data["constraints"] == {
        "params <= 100": 0.7
    }


def test_a_drawing_is_made_of_the_record_and_nothing_else_runs_in_it(
    storage: BaseStorage, study: optuna.Study
) -> None:
    answer = asked(page_of(storage), "/optnas/api/studies/0/trials/0/drawing.svg")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert "mish" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_what_is_no_architecture_is_one_line(storage: BaseStorage) -> None:
    study = study_in(storage)
    add(
        study, TrialState.COMPLETE, [0.5, 1.0], attributes={ARCHITECTURE.name: "__import__('os').system('x')"}
    )
    study.ask()
    application = page_of(storage)
    assert asked(application, "/optnas/api/studies/0/trials/0/drawing.svg").status == 422
    assert asked(application, "/optnas/api/studies/0/trials/0/drawing.svg?quiet").status == 204
    assert asked(application, "/optnas/api/studies/0/trials/0").data["drawing"] is None
    answer = asked(application, "/optnas/api/studies/0/trials/1/drawing.svg")
    assert answer.status == 404
    assert answer.data["error"] == "trial 1 is running and has no architecture on record"


def test_drawings_that_were_not_asked_for_lately_are_forgotten(storage: BaseStorage) -> None:
    study = study_in(storage)
    for width in range(1, 9):
        add(
            study,
            TrialState.COMPLETE,
            [0.5, 1.0],
            attributes={ARCHITECTURE.name: f"seq(conv({width}), relu)"},
        )
    one = len(Drawings().of(study, study.trials[0], "seq(conv(1), relu)"))
    drawings = Drawings(most=3 * one)
    for trial in study.trials:
        drawings.of(study, trial, ARCHITECTURE.get(trial, ""))
    assert sum(map(len, drawings._known.values())) <= 3 * one
    assert len(drawings._known) >= 2


def test_a_study_that_another_program_has_deleted_is_not_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    study_in(optuna.storages.RDBStorage(url))
    application = page_of(open_storage(url, reading=True))
    assert asked(application, "/optnas/api/studies/1/trials").status == 200
    optuna.delete_study(study_name="digits", storage=optuna.storages.RDBStorage(url))
    for path in ("", "/trials", "/trials/0", "/trials/0/drawing.svg"):
        answer = asked(application, f"/optnas/api/studies/1{path}")
        assert (answer.status, answer.data["error"]) == (404, "there is no study of number 1")


def test_a_storage_that_is_locked_is_told_and_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "studies.db"
    study_in(optuna.storages.RDBStorage(f"sqlite:///{file}"))
    application = page_of(open_storage(f"sqlite:///{file}", reading=True))
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        answer = asked(application, "/optnas/api/studies/1")
        page = asked(application, "/optnas/")
    assert answer.status == 503
    assert "locked" in answer.data["error"]
    assert "<main" in page.text, "a person sees a page, which asks again"
    assert asked(application, "/optnas/api/studies/1").data["name"] == "digits"


@pytest.mark.parametrize(
    "path",
    [
        "/optnas/api/studies/9",
        "/optnas/api/studies/9/trials",
        "/optnas/api/studies/0/trials/99",
        "/optnas/api/studies/0/trials/99/drawing.svg",
        "/optnas/study/9",
        "/optnas/api/studies/0/trials/-1",
        f"/optnas/api/studies/{10**25}",
        f"/optnas/api/studies/0/trials/{'9' * 5000}",
        "/optnas/api/studies/digits",
    ],
)
def test_what_is_not_there_is_told_as_json(storage: BaseStorage, study: optuna.Study, path: str) -> None:
    answer = asked(page_of(storage), path)
    assert answer.status == 404
    assert "no" in answer.data["error"]


@pytest.mark.parametrize(
    "path", ["../routes.py", "..%2froutes.py", "%2e%2e/routes.py", "/etc/passwd", "none.js"]
)
def test_only_the_page_s_own_files_are_served(storage: BaseStorage, study: optuna.Study, path: str) -> None:
    answer = asked(page_of(storage), f"/optnas/static/{path}")
    assert b"import" not in answer.body
    assert b"root:" not in answer.body


NAMES = [
    "<script>alert(1)</script>",
    "a\"b'c",
    "a\nb",
    "a/b",
    "..",
    ".",
    "api/studies",
    "\u202eabc",
    "\x1b[2J",
    "a?b#c",
    "ü",
    "a b",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_of_any_name_has_an_address(storage: BaseStorage, name: str) -> None:
    study_in(storage, name)
    study_in(storage, "other")
    application = page_of(storage)
    (own,) = [each for each in asked(application, "/optnas/api/studies").data if each["name"] == name]
    assert own["page"] == address_of(name)
    answer = asked(application, own["page"])
    assert answer.status == 200
    assert b"<script" in answer.body
    assert asked(application, f"/optnas/study/{own['id']}").headers["Location"] == own["page"]
    # Whoever writes it by hand gets there, too, unless a browser would take it for another path.
    if name not in ("..", ".", "api/studies"):
        assert asked(application, f"/optnas/{quote(name, safe='')}").status == 200


def test_with_one_study_the_server_s_address_leads_to_it(storage: BaseStorage, study: optuna.Study) -> None:
    application = page_of(storage)
    assert asked(application, "/").headers["Location"] == "/optnas/"
    assert asked(application, "/optnas/").headers["Location"] == "/optnas/digits"
    study_in(storage, "other")
    assert asked(application, "/optnas/").status == 200


def test_the_page_runs_no_script_but_its_own(storage: BaseStorage, study: optuna.Study) -> None:
    policy = asked(page_of(storage), "/optnas/digits").headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe-eval" not in policy
    script = asked(page_of(storage), "/optnas/static/plotly.min.js")
    assert script.body.startswith(b"/**\n* plotly.js")
    again = asked(page_of(storage), "/optnas/static/plotly.min.js", HTTP_IF_NONE_MATCH=script.headers["Etag"])
    assert again.status == 304


def test_studies_are_listed_without_reading_their_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'optnas.db'}"
    first, second = (optuna.create_study(study_name=name, storage=url) for name in ("first", "second"))
    for study in (first, second, second):
        study.add_trial(optuna.trial.create_trial(value=1.0))
    optuna.create_study(study_name="empty", storage=url)
    storage = open_storage(url, reading=True)
    monkeypatch.setattr(type(storage), "get_all_trials", None)
    found = asked(page_of(storage), "/optnas/api/studies").data
    assert [(each["name"], each["trials"]) for each in found] == [("first", 1), ("second", 2), ("empty", 0)]
    assert found[1]["begun"] == first.trials[0].datetime_start.isoformat(" ", "minutes")


def test_the_study_that_was_begun_last_is_read_ahead(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'optnas.db'}"
    for name, day in (("old", 1), ("new", 3), ("older", 2)):
        begun = datetime(2026, 1, day)
        trial = optuna.trial.create_trial(value=1.0)
        trial.datetime_start = begun
        optuna.create_study(study_name=name, storage=url).add_trial(trial)
    storage = open_storage(url, reading=True)
    read: list[int] = []
    everything = storage.get_all_trials
    storage.get_all_trials = lambda number, *args, **kwargs: (  # type: ignore[method-assign]
        read.append(number) or everything(number, *args, **kwargs)
    )
    Served(storage, url).read_ahead()
    assert read == [storage.get_study_id_from_name("new")]


def test_the_server_starts_without_pytorch() -> None:

    lines = (
        "import sys, optnas.page.server, optnas.page.routes; from optuna.storages import InMemoryStorage;"
        "optnas.page.routes.pages(optnas.page.routes.Served(InMemoryStorage(), 'x'));"
        "print(*{'torch', 'plotly', 'pandas', 'sklearn'}.intersection(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr
